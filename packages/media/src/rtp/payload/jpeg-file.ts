import { joinBytes, writeU16 } from '../bytes.ts';

/** What RFC 2435 says of a picture besides its entropy-coded data. */
export interface JpegPicture {
  /** 0: 4:2:2, 1: 4:2:0 (§4.1). */
  readonly type: 0 | 1;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** MCUs between restart markers; 0 for none. */
  readonly restartInterval: number;
  /** Luminance, chrominance; 64 bytes each, or 128 where values have 16 bits, in zigzag order. */
  readonly tables: readonly [Uint8Array, Uint8Array];
}

/** A Huffman table: how many codes there are of each length from 1 to 16, then their values (ITU-T T.81 §B.2.4.2). */
export interface HuffmanTable {
  /** Class in the upper four bits (0 DC, 1 AC), destination in the lower. */
  readonly id: number;
  /** Counts and values. */
  readonly bytes: Uint8Array;
}

/** The tables of ITU-T T.81 §K.3, which RFC 2435 takes for granted. */
export const STANDARD_HUFFMAN: readonly HuffmanTable[] = [
  { id: 0x00, bytes: bytesOf('00010501010101010100000000000000 000102030405060708090a0b') },
  {
    id: 0x10,
    bytes: bytesOf(`0002010303020403050504040000017d 01020300041105122131410613516107227114328191a1082342b1c1
      1552d1f02433627282090a161718191a25262728292a3435363738393a434445464748494a535455565758595a636465666768696a73747576
      7778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9da
      e1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa`),
  },
  { id: 0x01, bytes: bytesOf('00030101010101010101010000000000 000102030405060708090a0b') },
  {
    id: 0x11,
    bytes: bytesOf(`00020102040403040705040400010277 0001020311040521310612415107617113223281081442 91a1b1c1
      09233352f0156272d10a162434e125f11718191a262728292a35363738393a434445464748494a535455565758595a636465666768696a7374
      75767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7
      d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa`),
  },
];

/** Quantization for Q 50, in zigzag order (RFC 2435 appendix A). */
const LUMINANCE = bytesOf(`100b0c0e0c0a100e0d0e1211101318281a181616183123251d283a333d3c393338374048 5c4e404457
  453738506d51575f626768673e4d71797064785c656763`);
const CHROMINANCE = bytesOf(`1112121815182f1a1a2f634238426363636363636363636363636363636363636363636363636363636363
  636363636363636363636363636363636363636363`);

/** The tables that a Q from 1 to 99 stands for (RFC 2435 §4.2). */
export function quantizationTables(quality: number): [Uint8Array, Uint8Array] {
  const factor = Math.max(1, Math.min(99, quality));
  const scale = factor < 50 ? Math.floor(5000 / factor) : 200 - factor * 2;
  const scaled = (table: Uint8Array): Uint8Array =>
    table.map((value) => Math.max(1, Math.min(255, Math.floor((value * scale + 50) / 100))));
  return [scaled(LUMINANCE), scaled(CHROMINANCE)];
}

const SOI = Uint8Array.of(0xff, 0xd8);
const EOI = Uint8Array.of(0xff, 0xd9);
/** JFIF 1.01, pixels of no known size. */
const APP0 = bytesOf('ffe000104a46494600010100000100010000');
const SOS = bytesOf('ffda000c03010002110311003f00');

/** A whole JPEG file of a picture and the pieces of its entropy-coded data; owns its memory. */
export function jpegFile(picture: JpegPicture, data: readonly Uint8Array[]): Uint8Array {
  const { restartInterval, tables } = picture;
  const last = data.at(-1);
  const ends = last !== undefined && last.at(-2) === 0xff && last.at(-1) === 0xd9;
  return joinBytes([
    SOI,
    APP0,
    ...tables.map((table, id) => quantizationSegment(table, id)),
    ...(restartInterval > 0 ? [segment(0xdd, u16(restartInterval))] : []),
    frameSegment(picture),
    ...STANDARD_HUFFMAN.map(({ id, bytes }) => segment(0xc4, Uint8Array.of(id), bytes)),
    SOS,
    ...data,
    ...(ends ? [] : [EOI]),
  ]);
}

function quantizationSegment(table: Uint8Array, id: number): Uint8Array {
  return segment(0xdb, Uint8Array.of(table.length > 64 ? 0x10 | id : id), table);
}

/** SOF0: 8 bits, three components, of which the first has more samples. */
function frameSegment({ type, width, height }: JpegPicture): Uint8Array {
  const components = Uint8Array.of(3, 1, type === 0 ? 0x21 : 0x22, 0, 2, 0x11, 1, 3, 0x11, 1);
  return segment(0xc0, Uint8Array.of(8), u16(height), u16(width), components);
}

function segment(marker: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = joinBytes(parts);
  return joinBytes([Uint8Array.of(0xff, marker), u16(body.length + 2), body]);
}

function u16(value: number): Uint8Array {
  const bytes = new Uint8Array(2);
  writeU16(bytes, 0, value);
  return bytes;
}

function bytesOf(hex: string): Uint8Array {
  const digits = hex.replaceAll(/\s/g, '');
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) =>
    Number.parseInt(digits.slice(2 * index, 2 * index + 2), 16),
  );
}
