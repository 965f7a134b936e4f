import { describe, expect, test } from 'vitest';
import { aacTrack, vp9Track } from '../codec/index.ts';
import type { ByteSource } from '../file-plan.ts';
import { planMp4Cut } from './plan-cut.ts';
import { planMp4InPlace } from './plan-in-place.ts';
import { planMp4Rewrite } from './plan-rewrite.ts';
import { Mp4Reader } from './reader.ts';
import { longRecording, sparseSource } from './testing/long-recording.ts';

const HOURS_10 = 36_000;
const VP9 = vp9Track(0, Uint8Array.of(0, 10, 0x82, 2, 2, 2, 0, 0));
const AAC = aacTrack(1, Uint8Array.of(0x11, 0x90));
const RECORDING = { pictures: VP9, sound: AAC, bytesPerSecond: 160_000, pictureSize: { width: 64, height: 48 } };

interface Counted extends ByteSource {
  reads: number;
  bytes: number;
  largest: number;
}

/** Counts what is read. */
function counted(source: ByteSource): Counted {
  const result: Counted = {
    size: source.size,
    reads: 0,
    bytes: 0,
    largest: 0,
    read: (offset, length) => {
      result.reads += 1;
      result.bytes += length;
      result.largest = Math.max(result.largest, length);
      return source.read(offset, length);
    },
  };
  return result;
}

async function firstFrom(reader: Mp4Reader, fromUs: number) {
  for await (const packet of reader.readPackets(fromUs)) return packet;
  return undefined;
}

describe('a recording of ten hours', { timeout: 60_000 }, () => {
  const recording = longRecording({ ...RECORDING, seconds: HOURS_10 });

  test('is finished from the heads of its fragments alone', async () => {
    expect(recording.size).toBeGreaterThan(2 ** 32);
    const source = counted(recording);
    const startedAt = performance.now();
    const plan = await planMp4InPlace(source);
    const tookMs = performance.now() - startedAt;
    expect(plan.tracks.map(({ samples }) => samples)).toEqual([HOURS_10 * 30, HOURS_10 * 48]);
    expect(plan.durationUs).toBe(HOURS_10 * 1e6);
    // One read for a fragment, and not of its media.
    expect(source.reads).toBeLessThan(HOURS_10 * 1.1);
    expect(source.largest).toBeLessThan(10_000);
    expect(tookMs).toBeLessThan(20_000);
  });

  test('opens and seeks without reading its index or its media as a whole', async () => {
    const plan = await planMp4Rewrite(recording);
    expect(plan.head.length).toBeGreaterThan(10_000_000);
    const source = counted(sparseSource(plan.head, plan.byteLength));
    const reader = await Mp4Reader.open(source);
    expect(reader.durationUs).toBe(HOURS_10 * 1e6);
    expect(source.bytes).toBeLessThan(100_000);
    for (const second of [0, 18_000, HOURS_10 - 1, 60]) {
      source.bytes = 0;
      const packet = await firstFrom(reader, second * 1e6 + 900_000);
      expect([packet?.track.kind, packet?.ptsUs]).toEqual(['video', second * 1e6]);
      // A window of each table, and a megabyte of media.
      expect(source.bytes).toBeLessThan(4_000_000);
    }
    expect(source.largest).toBeLessThan(1_100_000);
  });

  test('seeks while it is written, and remembers what it searched', async () => {
    const source = counted(recording);
    const reader = await Mp4Reader.open(source);
    expect((await firstFrom(reader, 20_000.5e6))?.ptsUs).toBe(20_000e6);
    source.reads = 0;
    expect((await firstFrom(reader, 19_999.9e6))?.ptsUs).toBe(19_999e6);
    expect(source.reads).toBeLessThan(100);
  });

  test('gives a part of it in either form', async () => {
    const plan = await planMp4Rewrite(recording);
    const whole = sparseSource(plan.head, plan.byteLength);
    for (const source of [recording, whole]) {
      const cut = await planMp4Cut(source, { startUs: 20_000.5e6, endUs: 20_030e6 });
      expect(cut.tracks.map(({ samples }) => samples)).toEqual([30 * 30, 48 * 30]);
      expect([...cut.copies()].reduce((sum, { length }) => sum + length, 0) + cut.head.length).toBe(cut.byteLength);
    }
  });
});

test('times of more than 32 bits and files of more than 4 GiB are kept exactly', async () => {
  // Thirteen hours and a half are 2^32 ticks of 90 kHz.
  const seconds = 50_000;
  const recording = longRecording({ ...RECORDING, seconds });
  const plan = await planMp4Rewrite(recording);
  const text = Buffer.from(plan.head.buffer, plan.head.byteOffset, plan.head.length).toString('latin1');
  expect([text.includes('co64'), text.includes('stco')]).toEqual([true, false]);
  const reader = await Mp4Reader.open(sparseSource(plan.head, plan.byteLength));
  expect(reader.durationUs).toBe(seconds * 1e6);
  const packet = await firstFrom(reader, (seconds - 1) * 1e6);
  expect([packet?.ptsUs, packet?.dtsUs]).toEqual([(seconds - 1) * 1e6, (seconds - 1) * 1e6]);
  const inPlace = await planMp4InPlace(recording);
  const [moov = new Uint8Array()] = inPlace.append;
  expect(Buffer.from(moov).includes('co64')).toBe(true);
}, 60_000);
