interface Hint {
  needsTcp: boolean;
  location: string | undefined;
}

/** Addresses that are remembered. */
const MAX_HINTS = 1000;

/** What attempts have learned of an address for those that follow. Bounded: the oldest are forgotten. */
export class PullHints {
  readonly #hints = new Map<string, Hint>();

  /** UDP did not work there. */
  needsTcp(url: string): boolean {
    return this.#hints.get(url)?.needsTcp === true;
  }

  setNeedsTcp(url: string): void {
    this.#of(url).needsTcp = true;
  }

  /** Where the server sent the last session to, if it did; once. */
  takeLocation(url: string): string | undefined {
    const hint = this.#hints.get(url);
    const location = hint?.location;
    if (hint !== undefined) hint.location = undefined;
    return location;
  }

  setLocation(url: string, location: string): void {
    this.#of(url).location = location;
  }

  #of(url: string): Hint {
    const known = this.#hints.get(url) ?? { needsTcp: false, location: undefined };
    this.#hints.delete(url);
    this.#hints.set(url, known);
    const [oldest] = this.#hints.keys();
    if (this.#hints.size > MAX_HINTS && oldest !== undefined) this.#hints.delete(oldest);
    return known;
  }
}
