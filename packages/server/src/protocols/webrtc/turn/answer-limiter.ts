import { randomInt } from 'node:crypto';

const BUCKETS = 8192;

/**
 * Bounds the answers to whoever has proved nothing, for each address by itself. Addresses share one of some thousand
 * buckets by a hash that nobody outside can foresee: so it never grows, and all of them together are bounded as well.
 */
export class AnswerLimiter {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #tokens: Float64Array;
  readonly #filledMs = new Float64Array(BUCKETS);
  readonly #seed = randomInt(2 ** 31);

  constructor({ perSecond, burst }: { readonly perSecond: number; readonly burst: number }) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = new Float64Array(BUCKETS).fill(burst);
  }

  /** False when that address has had enough answers for now. */
  take(address: string, nowMs: number): boolean {
    const i = this.#bucketOf(address);
    const sinceMs = Math.max(0, nowMs - (this.#filledMs[i] ?? 0));
    const tokens = Math.min(this.#burst, (this.#tokens[i] ?? 0) + (sinceMs * this.#perSecond) / 1000);
    this.#filledMs[i] = nowMs;
    this.#tokens[i] = tokens >= 1 ? tokens - 1 : tokens;
    return tokens >= 1;
  }

  /** FNV-1a, begun at a number of its own. */
  #bucketOf(address: string): number {
    let hash = this.#seed ^ 0x811c9dc5;
    for (let i = 0; i < address.length; i++) hash = Math.imul(hash ^ address.charCodeAt(i), 0x01000193);
    return (hash ^ (hash >>> 15)) & (BUCKETS - 1);
  }
}
