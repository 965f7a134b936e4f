import type { PlayProtocol } from './play-protocol.ts';
import {
  bufferedAhead,
  type FailureKind,
  type PlayerSource,
  type SourceEvents,
  type SourceOpener,
} from './player-source.ts';
import { IDLE, type PlayerState, type PlayerTarget } from './player-state.ts';

const RETRY_MS = 2000;
/** What fails again and again is tried less often, up to this. */
const MAX_RETRY_MS = 16_000;
const TICK_MS = 1000;

/** Plays one live address in a video element and goes on trying until it is closed. */
export class LivePlayer {
  readonly #video: HTMLVideoElement;
  readonly #onState: (state: PlayerState) => void;
  readonly #aborter = new AbortController();
  readonly #tick: number;
  #state: PlayerState = IDLE;
  #source: PlayerSource | undefined;
  #retry = 0;
  #failures = 0;
  #begun = false;

  constructor(video: HTMLVideoElement, target: PlayerTarget, onState: (state: PlayerState) => void) {
    this.#video = video;
    this.#onState = onState;
    this.#tick = window.setInterval(() => this.#measure(), TICK_MS);
    this.#listen();
    this.#set({ phase: 'loading', muted: video.muted });
    void this.#open(target);
  }

  /** Stops playing and lets go of the element. Idempotent. */
  close(): void {
    this.#aborter.abort();
    window.clearInterval(this.#tick);
    window.clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = undefined;
    this.#video.removeAttribute('src');
    this.#video.load();
  }

  /** Plays from the live edge, or pauses. */
  togglePlay(): void {
    if (!this.#video.paused) {
      this.#video.pause();
      return;
    }
    this.#begun = false;
    this.#set({ phase: 'loading', message: '' });
    this.#source?.resume();
  }

  toggleMuted(): void {
    this.#video.muted = !this.#video.muted;
  }

  async #open({ protocol, url, calm = false, ladder = false, quality = '' }: PlayerTarget): Promise<void> {
    const events: SourceEvents = {
      ready: () => {
        this.#set({ connected: true });
        void this.#play();
      },
      failed: (message, kind) => this.#retryLater(message, kind),
      starved: () => {
        if (this.#state.phase !== 'playing') return;
        this.#onStarved();
        this.#set({ message: 'The publisher sends nothing at the moment.' });
      },
      resumed: () => {
        if (this.#state.phase === 'buffering') this.#set({ phase: 'playing', message: '' });
      },
      impossible: (message) => this.#set({ phase: 'error', message }),
    };
    try {
      const open = await opener(protocol, ladder);
      if (!this.#aborter.signal.aborted) this.#source = open(this.#video, { url, calm, quality }, events);
    } catch {
      this.#set({ phase: 'error', message: 'The player could not be loaded from the server. Reload the page.' });
    }
  }

  async #play(): Promise<void> {
    try {
      await this.#video.play();
    } catch (error) {
      if (this.#aborter.signal.aborted || !(error instanceof DOMException)) return;
      if (error.name === 'NotAllowedError') {
        this.#set({ phase: 'paused', message: 'The browser did not let playback start by itself. Press Play.' });
        this.#source?.pause();
      }
    }
  }

  #listen(): void {
    const on = (type: keyof HTMLMediaElementEventMap, listener: () => void): void =>
      this.#video.addEventListener(type, listener, { signal: this.#aborter.signal });
    on('playing', () => {
      this.#begun = true;
      this.#failures = 0;
      this.#set({ phase: 'playing', message: '', absent: false });
    });
    on('pause', () => this.#onPause());
    on('volumechange', () => this.#set({ muted: this.#video.muted }));
    on('waiting', () => this.#onStarved());
    on('ended', () => {
      if (this.#runs()) this.#retryLater('The stream has ended. Waiting for it to come back…', 'absent');
    });
  }

  #onPause(): void {
    // Elements pause by themselves at the end and when their media is taken away; that is not what the viewer wants.
    if (!this.#runs() || this.#video.ended) return;
    this.#set({ phase: 'paused' });
    this.#source?.pause();
  }

  #onStarved(): void {
    if (this.#begun) this.#set({ phase: 'buffering', stalls: this.#state.stalls + 1 });
  }

  #runs(): boolean {
    return this.#state.phase === 'playing' || this.#state.phase === 'buffering';
  }

  #retryLater(message: string, kind: FailureKind): void {
    const absent = kind === 'absent';
    const trouble = kind === 'trouble' ? 1 : 0;
    this.#failures = trouble * (this.#failures + 1);
    const failures = this.#state.failures + trouble;
    this.#set({ phase: 'waiting', message, absent, failures, connected: false });
    this.#begun = false;
    window.clearTimeout(this.#retry);
    const waitMs = Math.min(RETRY_MS * 2 ** Math.max(0, this.#failures - 1), MAX_RETRY_MS);
    this.#retry = window.setTimeout(() => {
      this.#set({ absent: false });
      this.#source?.reload();
    }, waitMs);
  }

  #measure(): void {
    const source = this.#source;
    const measured = (): Partial<PlayerState> => ({
      delaySeconds: this.#begun ? source?.delaySeconds() : undefined,
      bufferSeconds: bufferedAhead(this.#video),
      strain: this.#begun ? (source?.strain?.() ?? '') : '',
    });
    this.#set(measured());
    source?.facts?.().then(
      (facts) => this.#set({ facts, ...measured() }),
      // A connection that ends just now has nothing to tell.
      () => undefined,
    );
  }

  #set(change: Partial<PlayerState>): void {
    if (this.#aborter.signal.aborted) return;
    this.#state = { ...this.#state, ...change };
    this.#onState(this.#state);
  }
}

/** Loads what a protocol needs only when it is chosen. */
async function opener(protocol: PlayProtocol, ladder: boolean): Promise<SourceOpener> {
  switch (protocol) {
    case 'webrtc':
      return (await import('./webrtc-source.ts')).openWebRtc;
    case 'mse':
      return (await import('./mse-source.ts')).openMse;
    case 'hls':
    case 'll-hls':
      return hlsOpener(protocol === 'll-hls', ladder);
    case 'flv':
    case 'ws-flv':
      return (await import('./flv-source.ts')).openFlv;
  }
}

async function hlsOpener(lowLatency: boolean, ladder: boolean): Promise<SourceOpener> {
  const [{ openHls }, { default: library }] = await Promise.all([
    import('./hls-source.ts'),
    ladder ? import('hls.js') : import('hls.js/light'),
  ]);
  return (video, target, events) => openHls(video, target, { ...events, library, lowLatency });
}
