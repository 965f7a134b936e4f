/** How a publication or playback ended, or failed before it began. */
export interface Ending {
  readonly mediaSessionId: string;
  readonly sessionId: string;
  readonly streamName: string;
  readonly protocol: string;
  readonly mediaType: 'publish' | 'play';
  readonly status: 'UNPUBLISHED' | 'STOPPED' | 'FAILED';
  /** Why, in the words that the client got; empty when there were none. */
  readonly info: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

const MAX_ENDINGS = 500;

/** The last publications and playbacks that are over, so that it can be told why; the oldest are forgotten. */
export class RecentEndings {
  readonly #endings: Ending[] = [];

  add(ending: Ending): void {
    this.#endings.push(ending);
    if (this.#endings.length > MAX_ENDINGS) this.#endings.shift();
  }

  /** Those that the filter takes, the latest first. */
  find(filter: (ending: Ending) => boolean, limit = 20): readonly Ending[] {
    const found: Ending[] = [];
    for (let i = this.#endings.length - 1; i >= 0 && found.length < limit; i--) {
      const ending = this.#endings[i];
      if (ending !== undefined && filter(ending)) found.push(ending);
    }
    return found;
  }
}
