import { sequenceDistance, type TwccArrivalTime, twccFeedback, writeTwcc } from '@sluice/media';

/** Arrivals between two feedbacks; more are not told. */
const MAX_ARRIVALS = 2048;

/** Remembers when packets arrived and makes transport-wide feedback of it. */
export class Arrivals {
  readonly #sequences = new Float64Array(MAX_ARRIVALS);
  readonly #timesUs = new Float64Array(MAX_ARRIVALS);
  #count = 0;
  #newest = 0x10000;
  #started = false;
  /** The next feedback begins here, so that what is missing between is told. */
  #base: number | undefined;
  #feedbackCount = 0;

  /** Hot path: allocates nothing. */
  add(sequence: number, nowMs: number): void {
    if (!this.#started) this.#newest += sequence;
    this.#started = true;
    const unwrapped = this.#newest + sequenceDistance(this.#newest & 0xffff, sequence);
    if (unwrapped > this.#newest) this.#newest = unwrapped;
    if (this.#count >= MAX_ARRIVALS) return;
    this.#sequences[this.#count] = unwrapped;
    this.#timesUs[this.#count] = nowMs * 1000;
    this.#count++;
  }

  /** The feedback about all that has come since the last call; empty without any. */
  take(senderSsrc: number, mediaSsrc: number): Uint8Array[] {
    if (this.#count === 0) return [];
    const arrivals = this.#sorted();
    this.#count = 0;
    const header = { senderSsrc, mediaSsrc, feedbackCount: this.#feedbackCount, baseSequence: this.#base };
    this.#base = (arrivals.at(-1)?.sequence ?? 0) + 1;
    const feedbacks = twccFeedback(arrivals, header);
    this.#feedbackCount = (this.#feedbackCount + feedbacks.length) & 0xff;
    return feedbacks.map(writeTwcc);
  }

  /** In order of their numbers, each once. */
  #sorted(): TwccArrivalTime[] {
    const arrivals: TwccArrivalTime[] = [];
    let ordered = true;
    for (let i = 0; i < this.#count; i++) {
      const sequence = this.#sequences[i] ?? 0;
      if (sequence <= (arrivals.at(-1)?.sequence ?? -1)) ordered = false;
      arrivals.push({ sequence, arrivalUs: this.#timesUs[i] ?? 0 });
    }
    if (ordered) return arrivals;
    arrivals.sort((a, b) => a.sequence - b.sequence);
    return arrivals.filter(({ sequence }, index) => sequence !== arrivals[index - 1]?.sequence);
  }
}
