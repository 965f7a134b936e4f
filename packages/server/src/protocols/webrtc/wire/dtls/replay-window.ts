const WINDOW = 64;

/**
 * Remembers which of the newest 64 record numbers of an epoch were seen (RFC 6347 §4.1.2.6). Ask with `isFresh` before
 * a record is deciphered and call `mark` only after its MAC has proved right, so that forged records move nothing.
 */
export class ReplayWindow {
  #newest = -1;
  /** Bit n is record `#newest - n`. */
  #seen = 0n;

  isFresh(sequence: number): boolean {
    if (sequence > this.#newest) return true;
    const age = this.#newest - sequence;
    return age < WINDOW && (this.#seen & (1n << BigInt(age))) === 0n;
  }

  mark(sequence: number): void {
    if (sequence > this.#newest) {
      const ahead = sequence - this.#newest;
      this.#seen = ahead >= WINDOW ? 1n : BigInt.asUintN(WINDOW, this.#seen << BigInt(ahead)) | 1n;
      this.#newest = sequence;
      return;
    }
    this.#seen |= 1n << BigInt(this.#newest - sequence);
  }
}
