import type Hls from 'hls.js';
import type { ErrorData } from 'hls.js';

export type PlayerPhase = 'idle' | 'loading' | 'playing' | 'paused' | 'buffering' | 'waiting' | 'error';

/** What the page shows about playback. */
export interface PlayerState {
  readonly phase: PlayerPhase;
  /** What is wrong and what to do; empty when all is well. */
  readonly message: string;
  /** Seconds behind the newest media that the server offers; undefined while unknown. */
  readonly delaySeconds: number | undefined;
  /** How often playback ran out of media after it had begun. */
  readonly stalls: number;
  readonly muted: boolean;
}

export const IDLE: PlayerState = { phase: 'idle', message: '', delaySeconds: undefined, stalls: 0, muted: true };

const RETRY_MS = 2000;
const TICK_MS = 1000;
const MAX_MEDIA_ERRORS = 3;
const HLS_TYPE = 'application/vnd.apple.mpegurl';

/** Plays one live HLS address in a video element and goes on trying until it is closed. */
export class LivePlayer {
  readonly #video: HTMLVideoElement;
  readonly #url: string;
  readonly #onState: (state: PlayerState) => void;
  readonly #aborter = new AbortController();
  readonly #tick: number;
  #state: PlayerState = IDLE;
  #hls: Hls | undefined;
  #retry = 0;
  #begun = false;
  #mediaErrors = 0;

  constructor(video: HTMLVideoElement, url: string, onState: (state: PlayerState) => void) {
    this.#video = video;
    this.#url = url;
    this.#onState = onState;
    this.#tick = window.setInterval(() => this.#set({ delaySeconds: this.#delay() }), TICK_MS);
    this.#listen();
    this.#set({ phase: 'loading', muted: video.muted });
    void this.#open();
  }

  /** Stops playing and lets go of the element. Idempotent. */
  close(): void {
    this.#aborter.abort();
    window.clearInterval(this.#tick);
    window.clearTimeout(this.#retry);
    this.#hls?.destroy();
    this.#video.removeAttribute('src');
    this.#video.load();
  }

  /** Plays from the live edge, or pauses. */
  async togglePlay(): Promise<void> {
    if (!this.#video.paused) {
      this.#video.pause();
      return;
    }
    const edge = this.#hls?.liveSyncPosition;
    if (typeof edge === 'number' && edge > this.#video.currentTime) this.#video.currentTime = edge;
    await this.#play();
  }

  toggleMuted(): void {
    this.#video.muted = !this.#video.muted;
  }

  async #open(): Promise<void> {
    const { default: HlsPlayer } = await import('hls.js');
    if (this.#aborter.signal.aborted) return;
    if (HlsPlayer.isSupported()) {
      this.#openHls(HlsPlayer);
      return;
    }
    if (this.#video.canPlayType(HLS_TYPE) === '') {
      this.#set({ phase: 'error', message: 'This browser can not play HLS. Try another one, or the RTMP address.' });
      return;
    }
    this.#video.src = this.#url;
    await this.#play();
  }

  #openHls(HlsPlayer: typeof Hls): void {
    const hls = new HlsPlayer({ lowLatencyMode: true, backBufferLength: 30, maxLiveSyncPlaybackRate: 1.1 });
    this.#hls = hls;
    hls.on(HlsPlayer.Events.MANIFEST_PARSED, () => void this.#play());
    hls.on(HlsPlayer.Events.ERROR, (_event, data) => {
      if (data.fatal) this.#onFatalError(hls, data, data.type === HlsPlayer.ErrorTypes.MEDIA_ERROR);
    });
    hls.attachMedia(this.#video);
    hls.loadSource(this.#url);
  }

  async #play(): Promise<void> {
    try {
      await this.#video.play();
    } catch (error) {
      if (this.#aborter.signal.aborted || !(error instanceof DOMException)) return;
      if (error.name === 'NotAllowedError') {
        this.#set({ phase: 'paused', message: 'The browser did not let playback start by itself. Press Play.' });
      }
    }
  }

  #listen(): void {
    const on = (type: keyof HTMLMediaElementEventMap, listener: () => void): void =>
      this.#video.addEventListener(type, listener, { signal: this.#aborter.signal });
    on('playing', () => {
      this.#begun = true;
      this.#set({ phase: 'playing', message: '' });
    });
    on('pause', () => this.#set({ phase: 'paused' }));
    on('volumechange', () => this.#set({ muted: this.#video.muted }));
    on('waiting', () => {
      if (this.#begun) this.#set({ phase: 'buffering', stalls: this.#state.stalls + 1 });
    });
    on('ended', () => this.#retryLater('The stream has ended. Waiting for it to come back…'));
    on('error', () => {
      if (this.#hls === undefined) this.#retryLater('The stream can not be loaded. Trying again…');
    });
  }

  #onFatalError(hls: Hls, data: ErrorData, media: boolean): void {
    if (media && this.#mediaErrors++ < MAX_MEDIA_ERRORS) {
      hls.recoverMediaError();
      return;
    }
    if (media) {
      this.#set({ phase: 'error', message: `This browser can not play this stream (${data.details}).` });
      return;
    }
    this.#retryLater(networkMessage(data.response?.code ?? 0));
  }

  #retryLater(message: string): void {
    this.#set({ phase: 'waiting', message });
    this.#begun = false;
    window.clearTimeout(this.#retry);
    this.#retry = window.setTimeout(() => this.#reload(), RETRY_MS);
  }

  #reload(): void {
    if (this.#hls !== undefined) {
      this.#hls.stopLoad();
      this.#hls.loadSource(this.#url);
      return;
    }
    this.#video.src = this.#url;
    void this.#play();
  }

  #delay(): number | undefined {
    if (!this.#begun) return undefined;
    const { seekable, currentTime } = this.#video;
    const latency = this.#hls?.latency ?? 0;
    if (latency > 0) return latency;
    return seekable.length > 0 ? Math.max(0, seekable.end(seekable.length - 1) - currentTime) : undefined;
  }

  #set(change: Partial<PlayerState>): void {
    if (this.#aborter.signal.aborted) return;
    this.#state = { ...this.#state, ...change };
    this.#onState(this.#state);
  }
}

function networkMessage(status: number): string {
  if (status === 404) return 'The server does not have this stream as HLS yet. Trying again…';
  if (status >= 400) return `The HLS server answered ${status}. Trying again…`;
  if (status > 0) return 'The HLS server did not answer with a playlist. Trying again…';
  return 'The HLS port can not be reached from this browser; a firewall may block it. Trying again…';
}
