import { describe, expect, test } from 'vitest';
import { type Fragment, MAX_MESSAGE_BYTES, Reassembly, readFragments } from './reassembly.ts';

const BODY = Buffer.from('the quick brown fox jumps over the lazy dog');

function piece(offset: number, length: number, changes: Partial<Fragment> = {}): Fragment {
  return {
    type: 11,
    length: BODY.length,
    sequence: 0,
    offset,
    bytes: BODY.subarray(offset, offset + length),
    ...changes,
  };
}

function feed(reassembly: Reassembly, ...fragments: Fragment[]): string | undefined {
  for (const fragment of fragments) reassembly.push(fragment);
  return reassembly.take()?.body.toString();
}

describe('reassembly', () => {
  test('puts fragments together in any order', () => {
    expect(feed(new Reassembly(), piece(30, 13), piece(0, 10), piece(10, 20))).toBe(BODY.toString());
  });

  test('takes fragments that overlap and agree', () => {
    expect(feed(new Reassembly(), piece(0, 30), piece(5, 10), piece(20, 23), piece(0, 43))).toBe(BODY.toString());
  });

  test('refuses fragments that overlap and contradict each other', () => {
    const lie = piece(20, 10, { bytes: Buffer.from('0123456789') });
    expect(() => feed(new Reassembly(), piece(0, 25), lie)).toThrow(/contradict/);
  });

  test.each([{ length: 44 }, { length: 42 }, { type: 12 }])('refuses fragments that differ in %j', (change) => {
    expect(() => feed(new Reassembly(), piece(0, 10), piece(10, 10, change))).toThrow(/differ in type or length/);
  });

  test('gives the message as one fragment, for the transcript', () => {
    const reassembly = new Reassembly();
    reassembly.push(piece(0, 20));
    reassembly.push(piece(20, 23));
    const header = Buffer.from('0b00002b0000000000' + '00002b', 'hex');
    expect(reassembly.take()?.bytes).toEqual(Buffer.concat([header, BODY]));
  });

  test('gives messages in order, and each once', () => {
    const reassembly = new Reassembly();
    reassembly.push(piece(0, 43, { sequence: 1 }));
    expect(reassembly.take()).toBeUndefined();
    reassembly.push(piece(0, 43));
    expect(reassembly.take()?.sequence).toBe(0);
    expect(reassembly.take()?.sequence).toBe(1);
    reassembly.push(piece(0, 43));
    reassembly.push(piece(0, 43, { sequence: 1 }));
    expect(reassembly.take()).toBeUndefined();
  });

  test('takes an empty message, but no empty part of a longer one', () => {
    const reassembly = new Reassembly();
    expect(feed(reassembly, piece(0, 0))).toBeUndefined();
    expect(feed(reassembly, piece(0, 0, { length: 0 }))).toBe('');
  });

  test('refuses messages that are too long', () => {
    expect(() => feed(new Reassembly(), piece(0, 1, { length: MAX_MESSAGE_BYTES + 1 }))).toThrow(/16385 bytes/);
    expect(() => feed(new Reassembly(), piece(0, 1, { length: 0xffffff }))).toThrow(/16777215 bytes/);
  });

  test('drops what is too far ahead', () => {
    const reassembly = new Reassembly();
    reassembly.push(piece(0, 43, { sequence: 8 }));
    for (let sequence = 0; sequence < 8; sequence += 1) {
      reassembly.push(piece(0, 43, { sequence }));
      expect(reassembly.take()?.sequence).toBe(sequence);
    }
    expect(reassembly.take()).toBeUndefined();
  });

  test('keeps room for the message that is due, whatever others claim', () => {
    const reassembly = new Reassembly();
    for (let sequence = 1; sequence < 8; sequence += 1) {
      reassembly.push(piece(0, 1, { sequence, length: MAX_MESSAGE_BYTES }));
    }
    expect(feed(reassembly, piece(0, 43))).toBe(BODY.toString());
  });

  test('forgets what is under way when it is cleared', () => {
    const reassembly = new Reassembly();
    reassembly.push(piece(0, 20));
    reassembly.clear();
    reassembly.push(piece(20, 23));
    expect(reassembly.take()).toBeUndefined();
  });
});

describe('fragments in a record', () => {
  const fragment = (length: number, offset: number, bytes: number) =>
    Buffer.concat([Buffer.from([1, 0, 0, length, 0, 0, 0, 0, offset, 0, 0, bytes]), Buffer.alloc(bytes)]);

  test('may be several', () => {
    const fragments = readFragments(Buffer.concat([fragment(9, 0, 4), fragment(9, 4, 5)]));
    expect(fragments.map(({ offset, bytes }) => [offset, bytes.length])).toEqual([
      [0, 4],
      [4, 5],
    ]);
  });

  test.each([
    ['end beyond their message', fragment(9, 5, 5)],
    ['end beyond their record', fragment(9, 0, 9).subarray(0, 15)],
    ['have half a header', fragment(9, 0, 9).subarray(0, 11)],
    ['are followed by rest', Buffer.concat([fragment(9, 0, 9), Buffer.of(1)])],
    ['are none', Buffer.alloc(0)],
  ])('are refused when they %s', (_, bytes) => {
    expect(() => readFragments(bytes)).toThrow(expect.objectContaining({ code: 'DTLS_DECODE_ERROR' }));
  });
});
