import { describe, expect, it } from 'vitest';
import { mutate, prng } from '../testing/mutate.ts';
import {
  fitsRed,
  MAX_RED_BLOCK_BYTES,
  MAX_RED_BLOCKS,
  MAX_RED_OFFSET,
  parseRed,
  type RedContent,
  redLength,
  writeRed,
} from './red.ts';

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

function written(content: RedContent): Uint8Array {
  const target = new Uint8Array(redLength(content) + 8).fill(0xee);
  const end = writeRed(target, 3, content);
  expect(end - 3).toBe(redLength(content));
  expect(target[end]).toBe(0xee);
  return target.subarray(3, end);
}

describe('a payload with redundancy', () => {
  // RFC 2198 §3: F, 7 bits of type, 14 of offset, 10 of length; then F=0 and the type of the packet's own block.
  const PAYLOAD = Uint8Array.of(0x80 | 111, 0x0f, 0x00, 0x02, 111, 0xaa, 0xab, 0xba, 0xbb, 0xbc);
  const CONTENT: RedContent = {
    payloadType: 111,
    primary: Uint8Array.of(0xba, 0xbb, 0xbc),
    redundant: [{ payloadType: 111, timestampOffset: 960, payload: Uint8Array.of(0xaa, 0xab) }],
  };

  it('is read as Chromium sends it', () => {
    expect(parseRed(PAYLOAD)).toEqual(CONTENT);
  });

  it('is written the same', () => {
    expect(written(CONTENT)).toEqual(PAYLOAD);
  });

  it('has none in the first packet', () => {
    expect(parseRed(Uint8Array.of(111, 1, 2))).toEqual({
      payloadType: 111,
      primary: Uint8Array.of(1, 2),
      redundant: [],
    });
  });

  it('has blocks of several sizes and ages, the oldest first', () => {
    const content: RedContent = {
      payloadType: 96,
      primary: bytes(40, 3),
      redundant: [
        { payloadType: 96, timestampOffset: MAX_RED_OFFSET, payload: bytes(MAX_RED_BLOCK_BYTES, 1) },
        { payloadType: 13, timestampOffset: 1920, payload: bytes(0, 0) },
        { payloadType: 127, timestampOffset: 960, payload: bytes(300, 2) },
      ],
    };
    expect(parseRed(written(content))).toEqual(content);
  });

  it.each([
    ['is empty', []],
    ['ends in a header', [0x80 | 111, 0x0f]],
    ['ends before its own type', [0x80 | 111, 0x0f, 0x00, 0x00]],
    ['has a block that is longer than the rest', [0x80 | 111, 0x0f, 0x00, 0x03, 111, 1, 2]],
  ])('that %s is none', (_, payload) => {
    expect(parseRed(Uint8Array.from(payload))).toBeUndefined();
  });

  it('is bounded in blocks', () => {
    const of = (count: number): RedContent => ({
      payloadType: 111,
      primary: bytes(1, 1),
      redundant: Array.from({ length: count }, () => ({ payloadType: 111, timestampOffset: 1, payload: bytes(1, 1) })),
    });
    expect(parseRed(written(of(MAX_RED_BLOCKS)))?.redundant).toHaveLength(MAX_RED_BLOCKS);
    expect(parseRed(written(of(MAX_RED_BLOCKS + 1)))).toBeUndefined();
    expect(parseRed(bytes(1500, 0xff))).toBeUndefined();
  });

  it('tells what fits into a block', () => {
    expect(fitsRed(MAX_RED_OFFSET, MAX_RED_BLOCK_BYTES)).toBe(true);
    expect(fitsRed(MAX_RED_OFFSET + 1, 1)).toBe(false);
    expect(fitsRed(960, MAX_RED_BLOCK_BYTES + 1)).toBe(false);
    expect(fitsRed(-1, 1)).toBe(false);
  });

  it('gives content or nothing for any bytes, and what is read can be written', () => {
    const random = prng(2198);
    let read = 0;
    for (let round = 0; round < 20_000; round++) {
      const payload = mutate(PAYLOAD, random);
      const content = parseRed(payload);
      if (content === undefined) continue;
      read++;
      expect(redLength(content)).toBe(payload.length);
      expect(parseRed(written(content))).toEqual(content);
    }
    expect(read).toBeGreaterThan(2000);
  });
});
