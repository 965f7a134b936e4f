/** Does work on the disk one thing after the other, in the order in which it was asked for. */
export class WorkQueue {
  #last: Promise<void> = Promise.resolve();

  /** Adds work; what it throws goes to `failed`. */
  add(work: () => Promise<unknown>, failed: (error: unknown) => void): void {
    this.#last = this.#last.then(work).then(() => {}, failed);
  }

  /** Resolves when all work that was asked for is done. */
  idle(): Promise<void> {
    return this.#last;
  }
}
