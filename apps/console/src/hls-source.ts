import Hls, { type ErrorData } from 'hls.js/light';
import type { PlayerSource, SourceEvents } from './player-source.ts';

const MAX_MEDIA_ERRORS = 3;
const HLS_TYPE = 'application/vnd.apple.mpegurl';

/** Plays an HLS address by hls.js, or by the browser itself where only that can. */
export function openHls(video: HTMLVideoElement, url: string, events: SourceEvents): PlayerSource {
  if (Hls.isSupported()) return new HlsSource(video, url, events);
  if (video.canPlayType(HLS_TYPE) === '') {
    events.impossible('This browser can not play HLS. Try another browser, or the RTMP address in VLC.');
  }
  return new NativeHlsSource(video, url, events);
}

class HlsSource implements PlayerSource {
  #hls: Hls;
  readonly #video: HTMLVideoElement;
  readonly #url: string;
  readonly #events: SourceEvents;
  #mediaErrors = 0;

  constructor(video: HTMLVideoElement, url: string, events: SourceEvents) {
    this.#video = video;
    this.#url = url;
    this.#events = events;
    this.#hls = this.#open();
  }

  /** Begins anew: a stream that got another track in the meantime does not fit what was set up for the old ones. */
  reload(): void {
    this.#hls.destroy();
    this.#hls = this.#open();
  }

  /** Goes on loading: the playlist alone, once the buffer is full. */
  pause(): void {}

  resume(): void {
    const edge = this.#hls.liveSyncPosition;
    if (edge !== null && edge > this.#video.currentTime) this.#video.currentTime = edge;
    this.#events.ready();
  }

  delaySeconds(): number | undefined {
    return this.#hls.latency > 0 ? this.#hls.latency : undefined;
  }

  close(): void {
    this.#hls.destroy();
  }

  #open(): Hls {
    const hls = new Hls({ lowLatencyMode: true, backBufferLength: 30, maxLiveSyncPlaybackRate: 1.1 });
    hls.on(Hls.Events.MANIFEST_PARSED, this.#events.ready);
    hls.on(Hls.Events.ERROR, (_event, data) => {
      if (data.fatal) this.#onFatal(data);
    });
    hls.attachMedia(this.#video);
    hls.loadSource(this.#url);
    return hls;
  }

  #onFatal(data: ErrorData): void {
    if (data.type !== Hls.ErrorTypes.MEDIA_ERROR) {
      const status = data.response?.code ?? 0;
      if (status === 415) this.#events.impossible(`${serverMessage(data)}. Choose FLV, or use VLC.`);
      else this.#events.failed(networkMessage(status));
      return;
    }
    const errors = this.#mediaErrors++;
    if (errors === 0) this.#hls.recoverMediaError();
    else if (errors < MAX_MEDIA_ERRORS) this.#events.failed('The stream has changed. Beginning anew…');
    else this.#events.impossible(`This browser can not play this stream as HLS (${data.details}).`);
  }
}

class NativeHlsSource implements PlayerSource {
  readonly #video: HTMLVideoElement;
  readonly #url: string;
  readonly #events: SourceEvents;
  readonly #onError = (): void => this.#events.failed('The stream can not be loaded. Trying again…');

  constructor(video: HTMLVideoElement, url: string, events: SourceEvents) {
    this.#video = video;
    this.#url = url;
    this.#events = events;
    video.addEventListener('error', this.#onError);
    this.reload();
  }

  reload(): void {
    this.#video.src = this.#url;
    this.#events.ready();
  }

  pause(): void {}

  resume(): void {
    this.#events.ready();
  }

  delaySeconds(): number | undefined {
    const { seekable, currentTime } = this.#video;
    return seekable.length > 0 ? Math.max(0, seekable.end(seekable.length - 1) - currentTime) : undefined;
  }

  close(): void {
    this.#video.removeEventListener('error', this.#onError);
  }
}

/** Why the server refuses, in its own words. */
function serverMessage({ networkDetails }: ErrorData): string {
  try {
    const body = JSON.parse((networkDetails as XMLHttpRequest).responseText) as { message?: unknown };
    if (typeof body.message === 'string') return body.message.charAt(0).toUpperCase() + body.message.slice(1);
  } catch {
    // Not an answer of ours; a proxy may have written it.
  }
  return 'The server can not play this stream by HLS';
}

function networkMessage(status: number): string {
  if (status === 404) return 'The server does not have this stream as HLS yet. Trying again…';
  if (status === 503) return 'The server has no picture of this stream yet: it waits for a key frame. Trying again…';
  if (status >= 400) return `The HLS server answered ${status}. Trying again…`;
  if (status > 0) return 'The HLS server did not answer with a playlist. Trying again…';
  return 'The HLS port can not be reached from this browser; a firewall may block it. Trying again…';
}
