const BUCKET_MS = 50;
const BUCKETS = 16;

/** Bits a second over the last fraction of a second of a clock that need not be ours. */
export class RateWindow {
  // Of 64 bytes, which need no memory beside the object.
  readonly #bytes = new Uint32Array(BUCKETS);
  /** Number of the newest bucket on that clock, and of the first that ever was; -1 before. */
  #newest = -1;
  #first = -1;

  /** Bytes at that time; what is too old to matter is left out. Hot path. */
  add(bytes: number, atMs: number): void {
    const bucket = Math.floor(atMs / BUCKET_MS);
    if (this.#newest < 0) {
      this.#newest = bucket;
      this.#first = bucket;
    }
    if (bucket > this.#newest) this.#advance(bucket);
    else if (bucket <= this.#newest - BUCKETS) return;
    const at = bucket % BUCKETS;
    this.#bytes[at] = (this.#bytes[at] ?? 0) + bytes;
  }

  /** Over the last `windowMs` (750 at most) before the newest bucket; undefined when it is not known for that long. */
  bps(windowMs: number): number | undefined {
    const buckets = Math.min(BUCKETS - 1, Math.round(windowMs / BUCKET_MS));
    if (this.#newest < 0 || this.#newest - this.#first < buckets) return undefined;
    let sum = 0;
    for (let i = 1; i <= buckets; i++) sum += this.#bytes[(this.#newest - i) % BUCKETS] ?? 0;
    return (sum * 8000) / (buckets * BUCKET_MS);
  }

  /** Time goes on though nothing came. */
  passTo(atMs: number): void {
    const bucket = Math.floor(atMs / BUCKET_MS);
    if (this.#newest >= 0 && bucket > this.#newest) this.#advance(bucket);
  }

  /** The clock is another one. */
  reset(): void {
    this.#bytes.fill(0);
    this.#newest = -1;
  }

  #advance(bucket: number): void {
    const steps = Math.min(BUCKETS, bucket - this.#newest);
    for (let i = 0; i < steps; i++) this.#bytes[(bucket - i) % BUCKETS] = 0;
    this.#newest = bucket;
  }
}
