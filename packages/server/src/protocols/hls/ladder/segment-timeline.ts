import type { SegmentPlace } from '../packaging/segment.ts';

/** Where a segment begins, in all qualities. */
export interface Boundary {
  /** Epoch of the stream's state (see StreamState), and the time in it, microseconds. */
  readonly epoch: number;
  readonly startUs: number;
  readonly place: SegmentPlace;
}

/** More than any quality lags behind the leader. */
const MAX_BOUNDARIES = 128;
/** Encoders round times. */
const TOLERANCE_US = 5000;

/**
 * Where the segments of one packager, the leader, begin: others that follow it cut theirs at the same times, under the same
 * numbers. Bounded: only the newest boundaries are known.
 */
export class SegmentTimeline {
  readonly #boundaries: Boundary[] = [];
  readonly #listeners = new Set<() => void>();
  #epoch = -1;
  #knownUs = Number.NEGATIVE_INFINITY;
  #ended = false;

  /** A segment begins there. */
  begin(boundary: Boundary): void {
    this.#boundaries.push(boundary);
    if (this.#boundaries.length > MAX_BOUNDARIES) this.#boundaries.shift();
  }

  /** All boundaries until then are known. Once per picture of the leader. */
  advance(epoch: number, ptsUs: number): void {
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#knownUs = ptsUs;
    } else if (ptsUs > this.#knownUs) this.#knownUs = ptsUs;
    for (const listener of this.#listeners) listener();
  }

  /** No boundary will follow. */
  end(): void {
    this.#ended = true;
    for (const listener of this.#listeners) listener();
  }

  /** True when it is known to which segment that time belongs. */
  isKnown(epoch: number, us: number): boolean {
    return this.#ended || epoch < this.#epoch || (epoch === this.#epoch && us <= this.#knownUs);
  }

  /** The segment that a picture of that time belongs to; undefined when it is older than what is known. */
  at(epoch: number, us: number): Boundary | undefined {
    return this.#boundaries.findLast((one) => one.epoch === epoch && one.startUs <= us + TOLERANCE_US);
  }

  /** The boundary of that Media Sequence Number. */
  of(sequence: number): Boundary | undefined {
    return this.#boundaries.findLast(({ place }) => place.sequence === sequence);
  }

  /** Calls `listener` whenever more is known. */
  onAdvance(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }
}
