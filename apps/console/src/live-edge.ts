/** What a player that follows a live stream does at a moment. */
export interface EdgeStep {
  readonly rate: number;
  /** Where to go at once; undefined to stay. */
  readonly seekTo: number | undefined;
}

export interface EdgeFacts {
  readonly currentTime: number;
  readonly paused: boolean;
  /** How fast it plays now: who hurries goes on until the target is reached, or the sound would change all the time. */
  readonly rate: number;
  /** What is loaded, oldest first, seconds. */
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
  /** How much is to be kept ahead, seconds. */
  readonly targetSeconds: number;
  /** Further behind the target than this it jumps, seconds. */
  readonly jumpSeconds: number;
}

/** So far from the target nothing is done. */
const TOLERANCE_SECONDS = 0.2;
const FASTEST = 1.1;
const SLOWEST = 0.9;
/** How much faster it plays for each second too far behind. */
const GAIN = 0.1;

/** How to come to the live edge: by playing a little faster, or by a jump when it is far or when nothing is loaded here. */
export function liveEdgeStep(facts: EdgeFacts): EdgeStep {
  const { currentTime, paused, rate, ranges, targetSeconds, jumpSeconds } = facts;
  const newest = ranges.at(-1);
  if (newest === undefined || paused) return { rate: 1, seekTo: undefined };
  const edge = Math.max(newest.start, newest.end - targetSeconds);
  const isInside = ranges.some(({ start, end }) => currentTime >= start && currentTime <= end);
  // In a gap, or before the first: there is nothing that playing could reach.
  if (!isInside && currentTime < newest.end) return { rate: 1, seekTo: edge };
  const behind = newest.end - currentTime - targetSeconds;
  if (behind > jumpSeconds) return { rate: 1, seekTo: edge };
  // Who hurries, or holds back, goes on until the target is reached.
  const isThere = rate === 1 ? Math.abs(behind) <= TOLERANCE_SECONDS : (rate > 1 ? behind : -behind) <= 0;
  if (isThere) return { rate: 1, seekTo: undefined };
  const step = behind > 0 ? 0.02 : 0;
  return { rate: Math.min(FASTEST, Math.max(SLOWEST, 1 + step + behind * GAIN)), seekTo: undefined };
}

/** Above this the clocks of publisher and browser would be taken for delay. */
const DRIFT_WINDOW_MS = 60_000;

/**
 * Measures how far behind the publisher a player is, by the timeline of the media: the piece that came with the least
 * delay tells when each moment of the media can be here at best.
 */
export class ArrivalClock {
  /** Least arrival time minus media time, seconds, of the last window and of the one before. */
  #least = Number.POSITIVE_INFINITY;
  #leastBefore = Number.POSITIVE_INFINITY;
  #windowMs = 0;

  /** Notes that media up to `endSeconds` came at `nowMs`. */
  note(endSeconds: number, nowMs: number): void {
    if (nowMs - this.#windowMs > DRIFT_WINDOW_MS) {
      this.#windowMs = nowMs;
      this.#leastBefore = this.#least;
      this.#least = Number.POSITIVE_INFINITY;
    }
    this.#least = Math.min(this.#least, nowMs / 1000 - endSeconds);
  }

  /** Seconds between the newest moment that can be here and `currentTime`; undefined before anything came. */
  delaySeconds(currentTime: number, nowMs: number): number | undefined {
    const least = Math.min(this.#least, this.#leastBefore);
    return Number.isFinite(least) ? Math.max(0, nowMs / 1000 - least - currentTime) : undefined;
  }
}
