import { execFileSync } from 'node:child_process';
import { afterAll, expect, test } from 'vitest';
import { ProtocolError } from '../packet.ts';
import { mutate, prng } from '../testing/mutate.ts';
import { concat, finished, MemorySource, probe, readAll, TestFiles } from '../webm/testing/files.ts';
import { planTsInPlace } from './plan.ts';
import { TsMuxer } from './writer.ts';

const files = new TestFiles();
afterAll(() => files.remove());

/** A file as a recording writes it, a fragment for each half second, and where each fragment ends. */
async function recording(): Promise<{ bytes: Uint8Array; ends: number[]; samples: number[] }> {
  const { tracks, packets } = await readAll(files.recipe('h264-aac.mkv'));
  const muxer = new TsMuxer(tracks);
  const pieces: Uint8Array[] = [];
  const ordered = packets.toSorted((a, b) => a.dtsUs - b.dtsUs);
  for (let half = 0; half < 9; half += 1) {
    const chosen = ordered.filter(({ dtsUs }) => Math.floor(dtsUs / 500_000) === half);
    if (chosen.length > 0) pieces.push(muxer.segment(chosen));
  }
  let end = 0;
  const ends = pieces.map((piece) => (end += piece.length));
  const samples = tracks.map(({ id }) => packets.filter(({ track }) => track.id === id).length);
  return { bytes: concat(pieces), ends, samples };
}

test('a whole transport stream is left as it is, and its facts are those of what was written', async () => {
  const { bytes, samples } = await recording();
  const plan = await planTsInPlace(new MemorySource(bytes));
  expect(plan).toMatchObject({ truncateTo: bytes.length, tornBytes: 0, append: [], patches: [] });
  expect(plan.tracks.map((track) => track.samples)).toEqual(samples);
  expect(plan.tracks.map(({ track }) => [track.id, track.codec, track.clockRate])).toEqual([
    [0, 'h264', 90_000],
    [1, 'aac', 48_000],
  ]);
  const { duration } = probe(files.write('whole.ts', bytes));
  expect(Math.abs(plan.durationUs / 1e6 - duration)).toBeLessThan(0.05);
});

test('times that wrap at 33 bits in the middle of the file are counted on', async () => {
  const { tracks, packets } = await readAll(files.recipe('h264-aac.mkv'));
  const wrapUs = Math.round((2 ** 33 - 126_000) / 0.09);
  const muxer = new TsMuxer(tracks);
  const late = packets.map((packet) => ({
    ...packet,
    dtsUs: packet.dtsUs + wrapUs - 2_000_000,
    ptsUs: packet.ptsUs + wrapUs - 2_000_000,
  }));
  const plan = await planTsInPlace(new MemorySource(muxer.segment(late)));
  expect(Math.abs(plan.durationUs - 4_000_000)).toBeLessThan(50_000);
});

test('a stream that is cut anywhere loses at most its torn packet, and what is left decodes without an error', async () => {
  const { bytes, ends } = await recording();
  const random = prng(7);
  for (let round = 0; round < 50; round += 1) {
    const length = 40_000 + Math.floor(random() * (bytes.length - 40_000));
    const plan = await planTsInPlace(new MemorySource(bytes.slice(0, length)));
    expect(plan.truncateTo % 188).toBe(0);
    expect(plan.truncateTo + plan.tornBytes).toBe(length);
    const wholeFragments = ends.filter((end) => end <= length).at(-1) ?? 0;
    expect(plan.truncateTo).toBeGreaterThanOrEqual(wholeFragments);
    if (round % 5 !== 0) continue;
    const path = files.write(`cut-${round}.ts`, finished(bytes.slice(0, length), plan));
    execFileSync('ffmpeg', ['-v', 'error', '-xerror', '-i', path, '-f', 'null', '-']);
    const { packets } = probe(path);
    expect(plan.tracks.map(({ samples }) => samples)).toEqual(
      [0, 1].map((index) => packets.filter(({ stream_index: of }) => of === index).length),
    );
  }
}, 60_000);

test('zeros that a power failure left behind are cut off', async () => {
  const { bytes } = await recording();
  const plan = await planTsInPlace(new MemorySource(concat([bytes, new Uint8Array(188 * 20)])));
  expect([plan.truncateTo, plan.tornBytes]).toEqual([bytes.length, 188 * 20]);
});

test('any bytes give a plan or one error', async () => {
  const { bytes } = await recording();
  for (let seed = 0; seed < 200; seed += 1) {
    const damaged = mutate(bytes.slice(0, 60_000), prng(seed));
    const plan = await planTsInPlace(new MemorySource(damaged)).catch((error: unknown) => error);
    if (plan instanceof Error) expect(plan).toBeInstanceOf(ProtocolError);
    else expect(plan).toHaveProperty('truncateTo');
  }
  await expect(planTsInPlace(new MemorySource(new Uint8Array(0)))).rejects.toMatchObject({ code: 'TS_BAD_FILE' });
});
