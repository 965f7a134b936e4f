/** RFC 8656 §7.2 wants relayed ports from 49152 on; here they are only numbers, so lower ones are used when those are. */
const FIRST = 16_384;
const LAST = 65_535;

/** The numbers of relayed addresses, each given to one allocation at a time; those given back rest for longest. */
export class PortNumbers {
  #next = LAST;
  readonly #returned = new Set<number>();

  /** A number that nobody has; undefined when all are taken. */
  take(even: boolean): number | undefined {
    while (this.#next >= FIRST) {
      const number = this.#next--;
      if (!even || number % 2 === 0) return number;
      this.#returned.add(number);
    }
    for (const number of this.#returned) {
      if (even && number % 2 !== 0) continue;
      this.#returned.delete(number);
      return number;
    }
    return undefined;
  }

  giveBack(number: number): void {
    this.#returned.add(number);
  }
}
