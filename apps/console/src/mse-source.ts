import { AppendQueue } from './append-queue.ts';
import { ArrivalClock, liveEdgeStep } from './live-edge.ts';
import { type MseMessage, readMessage, trackCount, withSupport } from './mse-messages.ts';
import {
  mediaSourceClass,
  type PlayerSource,
  pictureOf,
  type SourceEvents,
  type SourceTarget,
} from './player-source.ts';

/** How much is kept ahead of the position; each stall adds some, up to a bound. */
const TARGET_SECONDS = 0.3;
const CALM_TARGET_SECONDS = 1.5;
const STALL_SECONDS = 0.2;
const MAX_TARGET_SECONDS = 2.5;
/** So much less with each check while all goes well. */
const RELAX_SECONDS = 0.005;
/** A player has found its pace by then. */
const SETTLE_MS = 1000;
/** Further behind than this, playing faster would take too long. */
const JUMP_SECONDS = 2;
/** The server begins with a whole GOP, and a jump that early is not noticed. */
const EARLY_JUMP_SECONDS = 0.3;
/** Nothing for this long, and what is shown stands still. */
const SILENCE_MS = 3000;
const CHECK_MS = 500;
const MAX_MEDIA_ERRORS = 3;

/** Plays fragmented MP4 that comes over a WebSocket. */
export function openMse(video: HTMLVideoElement, target: SourceTarget, events: SourceEvents): PlayerSource | undefined {
  if (mediaSourceClass() !== undefined) return new MseSource(video, target, events);
  events.impossible('This browser has no Media Source Extensions. Choose HLS instead.');
  return undefined;
}

class MseSource implements PlayerSource {
  readonly #video: HTMLVideoElement;
  readonly #url: string;
  readonly #events: SourceEvents;
  readonly #timer: number;
  readonly #least: number;
  readonly #onWaiting = (): void => {
    // A jump is no stall.
    if (this.#video.seeking || this.#session?.isSettled !== true) return;
    this.#targetSeconds = Math.min(this.#targetSeconds + STALL_SECONDS, MAX_TARGET_SECONDS);
  };
  #targetSeconds: number;
  #session: MseSession | undefined;
  #mediaErrors = 0;

  constructor(video: HTMLVideoElement, { url, calm }: SourceTarget, events: SourceEvents) {
    this.#video = video;
    this.#url = withSupport(url);
    this.#events = events;
    this.#least = calm ? CALM_TARGET_SECONDS : TARGET_SECONDS;
    this.#targetSeconds = this.#least;
    this.#timer = window.setInterval(() => this.#check(), CHECK_MS);
    video.addEventListener('waiting', this.#onWaiting);
    this.reload();
  }

  reload(): void {
    this.#session?.close();
    this.#session = new MseSession(this.#video, this.#url, {
      ...this.#events,
      targetSeconds: () => this.#targetSeconds,
      broken: (message) => this.#onBroken(message),
      changed: () => this.reload(),
    });
  }

  /** Ends loading: a live stream that nobody watches would only fill the memory. The last picture stays. */
  pause(): void {
    this.#video.poster = pictureOf(this.#video);
    this.#session?.close();
  }

  resume(): void {
    this.reload();
  }

  delaySeconds(): number | undefined {
    return this.#session?.delaySeconds();
  }

  close(): void {
    window.clearInterval(this.#timer);
    this.#video.removeEventListener('waiting', this.#onWaiting);
    this.#video.removeAttribute('poster');
    this.#session?.close();
  }

  #check(): void {
    // What a bad moment took is given back slowly.
    this.#targetSeconds = Math.max(this.#least, this.#targetSeconds - RELAX_SECONDS);
    this.#session?.check();
  }

  #onBroken(message: string): void {
    this.#session?.close();
    if (this.#mediaErrors++ < MAX_MEDIA_ERRORS) {
      this.#events.failed('The browser stumbled over the media. Trying again…', 'trouble');
      return;
    }
    this.#events.impossible(`This browser can not play this stream by MSE (${message}). Choose HLS, or use VLC.`);
  }
}

interface SessionEvents extends SourceEvents {
  targetSeconds(): number;
  /** The browser does not take the media. */
  broken(message: string): void;
  /** The stream goes on in another form, which takes another connection. */
  changed(): void;
}

/** One connection with one media source; what fails is replaced as a whole. */
class MseSession {
  readonly #video: HTMLVideoElement;
  readonly #events: SessionEvents;
  readonly #socket: WebSocket;
  readonly #media: MediaSource;
  readonly #address: string;
  readonly #clock = new ArrivalClock();
  readonly #aborter = new AbortController();
  #queue: AppendQueue | undefined;
  #mimeType = '';
  /** What the server said of the end. */
  #told = '';
  #early: ArrayBuffer[] = [];
  #isReady = false;
  #flows = true;
  #movedMs = performance.now();
  #readyMs = Number.POSITIVE_INFINITY;

  constructor(video: HTMLVideoElement, url: string, events: SessionEvents) {
    this.#video = video;
    this.#events = events;
    this.#media = new (mediaSourceClass() as typeof MediaSource)();
    const { signal } = this.#aborter;
    this.#media.addEventListener('sourceopen', () => this.#openBuffer(), { signal });
    video.addEventListener('error', () => events.broken(video.error?.message ?? 'error'), { signal });
    // Phones have their own form of it only where pictures are not sent to other screens.
    video.disableRemotePlayback = true;
    this.#address = URL.createObjectURL(this.#media);
    video.src = this.#address;
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = 'arraybuffer';
    this.#socket.addEventListener('message', ({ data }) => this.#onMessage(data as unknown), { signal });
    this.#socket.addEventListener('close', (event) => this.#onClose(event), { signal });
  }

  /** True once it has played for a while. */
  get isSettled(): boolean {
    return performance.now() - this.#readyMs > SETTLE_MS;
  }

  /** Notes whether media come, and keeps near the live edge. */
  check(): void {
    if (this.#aborter.signal.aborted) return;
    this.#follow();
    const flows = performance.now() - this.#movedMs < SILENCE_MS;
    if (flows === this.#flows || !this.#isReady) return;
    this.#flows = flows;
    if (flows) this.#events.resumed();
    else this.#events.starved();
  }

  delaySeconds(): number | undefined {
    return this.#clock.delaySeconds(this.#video.currentTime, performance.now());
  }

  /** Ends the connection. Idempotent. */
  close(): void {
    if (this.#aborter.signal.aborted) return;
    this.#aborter.abort();
    this.#socket.close();
    this.#queue?.close();
    this.#video.playbackRate = 1;
    this.#video.removeAttribute('src');
    URL.revokeObjectURL(this.#address);
  }

  #onMessage(data: unknown): void {
    if (typeof data === 'string') return this.#onText(readMessage(data));
    if (!(data instanceof ArrayBuffer)) return;
    this.#movedMs = performance.now();
    if (this.#queue !== undefined) this.#queue.push(data);
    else this.#early.push(data);
  }

  #onText({ mimeType, streamMs, message }: MseMessage): void {
    if (message !== undefined) this.#told = message;
    if (streamMs !== undefined) this.#clock.note(streamMs / 1000, performance.now());
    if (mimeType !== undefined) this.#onType(mimeType);
  }

  #onType(mimeType: string): void {
    if (mediaSourceClass()?.isTypeSupported(mimeType) !== true) {
      this.#events.impossible(`This browser can not play this stream by MSE (${mimeType}).`);
      return this.close();
    }
    const before = this.#mimeType;
    this.#mimeType = mimeType;
    if (before === '') return this.#openBuffer();
    // A buffer takes other codecs, but no other tracks.
    if (trackCount(before) === trackCount(mimeType) && this.#queue !== undefined) this.#queue.changeType(mimeType);
    else this.#events.changed();
  }

  #openBuffer(): void {
    if (this.#media.readyState !== 'open' || this.#mimeType === '' || this.#queue !== undefined) return;
    try {
      this.#media.duration = Number.POSITIVE_INFINITY;
      const buffer = this.#media.addSourceBuffer(this.#mimeType);
      const { broken } = this.#events;
      this.#queue = new AppendQueue(buffer, this.#video, { appended: () => this.#onAppended(), broken });
    } catch (error) {
      return this.#events.broken(error instanceof Error ? error.message : String(error));
    }
    for (const bytes of this.#early.splice(0)) this.#queue.push(bytes);
  }

  #onAppended(): void {
    const { buffered } = this.#video;
    if (this.#aborter.signal.aborted || buffered.length === 0) return;
    this.#clock.note(buffered.end(buffered.length - 1), performance.now());
    if (!this.#isReady) {
      this.#isReady = true;
      this.#readyMs = performance.now();
      this.#video.currentTime = buffered.start(buffered.length - 1);
      this.#events.ready();
    }
    this.#follow();
  }

  #follow(): void {
    const { buffered, currentTime, paused, playbackRate: rate } = this.#video;
    if (!this.#isReady || this.#video.seeking) return;
    const ranges = Array.from({ length: buffered.length }, (_, at) => ({
      start: buffered.start(at),
      end: buffered.end(at),
    }));
    const jumpSeconds = this.isSettled ? JUMP_SECONDS : EARLY_JUMP_SECONDS;
    const targetSeconds = this.#events.targetSeconds();
    const step = liveEdgeStep({ currentTime, paused, rate, ranges, targetSeconds, jumpSeconds });
    if (step.seekTo !== undefined) this.#video.currentTime = step.seekTo;
    if (this.#video.playbackRate !== step.rate) this.#video.playbackRate = step.rate;
  }

  #onClose({ code }: CloseEvent): void {
    const { failed, impossible } = this.#events;
    const isFirst = !this.#isReady;
    const told = this.#told === '' ? '' : `${this.#told.charAt(0).toUpperCase()}${this.#told.slice(1)}.`;
    this.close();
    if (code === REFUSED + 404) failed('The server does not have this stream. Trying again…', 'absent');
    else if (code === REFUSED + 503 && isFirst) failed(`${told} Trying again…`, 'early');
    else if (code === REFUSED + 415) impossible(`Not playable by MSE. ${told} Choose WebRTC, or use VLC.`);
    else if (code === NORMAL) failed('The stream has ended. Waiting for it to come back…', 'absent');
    else if (code > REFUSED) failed(`${told} Trying again…`, 'trouble');
    else failed('The connection for MSE broke or was refused. Trying again…', 'trouble');
  }
}

const NORMAL = 1000;
/** Above it come the status codes of HTTP, in the range that RFC 6455 §7.4.2 leaves to applications. */
const REFUSED = 4000;
