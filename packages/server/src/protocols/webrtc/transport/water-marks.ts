/** What waits for all connections together, and whether that is too much: from the high mark on, until the low one. */
export class WaterMarks {
  readonly #highBytes: number;
  readonly #lowBytes: number;
  #queuedBytes = 0;
  #full = false;

  constructor(highBytes: number, lowBytes: number) {
    this.#highBytes = highBytes;
    this.#lowBytes = Math.min(lowBytes, highBytes);
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Nothing more may wait that can be left out. */
  get full(): boolean {
    return this.#full;
  }

  add(bytes: number): void {
    this.#queuedBytes += bytes;
    if (this.#queuedBytes > this.#highBytes) this.#full = true;
  }

  release(bytes: number): void {
    this.#queuedBytes -= bytes;
    if (this.#queuedBytes <= this.#lowBytes) this.#full = false;
  }
}
