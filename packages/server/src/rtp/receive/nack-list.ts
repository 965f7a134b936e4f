/** More missing packets than this are no use asking for: a key frame is cheaper. */
export const MAX_MISSING = 1000;
/** A packet is asked for this often, then given up. */
const MAX_TRIES = 10;
/** Retries are never closer than this, whatever the round trip. */
const MIN_RETRY_MS = 20;
/** Chromium passes over a request that comes within what it takes for the round trip: it must not find us early. */
const RETRY_ROUND_TRIPS = 1.15;
const RETRY_MARGIN_MS = 5;
/** Numbers that may be asked for at once, and a second from then on, retries included. */
const BUDGET = 1000;
/** Least time between two requests: gaps in between are asked for together. */
const MIN_INTERVAL_MS = 5;

interface Missing {
  readonly sequence: number;
  tries: number;
  askedMs: number;
}

/**
 * Packets that are missing and when to ask for them (RFC 4585 §6.2.1): at once, then every round trip and a little more. Bounded in
 * length, in tries, and in numbers asked for a second, so that a source with made-up gaps gets no flood of requests.
 */
export class NackList {
  /** In order of sequence number. */
  #missing: Missing[] = [];
  #budget = BUDGET;
  #budgetMs = Number.NaN;
  #dueMs = Number.POSITIVE_INFINITY;
  #lastMs = Number.NEGATIVE_INFINITY;

  get length(): number {
    return this.#missing.length;
  }

  /**
   * Adds the numbers from `from` to before `to`, which are higher than all others.
   * @returns false when they are too many: none are asked for then.
   */
  add(from: number, to: number): boolean {
    if (this.#missing.length + (to - from) > MAX_MISSING) {
      this.clear();
      return false;
    }
    for (let sequence = from; sequence < to; sequence++) this.#missing.push({ sequence, tries: 0, askedMs: 0 });
    this.#dueMs = Number.NEGATIVE_INFINITY;
    return true;
  }

  /**
   * Takes a number off the list, because its packet has come.
   * @returns how long ago it was asked for, milliseconds, when it was asked for once; else undefined
   */
  remove(sequence: number, nowMs: number): number | undefined {
    const index = this.#find(sequence);
    const entry = this.#missing[index];
    if (entry?.sequence !== sequence) return undefined;
    this.#missing.splice(index, 1);
    return entry.tries === 1 ? nowMs - entry.askedMs : undefined;
  }

  clear(): void {
    this.#missing = [];
    this.#dueMs = Number.POSITIVE_INFINITY;
  }

  /**
   * The numbers to ask for now, in order; counts them as asked for. Cheap when there are none, so that it can be
   * called for each packet.
   */
  take(nowMs: number, rttMs: number): readonly number[] {
    if (nowMs < this.#dueMs || this.#missing.length === 0 || nowMs - this.#lastMs < MIN_INTERVAL_MS) return NOTHING;
    this.#refill(nowMs);
    const retryMs = Math.max(MIN_RETRY_MS, rttMs * RETRY_ROUND_TRIPS + RETRY_MARGIN_MS);
    const asked: number[] = [];
    let dueMs = Number.POSITIVE_INFINITY;
    let spent = false;
    for (const entry of this.#missing) {
      if (entry.tries === 0 || nowMs - entry.askedMs >= retryMs) {
        if (this.#budget < 1) {
          dueMs = nowMs;
          break;
        }
        this.#budget--;
        entry.tries++;
        entry.askedMs = nowMs;
        asked.push(entry.sequence);
        if (entry.tries >= MAX_TRIES) spent = true;
      }
      if (entry.askedMs + retryMs < dueMs) dueMs = entry.askedMs + retryMs;
    }
    if (spent) this.#missing = this.#missing.filter((entry) => entry.tries < MAX_TRIES);
    this.#dueMs = dueMs;
    if (asked.length > 0) this.#lastMs = nowMs;
    return asked;
  }

  #refill(nowMs: number): void {
    const elapsedMs = Number.isNaN(this.#budgetMs) ? 0 : nowMs - this.#budgetMs;
    this.#budgetMs = nowMs;
    this.#budget = Math.min(BUDGET, this.#budget + (Math.max(0, elapsedMs) * BUDGET) / 1000);
  }

  /** Index of the first entry that is not below `sequence`. */
  #find(sequence: number): number {
    let low = 0;
    let high = this.#missing.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#missing[middle]?.sequence ?? 0) < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const NOTHING: readonly number[] = [];
