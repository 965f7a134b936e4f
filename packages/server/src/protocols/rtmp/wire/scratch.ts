// Memory in which messages are put together, shared by all connections: most messages are under way for no longer than
// it takes to read twice, so a few pieces serve thousands of publishers without any for each.

const SIZES = [1024, 4 * 1024, 16 * 1024, 64 * 1024] as const;
/** Pieces of each size that are kept while nobody needs them. */
const MAX_SPARE = 32;

/** Longer pieces are made when needed and let go after that. */
export const LARGEST_SCRATCH: number = SIZES[3];

const spare = SIZES.map(() => [] as Uint8Array[]);

/** At least `bytes` of memory, with anything in it. To be given back, once. */
export function takeScratch(bytes: number): Uint8Array {
  for (const [i, size] of SIZES.entries()) {
    if (bytes <= size) return spare[i]?.pop() ?? new Uint8Array(size);
  }
  return new Uint8Array(bytes);
}

/** Takes back what `takeScratch` gave; nobody may look at it after that. */
export function giveScratch(piece: Uint8Array): void {
  for (const [i, size] of SIZES.entries()) {
    const list = spare[i];
    if (piece.length === size && list !== undefined && list.length < MAX_SPARE) list.push(piece);
  }
}
