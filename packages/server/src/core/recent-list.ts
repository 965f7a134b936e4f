/** The last items of a kind, up to a number; the oldest are forgotten. */
export class RecentList<Item> {
  readonly #max: number;
  readonly #items: Item[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#items.length;
  }

  add(item: Item): void {
    this.#items.push(item);
    if (this.#items.length > this.#max) this.#items.shift();
  }

  /** Those that the filter takes, the latest first. */
  find(filter: (item: Item) => boolean, limit = 20): readonly Item[] {
    const found: Item[] = [];
    for (let i = this.#items.length - 1; i >= 0 && found.length < limit; i--) {
      const item = this.#items[i];
      if (item !== undefined && filter(item)) found.push(item);
    }
    return found;
  }
}
