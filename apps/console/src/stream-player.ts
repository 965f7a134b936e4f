import { LivePlayer } from './live-player.ts';
import type { PlayProtocol } from './play-protocol.ts';
import { pictureOf } from './player-source.ts';
import type { PlayerState, PlayerTarget } from './player-state.ts';
import { choiceOf, type StreamState, type Tried, UNDECIDED, type Way } from './stream-state.ts';
import { type FailureScope, tabMemory, type WayMemory } from './way-memory.ts';

/** How a stream may be played. Asked anew each time, for streams and servers change. */
export interface PlayWays {
  readonly streamName: string;
  /** The ways to try, best first; a single one is played whatever becomes of it. */
  ways(): readonly Way[];
  /** What to play by one of them; `calm` on a network that hesitates. */
  target(protocol: PlayProtocol, calm: boolean): PlayerTarget;
  /** True when the stream is known to have a picture. */
  hasPicture(): boolean;
}

interface Patience {
  /** Until the server's media can be reached. */
  readonly connectMs: number;
  /** Until there is a picture. */
  readonly pictureMs: number;
}

const PATIENCE: Readonly<Record<PlayProtocol, Patience>> = {
  webrtc: { connectMs: 4000, pictureMs: 8000 },
  mse: { connectMs: 4000, pictureMs: 8000 },
  'll-hls': { connectMs: 6000, pictureMs: 12_000 },
  hls: { connectMs: 10_000, pictureMs: 20_000 },
  flv: { connectMs: 6000, pictureMs: 12_000 },
  'ws-flv': { connectMs: 6000, pictureMs: 12_000 },
};

/** A quality that nobody watches yet has to be begun first. */
const LADDER_FACTOR = 2;
/** So many stalls within so long, and a way with more buffer is taken. */
const MAX_STALLS = 3;
const STALL_WINDOW_MS = 30_000;
/** What has played may fail once within the same time before it is left. */
const MAX_FAILURES = 2;
/** After a failure a player waits this long before it connects anew. */
const RECONNECT_MS = 2000;
/** When nothing works, all is tried again after this; each time later, up to a minute. */
const AGAIN_MS = 10_000;
const MAX_AGAIN_MS = 60_000;

let shared: WayMemory | undefined;

/** Plays a stream by the best way that works, and says which it is and why. */
export class StreamPlayer {
  readonly #video: HTMLVideoElement;
  readonly #ways: PlayWays;
  readonly #onState: (state: StreamState) => void;
  readonly #memory: WayMemory;
  readonly #aborter = new AbortController();
  #player: LivePlayer | undefined;
  #state: StreamState = UNDECIDED;
  #tried: Tried[] = [];
  #calm = false;
  #patience: Patience = PATIENCE.webrtc;
  #deadline = 0;
  #again = 0;
  #rounds = 0;
  #hasPlayed = false;
  #troubleMs: number[] = [];
  #stallMs: number[] = [];

  constructor(video: HTMLVideoElement, ways: PlayWays, onState: (state: StreamState) => void, memory?: WayMemory) {
    shared ??= tabMemory();
    this.#video = video;
    this.#ways = ways;
    this.#onState = onState;
    this.#memory = memory ?? shared;
    // Another network may let through what this one did not.
    window.addEventListener('online', () => this.#onOnline(), { signal: this.#aborter.signal });
    this.#begin();
  }

  /** Stops playing and lets go of the element. Idempotent. */
  close(): void {
    this.#aborter.abort();
    this.#stop();
    window.clearTimeout(this.#again);
    this.#video.removeAttribute('poster');
  }

  /** Plays from the live edge, or pauses. */
  togglePlay(): void {
    this.#player?.togglePlay();
  }

  toggleMuted(): void {
    this.#video.muted = !this.#video.muted;
  }

  /** Tries all ways from the best on, also those that failed. */
  tryBetter(): void {
    this.#memory.forget(this.#ways.streamName, ['network', 'stream']);
    this.#rounds = 0;
    this.#begin();
  }

  /** Chooses anew where nothing plays, because what stood in the way may be gone. */
  reconsider(): void {
    const { phase } = this.#state;
    if (phase === 'error' || (phase === 'waiting' && !this.#state.absent)) this.#begin();
  }

  get #isFixed(): boolean {
    return this.#ways.ways().length === 1;
  }

  #begin(): void {
    this.#calm = false;
    this.#next();
  }

  /** Takes the best way that is open. */
  #next(): void {
    this.#stop();
    window.clearTimeout(this.#again);
    this.#tried = [];
    for (const { protocol, obstacle } of this.#ways.ways()) {
      const why = this.#isFixed ? obstacle : obstacle || this.#memory.why(this.#ways.streamName, protocol);
      if (why === undefined || why === '') return this.#start(protocol);
      this.#tried.push({ protocol, why });
    }
    this.#giveUp();
  }

  #start(protocol: PlayProtocol): void {
    this.#hasPlayed = false;
    this.#troubleMs = [];
    this.#stallMs = [];
    const choice = this.#isFixed ? '' : choiceOf(protocol, this.#tried);
    this.#state = { ...UNDECIDED, phase: 'loading', protocol, choice, tried: this.#tried, muted: this.#video.muted };
    const target = this.#ways.target(protocol, this.#calm);
    this.#patience = patienceFor(target);
    this.#arm();
    this.#player = new LivePlayer(this.#video, target, (state) => this.#onPlayer(state));
  }

  #stop(): void {
    window.clearTimeout(this.#deadline);
    // Something to look at until the next way has a picture.
    const picture = this.#hasPlayed ? pictureOf(this.#video) : '';
    this.#player?.close();
    this.#player = undefined;
    if (picture !== '') this.#video.poster = picture;
  }

  #giveUp(): void {
    const obstacles = this.#ways.ways();
    const isOver = obstacles.every(({ obstacle }) => obstacle !== '');
    const tried = this.#tried;
    const message = this.#isFixed ? (tried[0]?.why ?? '') : nothingWorks(isOver);
    this.#tell({ ...UNDECIDED, phase: isOver ? 'error' : 'waiting', message, tried, muted: this.#video.muted });
    if (isOver) return;
    const waitMs = Math.min(AGAIN_MS * 2 ** this.#rounds++, MAX_AGAIN_MS);
    this.#again = window.setTimeout(() => {
      this.#memory.forget(this.#ways.streamName, ['network', 'stream']);
      this.#begin();
    }, waitMs);
  }

  #onPlayer(now: PlayerState): void {
    const before = this.#state;
    // The end of one way is not that of playback.
    if (now.phase === 'error' && !this.#isFixed) return this.#leave(now.message, 'stream');
    this.#tell({ ...before, ...now });
    if (this.#isFixed) return;
    if (now.phase === 'playing') this.#onPlaying(before);
    if (now.phase === 'paused') window.clearTimeout(this.#deadline);
    if (now.stalls > before.stalls) return this.#onStall();
    if (now.strain !== '') return this.#leaveForBuffer(now.strain, 'network');
    if (now.absent && !before.absent) return this.#onAbsent();
    if (!now.absent && before.absent && now.phase === 'waiting') this.#arm();
    if (now.failures > before.failures) this.#onTrouble(now.message);
  }

  #onPlaying(before: StreamState): void {
    if (this.#ways.hasPicture() && this.#video.videoWidth === 0) return;
    this.#hasPlayed = true;
    this.#rounds = 0;
    window.clearTimeout(this.#deadline);
    if (before.phase !== 'playing') this.#video.removeAttribute('poster');
  }

  /** The stream is not there: when it comes back, the best way may work again. */
  #onAbsent(): void {
    window.clearTimeout(this.#deadline);
    this.#memory.forget(this.#ways.streamName, ['stream']);
    const best = this.#ways.ways().find(({ protocol, obstacle }) => obstacle === '' && this.#isOpen(protocol));
    if (best === undefined || best.protocol === this.#state.protocol) return;
    window.clearTimeout(this.#again);
    this.#again = window.setTimeout(() => this.#begin(), AGAIN_MS / 5);
  }

  #onTrouble(message: string): void {
    if (!navigator.onLine) return;
    this.#troubleMs = recent([...this.#troubleMs, performance.now()]);
    if (this.#hasPlayed && this.#troubleMs.length < MAX_FAILURES) return this.#arm(RECONNECT_MS);
    this.#leave(withoutPromise(message), 'stream');
  }

  #onStall(): void {
    if (!this.#hasPlayed) return;
    this.#stallMs = recent([...this.#stallMs, performance.now()]);
    if (this.#stallMs.length < MAX_STALLS) return;
    this.#leaveForBuffer(`it ran out of media ${MAX_STALLS} times within ${STALL_WINDOW_MS / 1000} s`, 'stream');
  }

  #onOnline(): void {
    this.#memory.forget(this.#ways.streamName, ['network']);
    this.reconsider();
  }

  /** Waits for a picture for as long as the way may take. */
  #arm(extraMs = 0): void {
    window.clearTimeout(this.#deadline);
    const protocol = this.#state.protocol;
    if (protocol === undefined || this.#isFixed) return;
    const { connectMs, pictureMs } = this.#patience;
    const startMs = performance.now() + extraMs;
    const check = (): void => {
      if (this.#state.absent || this.#state.phase === 'paused') return;
      const waited = performance.now() - startMs;
      // Browsers start nothing in a page that nobody sees.
      if (document.hidden || !navigator.onLine) this.#deadline = window.setTimeout(check, connectMs);
      else if (!this.#state.connected)
        this.#leave(noAnswer(protocol, connectMs), protocol === 'webrtc' ? 'network' : 'stream');
      else if (waited < pictureMs) this.#deadline = window.setTimeout(check, pictureMs - waited);
      else this.#leave(`no picture within ${pictureMs / 1000} s`, 'stream');
    };
    this.#deadline = window.setTimeout(check, connectMs + extraMs);
  }

  #leave(why: string, scope: FailureScope): void {
    const { protocol } = this.#state;
    if (protocol === undefined) return;
    this.#memory.note({ stream: this.#ways.streamName, protocol, why, scope });
    this.#next();
  }

  /** A way with more buffer is better, but none at all is not. */
  #leaveForBuffer(why: string, scope: FailureScope): void {
    const ways = this.#ways.ways();
    const rest = ways.slice(ways.findIndex(({ protocol }) => protocol === this.#state.protocol) + 1);
    if (!rest.some(({ protocol, obstacle }) => obstacle === '' && this.#isOpen(protocol))) return;
    this.#calm = true;
    this.#leave(why, scope);
  }

  #isOpen(protocol: PlayProtocol): boolean {
    return this.#memory.why(this.#ways.streamName, protocol) === undefined;
  }

  #tell(state: StreamState): void {
    if (this.#aborter.signal.aborted) return;
    this.#state = state;
    this.#onState(state);
  }
}

function patienceFor({ protocol, ladder }: PlayerTarget): Patience {
  const { connectMs, pictureMs } = PATIENCE[protocol];
  return { connectMs, pictureMs: ladder === true ? pictureMs * LADDER_FACTOR : pictureMs };
}

function nothingWorks(isOver: boolean): string {
  return isOver
    ? 'No way to play this stream is open to this browser; below it says why.'
    : 'No way to play this stream works at the moment; below it says why. Trying again…';
}

function noAnswer(protocol: PlayProtocol, waitedMs: number): string {
  const what = protocol === 'webrtc' ? 'no way for media' : 'no answer';
  return `${what} within ${waitedMs / 1000} s`;
}

/** A message without what it says about trying again, for that is not what happens. */
function withoutPromise(message: string): string {
  return message.replace(/\s*(Trying again|Beginning anew|Waiting for it to come back)…$/, '');
}

function recent(times: readonly number[]): number[] {
  const fromMs = performance.now() - STALL_WINDOW_MS;
  return times.filter((time) => time > fromMs);
}
