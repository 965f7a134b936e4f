import { describe, expect, test } from 'vitest';
import { ContentType } from './constants.ts';
import { openRecord, RecordWriter, readRecords } from './records.ts';
import { ReplayWindow } from './replay-window.ts';

const KEYS = { key: Buffer.alloc(16, 7), salt: Buffer.alloc(4, 9) };

describe('records', () => {
  test('are read back from a datagram, up to what is no record', () => {
    const writer = new RecordWriter(0);
    const records = [writer.write(22, Buffer.from('one')), writer.write(20, Buffer.of(1)), Buffer.from('rest')];
    const read = readRecords(Buffer.concat(records));
    expect(read.map(({ type, epoch, sequence }) => [type, epoch, sequence])).toEqual([
      [22, 0, 0],
      [20, 0, 1],
    ]);
    expect(read[0]?.fragment.toString()).toBe('one');
  });

  test.each([
    ['a length beyond the datagram', 11, 0x01],
    ['a major version of TLS', 1, 0x03],
    ['an unknown minor version', 2, 0x11],
  ])('are not read when they have %s', (_, at, value) => {
    const record = new RecordWriter(0).write(22, Buffer.from('one'));
    record[at] = value;
    expect(readRecords(record)).toEqual([]);
  });

  test('of epoch 1 open with the same keys and no others', () => {
    const [record] = readRecords(new RecordWriter(1, KEYS).write(ContentType.alert, Buffer.of(1, 0)));
    if (record === undefined) throw new Error('no record');
    expect(openRecord(KEYS, record)).toEqual(Buffer.of(1, 0));
    expect(openRecord({ ...KEYS, key: Buffer.alloc(16, 8) }, record)).toBeUndefined();
    expect(openRecord({ ...KEYS, salt: Buffer.alloc(4, 8) }, record)).toBeUndefined();
  });

  test('cover their type, version, epoch, number and every byte with the tag', () => {
    const [record] = readRecords(new RecordWriter(1, KEYS).write(ContentType.alert, Buffer.of(1, 0)));
    if (record === undefined) throw new Error('no record');
    const changes = [{ type: 22 }, { version: 0xfeff }, { epoch: 2 }, { sequence: 1 }];
    for (const change of changes) expect(openRecord(KEYS, { ...record, ...change })).toBeUndefined();
    for (let at = 0; at < record.fragment.length; at += 1) {
      const fragment = Buffer.from(record.fragment);
      fragment[at] = (fragment[at] ?? 0) ^ 0x80;
      expect(openRecord(KEYS, { ...record, fragment })).toBeUndefined();
    }
    for (let bytes = 0; bytes < record.fragment.length; bytes += 1) {
      expect(openRecord(KEYS, { ...record, fragment: record.fragment.subarray(0, bytes) })).toBeUndefined();
    }
  });

  test('of the same words never look the same, because each has a number of its own', () => {
    const writer = new RecordWriter(1, KEYS);
    const written = Array.from({ length: 100 }, () =>
      writer.write(21, Buffer.of(1, 0)).subarray(13, 21).toString('hex'),
    );
    expect(new Set(written).size).toBe(100);
    expect(written[2]).toBe('0001000000000002');
  });
});

describe('the replay window', () => {
  test('takes each number once, in any order within the newest 64', () => {
    const window = new ReplayWindow();
    const arrivals = [5, 3, 4, 70, 69, 7, 6, 5, 70, 200, 137, 136];
    const taken = arrivals.filter((sequence) => {
      const fresh = window.isFresh(sequence);
      if (fresh) window.mark(sequence);
      return fresh;
    });
    expect(taken).toEqual([5, 3, 4, 70, 69, 7, 200, 137]);
  });

  test('agrees with a plain set for random arrivals', () => {
    let state = 1;
    const random = (below: number) => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      return state % below;
    };
    const window = new ReplayWindow();
    const seen = new Set<number>();
    let newest = -1;
    for (let count = 0; count < 5_000; count += 1) {
      const sequence = Math.max(0, newest + 20 - random(110));
      const expected = !seen.has(sequence) && sequence > newest - 64;
      expect(window.isFresh(sequence)).toBe(expected);
      if (!expected) continue;
      window.mark(sequence);
      seen.add(sequence);
      newest = Math.max(newest, sequence);
    }
  });

  test('survives the largest jumps', () => {
    const window = new ReplayWindow();
    for (const sequence of [0, 2 ** 48 - 2, 2 ** 48 - 1]) {
      expect(window.isFresh(sequence)).toBe(true);
      window.mark(sequence);
      expect(window.isFresh(sequence)).toBe(false);
    }
    expect(window.isFresh(0)).toBe(false);
  });
});
