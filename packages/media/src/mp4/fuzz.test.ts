import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aacTrack } from '../codec/index.ts';
import { type MediaPacket, ProtocolError } from '../packet.ts';
import { mutate, prng } from '../testing/mutate.ts';
import { BoxWriter } from './box-writer.ts';
import { writeInitSegment } from './init-segment.ts';
import { planMp4Cut } from './plan-cut.ts';
import { planMp4InPlace } from './plan-in-place.ts';
import { planMp4Rewrite } from './plan-rewrite.ts';
import { Mp4Reader } from './reader.ts';
import { memorySource, record } from './testing/recorded.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-mp4-fuzz-'));
afterAll(() => rmSync(directory, { recursive: true }));
const files = new Map<string, Uint8Array>();
const ROUNDS = 200;

beforeAll(async () => {
  const input = [
    ...['-f', 'lavfi', '-i', 'testsrc2=size=64x48:rate=30:duration=2.2'],
    ...['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=44100:duration=2.2'],
  ];
  const encoded = [
    '-c:v',
    'libx264',
    '-preset',
    'veryfast',
    '-g',
    '30',
    '-bf',
    '2',
    '-pix_fmt',
    'yuv420p',
    '-c:a',
    'aac',
  ];
  for (const [name, flags] of [
    ['progressive', 'faststart'],
    ['fragmented', 'frag_keyframe+empty_moov+global_sidx+dash'],
  ] as const) {
    const path = join(directory, `${name}.mp4`);
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...input, ...encoded, '-movflags', flags, path]);
    files.set(name, new Uint8Array(readFileSync(path)));
  }
  const packets: MediaPacket[] = [];
  const reader = await Mp4Reader.open(memorySource(files.get('progressive') ?? new Uint8Array()));
  for await (const packet of reader.readPackets()) {
    packets.push({ ...packet, dtsUs: packet.dtsUs + 100_000, ptsUs: packet.ptsUs + 100_000 });
  }
  files.set('recorded', record(packets, { reservedBytes: 3000 }));
}, 30_000);

/** Positions of all 32-bit fields in the boxes that hold an index. */
function headPlaces(file: Uint8Array): number[] {
  const places: number[] = [];
  for (const name of ['moov', 'moof', 'sidx']) {
    const text = Buffer.from(file).toString('latin1');
    for (let at = text.indexOf(name); at >= 4; at = text.indexOf(name, at + 1)) {
      const size = new DataView(file.buffer, file.byteOffset).getUint32(at - 4);
      for (let offset = 4; offset + 8 <= size; offset++) places.push(at + offset);
    }
  }
  return places;
}

/** Cut off, with a field of an index made extreme, with many bits flipped, or changed anyhow. */
function damaged(file: Uint8Array, round: number, random: () => number): Uint8Array {
  const below = (limit: number): number => Math.floor(random() * limit);
  const bytes = new Uint8Array(file);
  const places = headPlaces(file);
  switch (round % 4) {
    case 0:
      return bytes.subarray(0, below(bytes.length));
    case 1: {
      const extremes = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_fff0, below(2 ** 32)];
      const at = places[below(places.length)] ?? 0;
      new DataView(bytes.buffer).setUint32(at, extremes[below(extremes.length)] ?? 0);
      return bytes;
    }
    case 2:
      for (let i = 0; i < 50; i++) {
        const at = i < 10 ? (places[below(places.length)] ?? 0) : below(bytes.length);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
      }
      return bytes;
    default:
      return mutate(bytes, random);
  }
}

test('a small file whose samples all are the same bytes is refused before it costs much', async () => {
  const writer = new BoxWriter(300_000);
  writer.bytes(writeInitSegment([aacTrack(0, Uint8Array.of(0x11, 0x90))]));
  const fields = (...values: number[]): void => {
    for (const value of values) writer.u32(value);
  };
  for (let i = 0; i < 2000; i++) {
    writer.box('moof', () => {
      writer.box('traf', () => {
        // Samples of one byte each, all told by the defaults.
        writer.fullBox('tfhd', 0, 0x02_0018, () => fields(1, 1, 1));
        writer.fullBox('trun', 0, 1, () => fields(1000, 0));
      });
    });
    writer.box('mdat', () => {});
  }
  const file = writer.finish();
  let packets = 0;
  const reading = (async () => {
    for await (const { byteLength } of (await Mp4Reader.open(memorySource(file))).readPackets()) packets += byteLength;
  })();
  await expect(reading).rejects.toMatchObject({ code: 'MP4_BAD_FILE' });
  expect(packets).toBeLessThanOrEqual(file.length);
  await expect(planMp4Rewrite(memorySource(file))).rejects.toMatchObject({ code: 'MP4_BAD_FILE' });
});

describe('files that are damaged', { timeout: 60_000 }, () => {
  test.each(['progressive', 'fragmented', 'recorded'])(
    'give a result or a ProtocolError, with few reads: %s',
    async (name) => {
      const file = files.get(name) ?? new Uint8Array();
      const random = prng(2026);
      let good = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const bytes = damaged(file, round, random);
        let reads = 0;
        let readBytes = 0;
        const source = memorySource(bytes, (_, length) => {
          reads += 1;
          readBytes += length;
        });
        const attempts: (() => Promise<unknown>)[] = [
          async () => {
            const last = new Map<number, number>();
            for await (const { track, ptsUs, dtsUs } of (await Mp4Reader.open(source)).readPackets()) {
              expect(Number.isSafeInteger(ptsUs)).toBe(true);
              expect(dtsUs).toBeGreaterThanOrEqual(last.get(track.id) ?? dtsUs);
              last.set(track.id, dtsUs);
            }
          },
          async () => {
            for await (const { byteLength } of (await Mp4Reader.open(source)).readPackets(1_500_000)) {
              expect(byteLength).toBeGreaterThan(0);
            }
          },
          async () => {
            const { truncateTo, patches } = await planMp4InPlace(source);
            for (const { offset, bytes: patch } of patches)
              expect(offset + patch.length).toBeLessThanOrEqual(truncateTo);
          },
          async () => {
            const plan = await planMp4Rewrite(source);
            let total = plan.head.length;
            for (const { offset, length } of plan.copies()) {
              expect(offset + length).toBeLessThanOrEqual(bytes.length);
              total += length;
            }
            expect(total).toBe(plan.byteLength);
          },
          () => planMp4Cut(source, { startUs: 500_000, endUs: 1_500_000 }),
        ];
        const startedAt = performance.now();
        for (const attempt of attempts) {
          reads = 0;
          readBytes = 0;
          try {
            await attempt();
            good += 1;
          } catch (error) {
            if (!(error instanceof ProtocolError)) throw error;
            expect(error.code).toMatch(/^MP4_(BAD_FILE|EMPTY_CUT)$/);
          }
          // The worst are tiny reads of many samples that lie apart.
          expect(reads).toBeLessThan(1000);
          expect(readBytes).toBeLessThan(20 * file.length + 200_000);
        }
        expect(performance.now() - startedAt).toBeLessThan(10_000);
      }
      expect(good).toBeGreaterThan(ROUNDS / 2);
      expect(good).toBeLessThan(ROUNDS * 5);
    },
  );
});
