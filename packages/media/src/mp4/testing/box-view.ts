/** Where a box is. */
export interface BoxPlace {
  readonly start: number;
  readonly end: number;
  readonly headerBytes: number;
}

/** A box of a file, for checks: where it is, and its fields by their place in the content. */
export class BoxView {
  readonly type: string;
  readonly contentStart: number;
  readonly end: number;
  readonly #view: DataView;
  readonly file: Uint8Array;
  readonly start: number;

  constructor(type: string, file: Uint8Array, { start, end, headerBytes }: BoxPlace) {
    this.type = type;
    this.file = file;
    this.start = start;
    this.contentStart = start + headerBytes;
    this.end = end;
    this.#view = new DataView(file.buffer, file.byteOffset + this.contentStart, end - this.contentStart);
  }

  /** Bytes of the content. */
  get length(): number {
    return this.end - this.contentStart;
  }

  u8(at: number): number {
    return this.#view.getUint8(at);
  }

  u32(at: number): number {
    return this.#view.getUint32(at);
  }

  u64(at: number): number {
    return Number(this.#view.getBigUint64(at));
  }
}

/** The boxes in a container, which they have to fill; `skip` bytes of fields come first. */
export function boxesIn(container: BoxView, problems: string[], skip = 0): BoxView[] {
  const boxes: BoxView[] = [];
  const { file, end } = container;
  let position = container.contentStart + skip;
  while (position < end) {
    if (end - position < 8) {
      problems.push(`${container.type} has ${end - position} bytes too many`);
      break;
    }
    const view = new DataView(file.buffer, file.byteOffset + position);
    const short = view.getUint32(0);
    const headerBytes = short === 1 ? 16 : 8;
    const size = short === 1 ? Number(view.getBigUint64(8)) : short;
    const type = String.fromCharCode(...file.subarray(position + 4, position + 8));
    if (size < headerBytes || position + size > end) {
      problems.push(`${type} at ${position} has a size of ${size} in ${container.type}`);
      break;
    }
    boxes.push(new BoxView(type, file, { start: position, end: position + size, headerBytes }));
    position += size;
  }
  return boxes;
}
