const SLOT_MS = 100;
const SLOTS = 11;

/** Bits a second over the last second. Memory is constant; one that is never asked costs additions only. */
export class ByteRate {
  readonly #slots = new Float64Array(SLOTS);
  #slot = -1;

  /** Hot path. `nowMs` is monotonic. */
  count(bytes: number, nowMs: number): void {
    this.#moveTo(nowMs);
    const index = this.#slot % SLOTS;
    this.#slots[index] = (this.#slots[index] ?? 0) + bytes;
  }

  /** Over the last ten slots that are over, so one second but for their granularity. */
  bitsPerSecond(nowMs: number): number {
    if (this.#slot < 0) return 0;
    this.#moveTo(nowMs);
    let bytes = 0;
    for (let i = 1; i < SLOTS; i++) bytes += this.#slots[(this.#slot - i + SLOTS * 2) % SLOTS] ?? 0;
    return (bytes * 8 * 1000) / (SLOT_MS * (SLOTS - 1));
  }

  #moveTo(nowMs: number): void {
    const slot = Math.max(0, Math.floor(nowMs / SLOT_MS));
    if (slot <= this.#slot) return;
    if (slot - this.#slot >= SLOTS || this.#slot < 0) this.#slots.fill(0);
    else for (let i = this.#slot + 1; i <= slot; i++) this.#slots[i % SLOTS] = 0;
    this.#slot = slot;
  }
}
