import type { PlayProtocol } from './play-protocol.ts';
import { bufferedAhead, type PlayerSource, type SourceEvents } from './player-source.ts';
import type { PeerFact } from './webrtc/peer-facts.ts';

export type PlayerPhase = 'idle' | 'loading' | 'playing' | 'paused' | 'buffering' | 'waiting' | 'error';

/** What the page shows about playback. */
export interface PlayerState {
  readonly phase: PlayerPhase;
  /** What is wrong and what to do; empty when all is well. */
  readonly message: string;
  /** Seconds behind the newest media that the server offers; undefined while unknown. */
  readonly delaySeconds: number | undefined;
  /** Seconds of media that are loaded ahead. */
  readonly bufferSeconds: number;
  /** How often playback ran out of media after it had begun. */
  readonly stalls: number;
  readonly muted: boolean;
  /** What the way of playing tells about itself; none for those that tell nothing. */
  readonly facts: readonly PeerFact[];
}

export const IDLE: PlayerState = {
  phase: 'idle',
  message: '',
  delaySeconds: undefined,
  bufferSeconds: 0,
  stalls: 0,
  muted: true,
  facts: [],
};

/** What is played and how. */
export interface PlayerTarget {
  readonly protocol: PlayProtocol;
  readonly url: string;
}

const RETRY_MS = 2000;
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

  async #open({ protocol, url }: PlayerTarget): Promise<void> {
    const events: SourceEvents = {
      ready: () => void this.#play(),
      failed: (message) => this.#retryLater(message),
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
      const open = await opener(protocol);
      if (!this.#aborter.signal.aborted) this.#source = open(this.#video, url, events);
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
      this.#set({ phase: 'playing', message: '' });
    });
    on('pause', () => this.#onPause());
    on('volumechange', () => this.#set({ muted: this.#video.muted }));
    on('waiting', () => this.#onStarved());
    on('ended', () => {
      if (this.#runs()) this.#retryLater('The stream has ended. Waiting for it to come back…');
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

  #retryLater(message: string): void {
    this.#set({ phase: 'waiting', message });
    this.#begun = false;
    window.clearTimeout(this.#retry);
    this.#retry = window.setTimeout(() => this.#source?.reload(), RETRY_MS);
  }

  #measure(): void {
    const source = this.#source;
    const measured = (): Partial<PlayerState> => ({
      delaySeconds: this.#begun ? source?.delaySeconds() : undefined,
      bufferSeconds: bufferedAhead(this.#video),
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

type Opener = (video: HTMLVideoElement, url: string, events: SourceEvents) => PlayerSource | undefined;

/** Loads what a protocol needs only when it is chosen. */
async function opener(protocol: PlayProtocol): Promise<Opener> {
  if (protocol === 'webrtc') return (await import('./webrtc-source.ts')).openWebRtc;
  if (protocol === 'hls') return (await import('./hls-source.ts')).openHls;
  return (await import('./flv-source.ts')).openFlv;
}
