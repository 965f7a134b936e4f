import type { Lacing } from './blocks.ts';
import { badFile, readVarInt } from './ebml-reader.ts';

/**
 * The frames of a block (RFC 9559 §10.3), as views into `data`, which begins after the block's flags.
 * @throws ProtocolError WEBM_BAD_FILE
 */
export function splitLaces(data: Uint8Array, lacing: Lacing): Uint8Array[] {
  if (lacing === 'none') return [data];
  const [last] = data;
  if (last === undefined) throw badFile('a laced block is empty');
  const count = last + 1;
  if (lacing === 'fixed') {
    const frameBytes = (data.length - 1) / count;
    if (!Number.isInteger(frameBytes)) throw badFile(`${data.length - 1} bytes are no ${count} equal frames`);
    return cut(data, 1, new Array<number>(count).fill(frameBytes));
  }
  const { sizes, position } = lacing === 'xiph' ? xiphSizes(data, last) : ebmlSizes(data, last);
  const rest = data.length - position - sizes.reduce((sum, size) => sum + size, 0);
  return cut(data, position, [...sizes, rest]);
}

/** Each size is a sum of bytes, the last of which is not 255. */
function xiphSizes(data: Uint8Array, count: number): { sizes: number[]; position: number } {
  const sizes: number[] = [];
  let position = 1;
  while (sizes.length < count) {
    let size = 0;
    let byte = 255;
    while (byte === 255) {
      byte = data[position++] ?? -1;
      if (byte < 0) throw badFile('a block ends inside its lacing');
      size += byte;
    }
    sizes.push(size);
  }
  return { sizes, position };
}

/** The first size as it is, the others as differences, which are signed by subtracting half of their range. */
function ebmlSizes(data: Uint8Array, count: number): { sizes: number[]; position: number } {
  const sizes: number[] = [];
  let position = 1;
  let size = 0;
  while (sizes.length < count) {
    const number = readVarInt(data, position);
    if (number === undefined) throw badFile('a block ends inside its lacing');
    position += number.bytes;
    // All ones have no special meaning here.
    const value = number.value ?? 2 ** (7 * number.bytes) - 1;
    size = sizes.length === 0 ? value : size + value - (2 ** (7 * number.bytes - 1) - 1);
    if (size < 0) throw badFile('a laced frame of negative size');
    sizes.push(size);
  }
  return { sizes, position };
}

function cut(data: Uint8Array, start: number, sizes: readonly number[]): Uint8Array[] {
  let position = start;
  return sizes.map((size) => {
    const end = position + size;
    if (size < 0 || end > data.length) throw badFile('laced frames do not fit in their block');
    const frame = data.subarray(position, end);
    position = end;
    return frame;
  });
}
