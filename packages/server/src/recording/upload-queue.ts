/** Ids that are to be worked on, each not before its time. */
export class UploadQueue {
  /** In the order in which they came. */
  readonly #due = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  readonly #onDue: () => void;

  /** @param onDue Called when the next one is due; it takes what it wants then. */
  constructor(onDue: () => void) {
    this.#onDue = onDue;
  }

  get size(): number {
    return this.#due.size;
  }

  has(id: string): boolean {
    return this.#due.has(id);
  }

  /** Adds one; `delayMs` from now it is due. */
  add(id: string, delayMs = 0): void {
    this.#due.set(id, performance.now() + delayMs);
  }

  delete(id: string): void {
    this.#due.delete(id);
  }

  /** The one that has waited for the longest among those that are due. */
  take(): string | undefined {
    const nowMs = performance.now();
    for (const [id, dueMs] of this.#due) {
      if (dueMs > nowMs) continue;
      this.#due.delete(id);
      return id;
    }
    return undefined;
  }

  /** Has `onDue` called when the next one is due. */
  schedule(): void {
    clearTimeout(this.#timer);
    let nextMs = Number.POSITIVE_INFINITY;
    for (const dueMs of this.#due.values()) nextMs = Math.min(nextMs, dueMs);
    if (nextMs === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(this.#onDue, Math.max(nextMs - performance.now(), 0) + 1);
  }

  /** Forgets all. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#due.clear();
  }
}
