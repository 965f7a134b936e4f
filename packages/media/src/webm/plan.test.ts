import { afterAll, expect, test } from 'vitest';
import { ProtocolError } from '../packet.ts';
import { mutate, prng } from '../testing/mutate.ts';
import { planWebmInPlace, WebmReader } from './index.ts';
import {
  allPackets,
  carryOut,
  concat,
  decode,
  finished,
  MemorySource,
  md5,
  probe,
  readAll,
  record,
  TestFiles,
} from './testing/files.ts';

const files = new TestFiles();
afterAll(() => files.remove());

async function recording(name = 'h264-aac.mkv') {
  const source = await readAll(files.recipe(name));
  const { head, clusters } = record(source, name.endsWith('.webm') ? 'webm' : 'matroska');
  return { source, head, clusters, bytes: concat([head, ...clusters]) };
}

test('after each step of finishing the file is playable to its end', async () => {
  for (const name of ['h264-aac.mkv', 'vp8-opus.webm']) {
    const { source, bytes } = await recording(name);
    const plan = await planWebmInPlace(new MemorySource(bytes));
    const steps = [...carryOut(bytes, plan)];
    expect(steps.length).toBe(7);
    for (const [i, step] of steps.entries()) {
      expect((await readAll(step)).packets.length).toBe(source.packets.length);
      const { packets } = probe(files.write(`step-${i}-${name}`, step));
      expect(packets.length).toBe(source.packets.length);
    }
  }
}, 60_000);

test('finishing that was interrupted at any step ends in the same file', async () => {
  const { bytes } = await recording();
  const plan = await planWebmInPlace(new MemorySource(bytes));
  const whole = finished(bytes, plan);
  for (const step of carryOut(bytes, plan)) {
    const again = await planWebmInPlace(new MemorySource(step));
    expect(md5(finished(step, again))).toBe(md5(whole));
    expect([again.tornBytes, again.durationUs]).toEqual([0, plan.durationUs]);
  }
  const nothing = await planWebmInPlace(new MemorySource(whole));
  expect(nothing).toMatchObject({ truncateTo: whole.length, append: [], patches: [] });
}, 30_000);

test('a file that is cut anywhere becomes a playable one that misses at most the torn cluster', async () => {
  const { head, clusters, bytes, source } = await recording();
  const ends = clusters.map((_, i) => head.length + concat(clusters.slice(0, i + 1)).length);
  const random = prng(3);
  const [firstEnd = 0] = ends;
  for (let round = 0; round < 50; round += 1) {
    const length = firstEnd + Math.floor(random() * (bytes.length - firstEnd));
    const torn = bytes.slice(0, length);
    // Before it is finished it can be played to the last whole block.
    expect((await readAll(torn)).packets.length).toBeGreaterThan(0);
    const plan = await planWebmInPlace(new MemorySource(torn));
    const wholeEnd = ends.filter((end) => end <= length).at(-1);
    expect([plan.truncateTo, plan.tornBytes]).toEqual([wholeEnd, length - (wholeEnd ?? 0)]);
    const result = finished(torn, plan);
    const { packets } = await readAll(result);
    expect(packets.length).toBe(plan.tracks.reduce((sum, { samples }) => sum + samples, 0));
    expect(packets.map(({ byteLength }) => byteLength)).toEqual(
      source.packets.slice(0, packets.length).map(({ byteLength }) => byteLength),
    );
    if (round % 10 === 0) expect(decode(files.write(`torn-${round}.mkv`, result))).toMatch(/MD5/i);
  }
}, 60_000);

test('a file that is cut in its head, or before its first cluster ends, is refused', async () => {
  const { head, clusters, bytes } = await recording();
  const firstEnd = head.length + (clusters[0]?.length ?? 0);
  for (const length of [0, 1, 40, 60, head.length - 1, head.length, head.length + 5, firstEnd - 1]) {
    const source = new MemorySource(bytes.slice(0, length));
    await expect(planWebmInPlace(source)).rejects.toMatchObject({ code: 'WEBM_BAD_FILE' });
  }
});

test('zeros that a power failure left in the last cluster or behind it are cut off', async () => {
  const { head, clusters } = await recording();
  const bytes = concat([head, ...clusters.slice(0, 3)]);
  const lastStart = bytes.length - (clusters[2]?.length ?? 0);
  const behind = await planWebmInPlace(new MemorySource(concat([bytes, new Uint8Array(5000)])));
  expect([behind.truncateTo, behind.tornBytes]).toEqual([bytes.length, 5000]);
  const inside = bytes.slice();
  inside.fill(0, lastStart + 100);
  const plan = await planWebmInPlace(new MemorySource(inside));
  expect([plan.truncateTo, plan.tornBytes]).toEqual([lastStart, bytes.length - lastStart]);
  expect(plan.tracks).toEqual((await planWebmInPlace(new MemorySource(bytes.slice(0, lastStart)))).tracks);
});

test('any bytes give a plan or one error, and packets or one error', async () => {
  const { bytes } = await recording();
  const whole = finished(bytes, await planWebmInPlace(new MemorySource(bytes)));
  let errors = 0;
  for (let seed = 0; seed < 200; seed += 1) {
    const random = prng(seed);
    // The head and the index are where a change matters.
    const short = concat([whole.subarray(0, 3000), whole.subarray(-40_000)]);
    const source = new MemorySource(mutate(seed % 2 === 0 ? short : bytes.slice(0, 60_000), random));
    const results = await Promise.all([
      planWebmInPlace(source).catch((error: unknown) => error),
      WebmReader.open(source)
        .then(async (reader) => [await allPackets(reader), await allPackets(reader, 2_000_000)])
        .catch((error: unknown) => error),
    ]);
    for (const result of results) {
      if (!(result instanceof Error)) continue;
      errors += 1;
      expect(result).toBeInstanceOf(ProtocolError);
      expect(result).toMatchObject({ code: 'WEBM_BAD_FILE' });
    }
    expect(source.readBytes).toBeLessThan(100 * source.size + 1_000_000);
  }
  expect(errors).toBeGreaterThan(20);
}, 30_000);
