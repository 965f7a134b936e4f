import type { Endpoint } from '../stun/index.ts';

/** More than what a browser with some interfaces sends in ten seconds while it looks for paths. */
const KEPT = 256;
const LEAST = 16;

/**
 * Where the newest checks came from, by their transaction, to tell a check that somebody else repeats from elsewhere.
 * Keeps 32 of a transaction's 96 random bits, which is plenty: nobody but the peer itself can choose them.
 */
export class RecentTransactions {
  /** Of 64 bytes first, which need no memory beside the object, then larger: most peers never look for long. */
  #ids = new Int32Array(LEAST);
  readonly #sources: (Endpoint | undefined)[] = [];
  #next = 0;

  /** Notes where a transaction came from. False when it has come from elsewhere before. */
  add(transactionId: Buffer, source: Endpoint): boolean {
    const id = transactionId.readInt32BE(0);
    for (let at = this.#ids.indexOf(id); at >= 0; at = this.#ids.indexOf(id, at + 1)) {
      const known = this.#sources[at];
      if (known !== undefined) return known.address === source.address && known.port === source.port;
    }
    if (this.#next === this.#ids.length) this.#grow();
    this.#ids[this.#next] = id;
    this.#sources[this.#next] = source;
    this.#next = (this.#next + 1) % KEPT;
    return true;
  }

  #grow(): void {
    const ids = new Int32Array(this.#ids.length * 2);
    ids.set(this.#ids);
    this.#ids = ids;
  }
}
