/** Why something that runs is over: the first reason counts, and it is told once. */
export class Outcome {
  readonly #abort = new AbortController();
  readonly #over: Promise<unknown>;
  #resolve: (why: unknown) => void = () => undefined;
  #why: unknown;

  constructor() {
    this.#over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** The reason; undefined while there is none. */
  get why(): unknown {
    return this.#why;
  }

  /** Aborted with the first reason. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Gives the reason. Idempotent. */
  finish(why: unknown): void {
    if (this.#why !== undefined) return;
    this.#why = why;
    this.#abort.abort();
    this.#resolve(why);
  }

  /** Resolves with the reason, which is what `start` rejects with where it does. */
  async of(start: Promise<void>): Promise<unknown> {
    start.catch((error: unknown) => this.finish(error));
    return this.#over;
  }
}
