/** How many of the newest packets are told apart; a multiple of 32. Enough for 0.5 s of 20 Mbit/s. */
export const WINDOW_PACKETS = 1024;

/**
 * Which packets of one source were seen, by their unwrapped index (RFC 3711 §3.3.1, §3.3.2). Fixed memory, whatever
 * comes.
 */
export class PacketWindow {
  /** Time of last use in any rising measure, for whoever must forget windows. */
  lastUse = 0;
  readonly #seen = new Uint32Array(WINDOW_PACKETS / 32);
  #highest = -1;

  /** The most likely index of a 16-bit sequence number: the one nearest to the highest seen, never below zero. */
  guess(sequence: number): number {
    if (this.#highest < 0) return sequence;
    const distance = ((sequence - this.#highest) << 16) >> 16;
    const index = this.#highest + distance;
    return index < 0 ? index + 0x10000 : index;
  }

  /** False for what was seen, or is so old that nobody knows. */
  isNew(index: number): boolean {
    if (index > this.#highest) return true;
    if (index <= this.#highest - WINDOW_PACKETS) return false;
    return ((this.#seen[this.#word(index)] as number) & bit(index)) === 0;
  }

  /** True for what is known to have been seen. */
  wasSeen(index: number): boolean {
    return index > this.#highest - WINDOW_PACKETS && !this.isNew(index);
  }

  /** Marks a packet as seen; it must be new. */
  add(index: number): void {
    if (index > this.#highest) this.#advance(index);
    const word = this.#word(index);
    this.#seen[word] = (this.#seen[word] as number) | bit(index);
  }

  #advance(index: number): void {
    if (index - this.#highest >= WINDOW_PACKETS) {
      this.#seen.fill(0);
    } else {
      for (let between = this.#highest + 1; between < index; between++) {
        const word = this.#word(between);
        this.#seen[word] = (this.#seen[word] as number) & ~bit(between);
      }
    }
    this.#highest = index;
  }

  #word(index: number): number {
    return (index % WINDOW_PACKETS) >>> 5;
  }
}

/** The lowest five bits survive the conversion to 32 bits, however large the index is. */
function bit(index: number): number {
  return 1 << (index & 31);
}
