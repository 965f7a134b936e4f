/** Views of `data` in order, as few as there can be of at most `maxBytes`, and of about the same size. */
export function evenPieces(data: Uint8Array, maxBytes: number): Uint8Array[] {
  const count = Math.ceil(data.length / maxBytes);
  return Array.from({ length: count }, (_, index) => {
    const start = Math.round((data.length * index) / count);
    return data.subarray(start, Math.round((data.length * (index + 1)) / count));
  });
}

/** Picture IDs of VP8 and VP9 in the form of 15 bits, one after the other. */
export class PictureIds {
  #next: number;

  constructor(first: number) {
    this.#next = first & 0x7fff;
  }

  next(): number {
    const id = this.#next;
    this.#next = (id + 1) & 0x7fff;
    return id;
  }
}
