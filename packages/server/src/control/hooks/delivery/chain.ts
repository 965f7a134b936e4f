/** Does jobs one after the other. */
export class Chain {
  #last: Promise<void> = Promise.resolve();
  #pending = 0;

  /** Jobs that wait or run. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Runs `job` after all that came before it have ended, or after `maxWaitMs` when they take longer. What comes after
   * it waits for them and for it. Gives what the job gives.
   */
  async run<T>(job: () => Promise<T>, maxWaitMs?: number): Promise<T> {
    const before = this.#last;
    const idle = this.#pending === 0;
    this.#pending++;
    const done = this.#after(idle ? undefined : before, job, maxWaitMs);
    // Nothing of the results is kept: this goes on for as long as the session does.
    this.#last = Promise.allSettled([before, done]).then(() => {});
    try {
      return await done;
    } finally {
      this.#pending--;
    }
  }

  async #after<T>(before: Promise<unknown> | undefined, job: () => Promise<T>, maxWaitMs?: number): Promise<T> {
    if (before !== undefined) await (maxWaitMs === undefined ? before : within(before, maxWaitMs));
    return job();
  }
}

async function within(promise: Promise<unknown>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
