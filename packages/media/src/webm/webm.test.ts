import { execFileSync } from 'node:child_process';
import { afterAll, expect, test } from 'vitest';
import type { MediaPacket } from '../packet.ts';
import { ByteWindow } from './byte-window.ts';
import { planWebmInPlace, WebmReader } from './index.ts';
import { readSegment } from './segment.ts';
import {
  allPackets,
  concat,
  decode,
  finished,
  MemorySource,
  md5,
  type ProbedPacket,
  probe,
  RECIPES,
  readAll,
  record,
  TestFiles,
} from './testing/files.ts';

const files = new TestFiles();
afterAll(() => files.remove());
const NAMES = Object.keys(RECIPES);

function data({ units }: MediaPacket): Uint8Array {
  return concat(units);
}

/** Differences of presentation times of more than a millisecond, the precision of the source. */
function timeErrors(got: readonly MediaPacket[], want: readonly ProbedPacket[], offsetUs = 0): unknown[] {
  expect(got.length).toBe(want.length);
  const pairs = got.map(({ ptsUs }, i) => [ptsUs, Number(want[i]?.pts_time) * 1e6 + offsetUs] as const);
  return pairs.filter(([a, b]) => !(Math.abs(a - b) <= 1000));
}

function ofTrack<T extends MediaPacket>(packets: readonly T[], id: number): T[] {
  return packets.filter(({ track }) => track.id === id);
}

async function codecDelays(bytes: Uint8Array): Promise<number[]> {
  const { tracks } = await readSegment(new ByteWindow(new MemorySource(bytes), 65_536));
  return tracks.map(({ codecDelayNs }) => codecDelayNs);
}

test.each(NAMES)(
  'reads the packets that ffprobe reads: %s',
  async (name) => {
    const { tracks, packets } = await readAll(files.recipe(name));
    const probed = probe(files.path(name));
    const names: Record<string, string> = { hevc: 'h265', pcm_alaw: 'pcma', adpcm_g722: 'g722' };
    expect(tracks.map(({ codec }) => codec)).toEqual(
      probed.streams.map(({ codec_name: codec }) => names[String(codec)] ?? codec),
    );
    for (const { id, codec } of tracks) {
      const got = ofTrack(packets, id);
      const want = probed.packets.filter(({ stream_index: index }) => index === id);
      expect(timeErrors(got, want)).toEqual([]);
      expect(got.map(({ key }) => key)).toEqual(want.map(({ flags }) => flags.startsWith('K')));
      if (codec === 'h264' || codec === 'h265') expect(got.filter(({ ptsUs, dtsUs }) => dtsUs > ptsUs)).toEqual([]);
      else expect(got.map((packet) => `MD5:${md5(data(packet))}`)).toEqual(want.map(({ data_hash: hash }) => hash));
      const times = got.map(({ dtsUs }) => dtsUs);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
    }
  },
  60_000,
);

test.each(NAMES)(
  'what is written and finished has the same packets, decodes to the same pictures, and its times are within 1 ms: %s',
  async (name) => {
    const source = await readAll(files.recipe(name));
    const docType = name.endsWith('.webm') ? 'webm' : 'matroska';
    const { head, clusters } = record(source, docType);
    const growing = concat([head, ...clusters]);
    const plan = await planWebmInPlace(new MemorySource(growing));
    const whole = finished(growing, plan);
    expect([plan.truncateTo, plan.tornBytes]).toEqual([growing.length, 0]);

    const baseUs = Math.min(...source.packets.map(({ ptsUs }) => ptsUs));
    for (const [kind, bytes] of [
      ['growing', growing],
      ['whole', whole],
    ] as const) {
      const path = files.write(`${kind}-${name}`, bytes);
      const read = await readAll(bytes);
      expect(read.tracks).toEqual(source.tracks);
      const probed = probe(path);
      for (const { id } of source.tracks) {
        const want = ofTrack(source.packets, id);
        const got = ofTrack(read.packets, id);
        expect(got.map((packet) => md5(data(packet)))).toEqual(want.map((packet) => md5(data(packet))));
        expect(got.map(({ key }) => key)).toEqual(want.map(({ key }) => key));
        const ofId = probed.packets.filter(({ stream_index: index }) => index === id);
        expect(timeErrors(want, ofId, baseUs)).toEqual([]);
        expect(ofId.map(({ flags }) => flags.startsWith('K'))).toEqual(want.map(({ key }) => key));
      }
      expect(decode(path)).toBe(decode(files.path(name)));
      expect(await codecDelays(bytes)).toEqual(await codecDelays(files.recipe(name)));
    }
    expect(Math.abs(probe(files.path(`whole-${name}`)).duration - 4)).toBeLessThan(0.05);
    expect(Math.abs(plan.durationUs - 4e6)).toBeLessThan(50_000);
    expect(plan.tracks.map(({ samples }) => samples)).toEqual(
      source.tracks.map(({ id }) => ofTrack(source.packets, id).length),
    );
  },
  60_000,
);

test('a finished file has an index that leads ffmpeg to the key frame before the wanted time', async () => {
  for (const name of ['vp8-opus.webm', 'h264-aac.mkv']) {
    const { head, clusters } = record(await readAll(files.recipe(name)), name.endsWith('.webm') ? 'webm' : 'matroska');
    const growing = concat([head, ...clusters]);
    const path = files.write(`seek-${name}`, finished(growing, await planWebmInPlace(new MemorySource(growing))));
    const args = ['-v', 'error', '-select_streams', 'v', '-read_intervals', '3%+#1', '-show_packets', '-of', 'json'];
    const { packets } = JSON.parse(execFileSync('ffprobe', [...args, path], { encoding: 'utf8' }));
    // A key frame every 0.8 s.
    expect(Number(packets[0].pts_time)).toBeCloseTo(2.4, 1);
    expect(packets[0].flags).toMatch(/^K/);
  }
});

test('reading begins with the last key frame before the wanted time, with and without an index', async () => {
  const source = await readAll(files.recipe('h264-aac.mkv'));
  const { head, clusters } = record(source, 'matroska');
  const growing = concat([head, ...clusters]);
  const whole = finished(growing, await planWebmInPlace(new MemorySource(growing)));
  const baseUs = Math.min(...source.packets.map(({ ptsUs }) => ptsUs));
  for (const bytes of [growing, whole]) {
    const reader = await WebmReader.open(new MemorySource(bytes));
    for (const fromUs of [40_000, 799_000, 1_000_000, 2_500_000, 3_900_000, 9e9]) {
      const packets = await allPackets(reader, fromUs);
      const pictures = source.packets.filter(({ track }) => track.kind === 'video');
      const key = pictures.findLast((packet) => packet.key && packet.ptsUs - baseUs <= fromUs);
      const [first] = packets.filter(({ track }) => track.kind === 'video');
      expect(first?.key).toBe(true);
      expect(Math.abs((first?.ptsUs ?? 0) - ((key?.ptsUs ?? 0) - baseUs))).toBeLessThanOrEqual(50);
      const [sound] = packets.filter(({ track }) => track.kind === 'audio');
      const lateUs = (sound?.ptsUs ?? 0) - (first?.ptsUs ?? 0);
      expect(lateUs).toBeGreaterThanOrEqual(0);
      expect(lateUs).toBeLessThan(25_000);
    }
  }
});
