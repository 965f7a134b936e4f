/** Random numbers that are the same each time for the same seed. */
export interface Random {
  /** A whole number from 0 up to, not including, `limit`. */
  below(limit: number): number;
  bytes(length: number): Buffer;
}

/** Xorshift32. */
export function createRandom(seed: number): Random {
  let state = seed | 0 || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const below = (limit: number) => next() % limit;
  return { below, bytes: (length) => Buffer.from(Array.from({ length }, () => below(256))) };
}
