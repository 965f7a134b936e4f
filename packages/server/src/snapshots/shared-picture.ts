/** One picture that is being taken, for all who ask for the same. It is given up when none of them waits any more. */
export class SharedPicture {
  readonly #controller = new AbortController();
  readonly #made: Promise<Uint8Array>;
  #waiting = 0;

  /** `make` is called at once, `onSettled` when it has ended, however that was. */
  constructor(make: (signal: AbortSignal) => Promise<Uint8Array>, onSettled: () => void) {
    this.#made = make(this.#controller.signal).finally(onSettled);
    // Who asked for it hears of its failure, if anybody still does.
    this.#made.catch(() => undefined);
  }

  /** False when it is being given up: nobody may join it. */
  get open(): boolean {
    return !this.#controller.signal.aborted;
  }

  /** Gives it up, whoever waits. */
  abort(): void {
    this.#controller.abort();
  }

  /** The picture. A caller who leaves is told `leftError` at once. */
  join(signal: AbortSignal, leftError: () => Error): Promise<Uint8Array> {
    this.#waiting++;
    return new Promise<Uint8Array>((resolve, reject) => {
      const leave = (): void => {
        this.#waiting--;
        if (this.#waiting === 0) this.#controller.abort();
        reject(leftError());
      };
      const stay = (): void => signal.removeEventListener('abort', leave);
      this.#made.finally(stay).then(resolve, reject);
      if (signal.aborted) leave();
      else signal.addEventListener('abort', leave, { once: true });
    });
  }
}
