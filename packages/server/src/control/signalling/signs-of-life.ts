/** Who waits to hear whether a client is still there. */
export class SignsOfLife {
  readonly #waiting = new Set<(alive: boolean) => void>();

  /** Something has come from the client. */
  seen(): void {
    this.#tell(true);
  }

  /** The client is gone. */
  gone(): void {
    this.#tell(false);
  }

  /** True when something comes from the client within that time. */
  within(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => tell(false), timeoutMs).unref();
      const tell = (alive: boolean): void => {
        clearTimeout(timer);
        this.#waiting.delete(tell);
        resolve(alive);
      };
      this.#waiting.add(tell);
    });
  }

  #tell(alive: boolean): void {
    if (this.#waiting.size > 0) for (const tell of [...this.#waiting]) tell(alive);
  }
}
