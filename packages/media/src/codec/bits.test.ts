import { expect, test } from 'vitest';
import { BitReader, BitWriter, unescapeRbsp } from './bits.ts';

test('reads fields across byte boundaries, unsigned up to 32 bits', () => {
  const reader = new BitReader(Uint8Array.of(0b1010_0101, 0xff, 0xff, 0xff, 0xff, 0x80));
  expect(reader.bits(3)).toBe(0b101);
  expect(reader.flag()).toBe(false);
  expect(reader.bits(0)).toBe(0);
  expect(reader.bits(4)).toBe(0b0101);
  expect(reader.bits(32)).toBe(0xffffffff);
  expect(reader.flag()).toBe(true);
  expect(reader.bitsLeft).toBe(7);
  expect(() => reader.bits(8)).toThrow(expect.objectContaining({ code: 'BITSTREAM_END' }));
  expect(() => reader.skip(8)).toThrow(expect.objectContaining({ code: 'BITSTREAM_END' }));
  expect(reader.bitsLeft).toBe(7);
});

test('reads Exp-Golomb codes as in H.264 table 9-2 and 9-3', () => {
  // 1 010 011 00100 00101: code numbers 0 to 4
  const data = Uint8Array.of(0b10100110, 0b01000010, 0b10000000);
  const unsigned = new BitReader(data);
  expect([0, 1, 2, 3, 4].map(() => unsigned.ue())).toEqual([0, 1, 2, 3, 4]);
  const signed = new BitReader(data);
  expect([0, 1, 2, 3, 4].map(() => signed.se())).toEqual([0, 1, -1, 2, -2]);
  const largest = new BitWriter();
  largest.bits(1, 32);
  largest.bits(2 ** 31 - 1, 31);
  expect(new BitReader(largest.bytes()).ue()).toBe(2 ** 32 - 2);
  expect(() => new BitReader(new Uint8Array(100)).ue()).toThrow(expect.objectContaining({ code: 'BITSTREAM_BAD_UE' }));
});

test('what BitWriter writes BitReader reads', () => {
  const writer = new BitWriter();
  writer.bits(5, 3);
  writer.bits(0xdeadbeef, 32);
  writer.bits(1, 1);
  const reader = new BitReader(writer.bytes());
  expect([reader.bits(3), reader.bits(32), reader.bits(1)]).toEqual([5, 0xdeadbeef, 1]);
});

test('removes emulation prevention bytes only after two zeros', () => {
  expect([...unescapeRbsp(Uint8Array.of(0, 0, 3, 0, 0, 3, 1, 0, 3, 0, 0, 3))]).toEqual([0, 0, 0, 0, 1, 0, 3, 0, 0]);
});
