import Mpegts from 'mpegts.js';
import { bufferedAhead, type PlayerSource, pictureOf, type SourceEvents, type SourceTarget } from './player-source.ts';

/** How much is kept ahead of the position; less saves delay, more survives a network that hesitates. */
const TARGET_DELAY_SECONDS = 0.8;
/** Above this the player speeds up a little until the target is reached. */
const MAX_DELAY_SECONDS = 1.5;
/** Above this it jumps: speeding up would take too long. The server begins with a whole GOP, so this is common. */
const JUMP_DELAY_SECONDS = 3;

const CONFIG: Mpegts.Config = {
  enableStashBuffer: false,
  lazyLoad: false,
  liveSync: true,
  liveSyncTargetLatency: TARGET_DELAY_SECONDS,
  liveSyncMaxLatency: MAX_DELAY_SECONDS,
  liveSyncPlaybackRate: 1.1,
  autoCleanupSourceBuffer: true,
  autoCleanupMaxBackwardDuration: 30,
  autoCleanupMinBackwardDuration: 15,
};

const MAX_MEDIA_ERRORS = 3;

interface MpegtsErrorInfo {
  /** HTTP status of network errors; -1 or less when there was no answer. */
  readonly code?: number;
  readonly msg?: string;
}

Mpegts.LoggingControl.enableAll = false;

/** Plays an HTTP-FLV or WebSocket-FLV address by mpegts.js with little delay. */
export function openFlv(
  video: HTMLVideoElement,
  { url }: SourceTarget,
  events: SourceEvents,
): PlayerSource | undefined {
  if (Mpegts.getFeatureList().mseLivePlayback) return new FlvSource(video, url, events);
  events.impossible('This browser can not play FLV: it lacks Media Source Extensions. Choose HLS instead.');
  return undefined;
}

class FlvSource implements PlayerSource {
  readonly #video: HTMLVideoElement;
  readonly #url: string;
  readonly #events: SourceEvents;
  readonly #onProgress = (): void => this.#catchUp();
  #player: Mpegts.Player | undefined;
  #mediaErrors = 0;

  constructor(video: HTMLVideoElement, url: string, events: SourceEvents) {
    this.#video = video;
    this.#url = url;
    this.#events = events;
    video.addEventListener('progress', this.#onProgress);
    this.reload();
  }

  reload(): void {
    this.#stop();
    const player = Mpegts.createPlayer({ type: 'flv', isLive: true, url: this.#url }, CONFIG);
    this.#player = player;
    player.on(Mpegts.Events.ERROR, (type: string, detail: string, info: MpegtsErrorInfo) =>
      this.#onError(type, detail, info),
    );
    player.on(Mpegts.Events.LOADING_COMPLETE, () =>
      this.#events.failed('The stream has ended. Waiting for it to come back…', 'absent'),
    );
    player.attachMediaElement(this.#video);
    player.load();
    this.#events.ready();
  }

  /** Ends loading: a live stream that nobody watches would only fill the memory. The last picture stays. */
  pause(): void {
    this.#video.poster = pictureOf(this.#video);
    this.#stop();
  }

  resume(): void {
    this.reload();
  }

  delaySeconds(): number | undefined {
    return bufferedAhead(this.#video);
  }

  close(): void {
    this.#video.removeEventListener('progress', this.#onProgress);
    this.#video.removeAttribute('poster');
    this.#stop();
  }

  #stop(): void {
    this.#player?.destroy();
    this.#player = undefined;
    this.#video.playbackRate = 1;
  }

  #catchUp(): void {
    const { buffered } = this.#video;
    if (bufferedAhead(this.#video) <= JUMP_DELAY_SECONDS) return;
    const newest = buffered.length - 1;
    this.#video.currentTime = Math.max(buffered.start(newest), buffered.end(newest) - TARGET_DELAY_SECONDS);
  }

  #onError(type: string, detail: string, info: MpegtsErrorInfo): void {
    if (type === Mpegts.ErrorTypes.NETWORK_ERROR) {
      this.#events.failed(networkMessage(info.code ?? 0), info.code === 404 ? 'absent' : 'trouble');
      return;
    }
    this.#stop();
    const { MEDIA_CODEC_UNSUPPORTED, MEDIA_FORMAT_UNSUPPORTED } = Mpegts.ErrorDetails;
    const hopeless = detail === MEDIA_CODEC_UNSUPPORTED || detail === MEDIA_FORMAT_UNSUPPORTED;
    if (!hopeless && this.#mediaErrors++ < MAX_MEDIA_ERRORS) {
      this.#events.failed('The browser stumbled over the media. Trying again…', 'trouble');
      return;
    }
    const why = info.msg ?? detail;
    this.#events.impossible(`This browser can not play this stream as FLV (${why}). Choose HLS, or use VLC.`);
  }
}

function networkMessage(status: number): string {
  if (status === 404) return 'The server does not have this stream. Trying again…';
  if (status === 503) return 'The server takes no more FLV viewers right now. Trying again…';
  if (status >= 400) return `The server answered ${status} to the FLV address. Trying again…`;
  return 'The connection for FLV broke or was refused. Trying again…';
}
