/** Seeded pseudo random numbers in [0, 1) (mulberry32), so that a failing fuzz run can be repeated. */
export function prng(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Returns a damaged copy: one to four times a bit is flipped, a byte replaced (often by an extreme value), the end
 * cut off, a range removed or doubled.
 */
export function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  // Not `slice`: that of a Buffer shares its memory.
  let result: Uint8Array = new Uint8Array(bytes);
  const rounds = 1 + Math.floor(random() * 4);
  for (let round = 0; round < rounds; round += 1) result = mutateOnce(result, random);
  return result;
}

function mutateOnce(bytes: Uint8Array, random: () => number): Uint8Array {
  const below = (limit: number): number => Math.floor(random() * limit);
  if (bytes.length === 0) return Uint8Array.of(below(256));
  const at = below(bytes.length);
  const end = Math.min(bytes.length, at + 1 + below(16));
  switch (below(5)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
      return bytes;
    case 1:
      bytes[at] = [0, 0xff, 0x80, 0x7f, below(256)][below(5)] ?? 0;
      return bytes;
    case 2:
      return bytes.slice(0, at);
    case 3:
      return concat(bytes.subarray(0, at), bytes.subarray(end));
    default:
      return concat(bytes.subarray(0, end), bytes.subarray(at));
  }
}

function concat(first: Uint8Array, second: Uint8Array): Uint8Array {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}
