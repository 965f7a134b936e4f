import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { vp9Track } from '../codec/vp9.ts';
import type { ByteSource } from '../file-plan.ts';
import { type MediaPacket, ProtocolError } from '../packet.ts';
import { mutate, prng } from '../testing/mutate.ts';
import { boxesBetween } from './box-range.ts';
import { childBoxes } from './box-reader.ts';
import { BoxWriter } from './box-writer.ts';
import { type FragmentSample, isFmp4Carriable, writeInitSegment, writeMediaSegment } from './fmp4.ts';
import { ReadAhead } from './read-ahead.ts';
import { Mp4Reader } from './reader.ts';
import { findTables } from './sample-tables.ts';
import { TableCursor } from './table-cursor.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-mp4-'));
afterAll(() => rmSync(directory, { recursive: true }));

const VIDEO = ['-f', 'lavfi', '-i', 'testsrc2=size=160x120:rate=30:duration=3'];
const AUDIO = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=44100:duration=3'];
const X264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-g', '30', '-pix_fmt', 'yuv420p'];
const AAC = ['-c:a', 'aac', '-ac', '2'];
const X265 = [
  '-c:v',
  'libx265',
  '-preset',
  'ultrafast',
  '-x265-params',
  'log-level=none:keyint=30:bframes=2:open-gop=0',
];
const OPUS = ['-c:a', 'libopus', '-ac', '2'];
const SAR = ['-vf', 'setsar=4/3'];

const FILES: Record<string, string[]> = {
  bframes: [...VIDEO, ...AUDIO, ...X264, '-bf', '3', ...AAC],
  faststart: [...VIDEO, ...AUDIO, ...X264, '-bf', '2', ...AAC, '-movflags', 'faststart'],
  plain: [...VIDEO, ...AUDIO, ...X264, '-bf', '0', ...AAC, ...SAR],
  delayed: [...VIDEO, '-itsoffset', '0.5', ...AUDIO, ...X264, '-bf', '2', ...AAC],
  negative: [...VIDEO, ...X264, '-bf', '2', '-movflags', 'negative_cts_offsets'],
  video: [...VIDEO, ...X264, '-bf', '2'],
  audio: [...AUDIO, ...AAC],
  hevc: [...VIDEO, ...AUDIO, ...X265, '-tag:v', 'hvc1', ...OPUS],
  hev1: [...VIDEO, ...X265, ...SAR],
  av1: [...VIDEO, ...AUDIO, '-c:v', 'libaom-av1', '-usage', 'realtime', '-cpu-used', '8', '-g', '30', ...AAC],
  vp9: [...VIDEO, ...AUDIO, '-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-g', '30', ...OPUS],
};
const PICTURE_SIZE = { width: 160, height: 120 };

interface ProbedPacket {
  index: number;
  ptsUs: number;
  dtsUs: number;
  size: number;
  key: boolean;
}

function probe(path: string): { packets: ProbedPacket[]; streams: Record<string, unknown>[]; warnings: string } {
  const args = ['-v', 'warning', '-of', 'json', '-show_packets', '-show_streams', path];
  const result = spawnSync('ffprobe', args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  const { packets, streams } = JSON.parse(result.stdout);
  const us = (value: number, timeBase: string): number => {
    const [numerator = 1, denominator = 1] = timeBase.split('/').map(Number);
    return (value * numerator * 1e6) / denominator;
  };
  return {
    streams,
    warnings: result.stderr,
    packets: packets.map((packet: { stream_index: number; pts: number; dts: number; size: string; flags: string }) => {
      const timeBase = streams[packet.stream_index].time_base;
      return {
        index: packet.stream_index,
        ptsUs: us(packet.pts, timeBase),
        dtsUs: us(packet.dts, timeBase),
        size: Number(packet.size),
        key: packet.flags.startsWith('K'),
      };
    }),
  };
}

function pictureHash(path: string): string {
  const args = ['-v', 'error', '-xerror', '-i', path, '-map', '0:v', '-fps_mode', 'passthrough', '-f', 'md5', '-'];
  return execFileSync('ffmpeg', args, { encoding: 'utf8' });
}

function decodeErrors(path: string): string {
  const args = ['-v', 'warning', '-xerror', '-i', path, '-f', 'null', '-'];
  const result = spawnSync('ffmpeg', args, { encoding: 'utf8' });
  return result.status === 0 ? result.stderr : `status ${result.status}: ${result.stderr}`;
}

function bufferSource(bytes: Uint8Array, onRead?: (length: number) => void): ByteSource {
  return {
    size: bytes.length,
    read: async (offset, length) => {
      onRead?.(length);
      return bytes.subarray(offset, offset + length);
    },
  };
}

async function readAll(reader: Mp4Reader): Promise<MediaPacket[]> {
  const packets: MediaPacket[] = [];
  for await (const packet of reader.readPackets()) packets.push(packet);
  return packets;
}

const pathOf = (name: string): string => join(directory, `${name}.mp4`);

beforeAll(() => {
  for (const [name, args] of Object.entries(FILES)) {
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...args, pathOf(name)]);
  }
}, 60_000);

describe('Mp4Reader', () => {
  test.each(Object.keys(FILES))('agrees with ffprobe: %s', async (name) => {
    const reads: number[] = [];
    // A Buffer on purpose: its slices are views, which packets must not keep.
    const reader = await Mp4Reader.open(bufferSource(readFileSync(pathOf(name)), (length) => reads.push(length)));
    const packets = await readAll(reader);
    const expected = probe(pathOf(name));
    expect(reader.skipped).toEqual([]);
    expect(reader.tracks.length).toBe(expected.streams.length);
    expect(reads.length).toBeLessThan(40);
    // The slack is for frames of AAC padding at the end.
    expect(Math.abs(reader.durationUs - (name === 'delayed' ? 3_500_000 : 3_000_000))).toBeLessThan(30_000);
    for (const { track } of reader.tracks) {
      const got = packets.filter((packet) => packet.track === track);
      const want = expected.packets.filter((packet) => packet.index === track.id);
      expect(got.length).toBe(want.length);
      // FFmpeg rounds the delay of an empty edit to the media's ticks, the reader does not.
      const tolerance = name === 'delayed' ? 5e5 / track.clockRate : 0.5001;
      for (const [i, packet] of got.entries()) {
        expect(Math.abs(packet.ptsUs - (want[i]?.ptsUs ?? Number.NaN))).toBeLessThanOrEqual(tolerance);
        expect(Math.abs(packet.dtsUs - (want[i]?.dtsUs ?? Number.NaN))).toBeLessThanOrEqual(tolerance);
        expect(packet.key).toBe(want[i]?.key);
        const framing = ['h264', 'h265'].includes(track.codec) ? 4 * packet.units.length : 0;
        expect(packet.byteLength + framing).toBe(want[i]?.size);
        for (const unit of packet.units) expect(unit.buffer.byteLength).toBe(unit.length);
      }
    }
    for (let i = 1; i < packets.length; i++) {
      expect(packets[i]?.dtsUs).toBeGreaterThanOrEqual(packets[i - 1]?.dtsUs ?? 0);
    }
  });

  test('leaves out other codecs', async () => {
    const path = pathOf('mp3');
    const args = ['-v', 'error', '-y', ...VIDEO, ...AUDIO, ...X264, '-c:a', 'libmp3lame', path];
    execFileSync('ffmpeg', args);
    const reader = await Mp4Reader.open(bufferSource(readFileSync(path)));
    expect(reader.skipped).toEqual(['mp4a.6b']);
    expect(reader.tracks.map(({ track }) => track.codec)).toEqual(['h264']);
    expect((await readAll(reader)).length).toBe(90);
  });

  test('keeps one track object while parameter sets in the samples are the same', async () => {
    const path = pathOf('inband');
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...VIDEO, ...X264, '-bsf:v', 'dump_extra', path]);
    const reader = await Mp4Reader.open(bufferSource(readFileSync(path)));
    const packets = await readAll(reader);
    expect(new Set(packets.map(({ track }) => track)).size).toBe(1);
    expect(packets.flatMap(({ units }) => units).some((unit) => [7, 8].includes((unit[0] ?? 0) & 31))).toBe(false);
  });

  test('makes another track object when they change', async () => {
    const path = pathOf('changed');
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...VIDEO, ...X264, '-bsf:v', 'dump_extra', path]);
    const file = readFileSync(path);
    // Changes the last byte of the parameter sets inside the last key picture; those of avcC stay.
    const pps = (await Mp4Reader.open(bufferSource(file))).tracks[0]?.track.parameters[1] ?? new Uint8Array();
    // The index is behind the media: the third key picture has the last but one copy.
    const position = file.lastIndexOf(pps, file.indexOf('moov')) + pps.length - 1;
    file[position] = (file[position] ?? 0) ^ 0x40;
    const packets = await readAll(await Mp4Reader.open(bufferSource(file)));
    const tracks = [...new Set(packets.map(({ track }) => track))];
    expect(tracks.map(({ parameters }) => parameters.length)).toEqual([2, 2]);
    expect(packets.findIndex(({ track }) => track === tracks[1])).toBe(60);
    expect(tracks[1]?.parameters[0]).toEqual(tracks[0]?.parameters[0]);
  });

  test('reads QuickTime sound descriptions', async () => {
    const path = join(directory, 'sound.mov');
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...VIDEO, ...AUDIO, ...X264, ...AAC, path]);
    const reader = await Mp4Reader.open(bufferSource(readFileSync(path)));
    expect(reader.tracks.map(({ track }) => [track.codec, track.clockRate])).toEqual([
      ['h264', 90000],
      ['aac', 44100],
    ]);
  });

  test('refuses files without index', async () => {
    for (const bytes of [new Uint8Array(), new Uint8Array(100), new TextEncoder().encode('hello, this is no film')]) {
      await expect(Mp4Reader.open(bufferSource(bytes))).rejects.toMatchObject({ code: 'MP4_BAD_FILE' });
    }
  });
});

describe('TableCursor', () => {
  const table = (name: string, version: number, ...fields: number[]) => ({ name, version, fields });
  type Table = ReturnType<typeof table>;

  function stbl(...tables: Table[]): Uint8Array {
    const writer = new BoxWriter(1000);
    for (const { name, version, fields } of tables) {
      writer.fullBox(name, version, 0, () => {
        for (const field of fields) writer.u32(field);
      });
    }
    return writer.finish();
  }

  const stts = table('stts', 0, 1, 6, 10);
  const stsc = table('stsc', 0, 2, 1, 2, 1, 2, 4, 2);

  async function cursorOf(...tables: Table[]): Promise<TableCursor> {
    const bytes = stbl(...tables);
    // The tables at the start of a file that is said to be large.
    const source: ByteSource = { ...bufferSource(bytes), size: 10_000_000_000 };
    const boxes = await boxesBetween(new ReadAhead(source, 1), 0, bytes.length);
    return new TableCursor(source, await findTables(new ReadAhead(source, 1), boxes));
  }

  test('reads stz2, co64 and runs of chunks', async () => {
    const co64 = table('co64', 0, 2, 1, 100, 2, 0);
    for (const stz2 of [table('stz2', 0, 4, 6, 0x12345600), table('stz2', 0, 8, 6, 0x01020304, 0x05060000)]) {
      const cursor = await cursorOf(stts, stsc, co64, stz2);
      const samples = await cursor.read(10);
      expect(samples.map(({ size }) => size)).toEqual([1, 2, 3, 4, 5, 6]);
      const second = 2 * 2 ** 32;
      const first = 2 ** 32 + 100;
      const offsets = [first, first + 1, second, second + 3, second + 7, second + 12];
      expect(samples.map(({ offset }) => offset)).toEqual(offsets);
      expect(samples.map(({ description }) => description)).toEqual([0, 0, 1, 1, 1, 1]);
      expect(samples[5]?.dts).toBe(50);
      expect(samples[3]?.key).toBe(true);
      for (const sample of [5, 0, 3, 1, 2, 4]) {
        await cursor.seek(sample);
        expect(await cursor.read(1)).toEqual(samples.slice(sample, sample + 1));
        expect(await cursor.read(10)).toEqual(samples.slice(sample + 1));
      }
    }
  });

  test('reads runs of durations and offsets, sync samples and a constant size', async () => {
    const cursor = await cursorOf(
      stsc,
      table('stts', 0, 3, 2, 10, 0, 99, 4, 20),
      table('ctts', 1, 2, 3, 5, 1, 2 ** 32 - 7),
      table('stss', 0, 2, 1, 4),
      table('stsz', 0, 50, 6),
      table('stco', 0, 2, 1000, 2000),
    );
    expect(await cursor.compositionLead()).toBe(7);
    const samples = await cursor.read(10);
    expect(samples.map(({ dts }) => dts)).toEqual([0, 10, 20, 40, 60, 80]);
    expect(samples.map(({ composition }) => composition)).toEqual([5, 5, 5, -7, 0, 0]);
    expect(samples.flatMap(({ key }, i) => (key ? [i] : []))).toEqual([0, 3]);
    expect(samples[5]?.offset).toBe(2150);
    const times = [-5, 0, 9, 10, 19, 20, 39, 40, 1000];
    const found: number[] = [];
    for (const time of times) found.push(await cursor.sampleAt(time));
    expect(found).toEqual([0, 0, 0, 1, 1, 2, 2, 3, 5]);
    const keys: (number | undefined)[] = [];
    for (const sample of [0, 2, 3, 5]) keys.push(await cursor.keyAtOrBefore(sample));
    expect(keys).toEqual([0, 0, 3, 3]);
  });

  test('refuses tables that lie', async () => {
    const stco = table('stco', 0, 2, 1000, 2000);
    const stsz = table('stsz', 0, 50, 6);
    const bad: Table[][] = [
      [stts, stsc, stco, table('stsz', 0, 0, 1000)],
      [stts, stsc, stco, table('stsz', 0, 1, 20_000_001)],
      [stts, stsc, stco, table('stsz', 0, 100_000_000, 999)],
      [stts, stsc, table('stco', 0, 1, 0), stsz],
      [stts, table('stsc', 0, 0), stco, stsz],
      [stts, table('stsc', 0, 2, 1, 2, 1, 1, 4, 1), stco, stsz],
      [table('stts', 0, 0), stsc, stco, stsz],
      [table('stts', 0, 2 ** 32 - 1, 1, 1), stsc, stco, stsz],
      [stts, stsc, table('co64', 0, 2, 2 ** 22, 0, 0, 0), stsz],
      [stts, stsc, stco],
    ];
    for (const tables of bad) {
      const reading = cursorOf(...tables).then((cursor) => cursor.read(10));
      await expect(reading).rejects.toMatchObject({ code: 'MP4_BAD_FILE' });
    }
  });
});

/** Packets of one track with durations up to the next one. */
function withDurations(packets: readonly MediaPacket[]): FragmentSample[] {
  return packets.map((packet, i) => {
    const neighbour = packets[i + 1] ?? packets[i - 1] ?? packet;
    return { packet, durationUs: Math.abs(neighbour.dtsUs - packet.dtsUs) };
  });
}

describe('fMP4 writer', () => {
  test.each(Object.keys(FILES))('ffmpeg reads what was written: %s', async (name) => {
    const reader = await Mp4Reader.open(bufferSource(readFileSync(pathOf(name))));
    const packets = await readAll(reader);
    const baseUs = Math.min(...packets.map((packet) => packet.dtsUs));
    const tracks = reader.tracks.map(({ track }) => track);
    const samples = tracks.map((track) => withDurations(packets.filter((packet) => packet.track === track)));
    const parts = [writeInitSegment(tracks, { pictureSize: PICTURE_SIZE })];
    for (let second = 0; second < 4; second++) {
      const inSegment = ({ packet }: FragmentSample) => Math.floor((packet.dtsUs - baseUs) / 1e6) === second;
      const entries = tracks.map((track, i) => ({ track, samples: samples[i]?.filter(inSegment) ?? [] }));
      const segment = writeMediaSegment(second + 1, entries, { styp: second % 2 === 0, baseUs });
      expect(segment.buffer.byteLength).toBe(segment.length);
      parts.push(segment);
    }
    const path = pathOf(`${name}-written`);
    writeFileSync(path, Buffer.concat(parts));

    const source = probe(pathOf(name));
    const written = probe(path);
    expect(written.warnings).toBe('');
    expect(decodeErrors(path)).toBe('');
    expect(written.packets.length).toBe(source.packets.length);
    for (const track of tracks) {
      const got = written.packets.filter((packet) => packet.index === track.id);
      const want = source.packets.filter((packet) => packet.index === track.id);
      for (const [i, packet] of got.entries()) {
        // Half a microsecond of the packets, half a tick of the file.
        const tolerance = 0.6 + 5e5 / track.clockRate;
        expect(Math.abs(packet.ptsUs + baseUs - (want[i]?.ptsUs ?? Number.NaN))).toBeLessThan(2 * tolerance);
        expect(Math.abs(packet.dtsUs + baseUs - (want[i]?.dtsUs ?? Number.NaN))).toBeLessThan(tolerance);
        expect([packet.size, packet.key]).toEqual([want[i]?.size, want[i]?.key]);
      }
    }
    for (const [i, stream] of written.streams.entries()) {
      for (const key of ['codec_name', 'width', 'height', 'sample_aspect_ratio', 'channels', 'sample_rate']) {
        // Square samples need not be declared.
        const absent = key === 'sample_aspect_ratio' && stream['codec_type'] === 'video' ? '1:1' : undefined;
        expect(stream[key] ?? absent).toEqual(source.streams[i]?.[key]);
      }
    }
    if (name !== 'audio') expect(pictureHash(path)).toBe(pictureHash(pathOf(name)));
  });

  test('durations do not drift', async () => {
    const reader = await Mp4Reader.open(bufferSource(readFileSync(pathOf('audio'))));
    const [packet] = await readAll(reader);
    if (packet === undefined) throw new Error('no packet');
    // Frame times in whole microseconds, as a live source delivers them, for ten hours.
    const us = (frame: number): number => Math.round((frame * 1024 * 1e6) / 44100);
    let expectedTicks = 0;
    for (let frame = 0; frame < 1_550_000; frame += 31_000) {
      const samples = [0, 1, 2, 3].map((i) => {
        const dtsUs = us(frame + i);
        return { packet: { ...packet, dtsUs, ptsUs: dtsUs }, durationUs: us(frame + i + 1) - dtsUs };
      });
      const segment = writeMediaSegment(1, [{ track: packet.track, samples }]);
      const traf = childBoxes(childBoxes(segment)[0]?.content ?? segment)[1]?.content ?? segment;
      const boxes = new Map(childBoxes(traf).map((box) => [box.type, box.content]));
      const view = (type: string) => new DataView(Uint8Array.from(boxes.get(type) ?? []).buffer);
      expectedTicks = frame * 1024;
      expect(Number(view('tfdt').getBigUint64(4))).toBe(expectedTicks);
      for (let i = 0; i < 4; i++) expect(view('trun').getUint32(12 + 8 * i)).toBe(1024);
    }
    expect(expectedTicks).toBe(1_519_000 * 1024);
    const late = { packet, durationUs: 1 };
    expect(() => writeMediaSegment(1, [{ track: packet.track, samples: [late] }], { baseUs: 1e6 })).toThrow(RangeError);
  });

  test('refuses other codecs', () => {
    const unsupported = expect.objectContaining({ code: 'MP4_UNSUPPORTED_CODEC' });
    const track = { id: 0, kind: 'audio', codec: 'pcma', clockRate: 8000, parameters: [] } as const;
    expect(() => writeInitSegment([track])).toThrow(unsupported);
    expect(isFmp4Carriable('pcma')).toBe(false);
    // Without its parameters, and without a size from elsewhere.
    expect(() => writeInitSegment([{ ...track, codec: 'opus' }])).toThrow(unsupported);
    const vp9 = vp9Track(0, Uint8Array.of(0, 10, 0x82, 2, 2, 2, 0, 0));
    expect(() => writeInitSegment([vp9])).toThrow(unsupported);
    expect(writeInitSegment([vp9], { pictureSize: PICTURE_SIZE }).length).toBeGreaterThan(0);
  });
});

describe('fuzz', () => {
  async function survives(bytes: Uint8Array): Promise<boolean> {
    let readBytes = 0;
    try {
      const reader = await Mp4Reader.open(bufferSource(bytes, (length) => (readBytes += length)));
      let previous = Number.NEGATIVE_INFINITY;
      for await (const packet of reader.readPackets()) {
        expect(Number.isSafeInteger(packet.ptsUs) && packet.dtsUs >= previous).toBe(true);
        previous = packet.dtsUs;
      }
      return true;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      expect(error.code).toBe('MP4_BAD_FILE');
      return false;
    } finally {
      // The index, each track's samples at most once, and gaps that were read along.
      expect(readBytes).toBeLessThan(20 * bytes.length + 100_000);
    }
  }

  const H264_AAC = [...VIDEO, ...AUDIO, ...X264, '-bf', '2', ...AAC];
  const cases = [
    { name: 'H.264 and AAC', args: H264_AAC, rounds: 4000 },
    { name: 'H.265 and Opus', args: FILES['hevc'] ?? [], rounds: 1500 },
    { name: 'AV1', args: FILES['av1'] ?? [], rounds: 1500 },
    { name: 'VP9', args: FILES['vp9'] ?? [], rounds: 700 },
  ];

  test.each(cases)('mutated files of $name throw nothing but ProtocolError', { timeout: 60_000 }, async (of) => {
    const path = pathOf('small');
    const short = ['-t', '0.4', '-s', '64x48', '-movflags', 'faststart'];
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...of.args, ...short, path]);
    const file = new Uint8Array(readFileSync(path));
    const moovStart = new TextDecoder('latin1').decode(file).indexOf('moov') - 4;
    const moovEnd = moovStart + new DataView(file.buffer).getUint32(moovStart);
    const random = prng(2026);
    const startedAt = performance.now();
    let good = 0;
    for (let round = 0; round < of.rounds; round++) {
      let bytes = mutate(file, random);
      if (round % 4 !== 0) {
        // Damage to the index alone, where nearly all of the parser is.
        const moov = mutate(file.subarray(moovStart, moovEnd), random);
        bytes = new Uint8Array([...file.subarray(0, moovStart), ...moov, ...file.subarray(moovEnd)]);
      }
      if (await survives(bytes)) good++;
    }
    expect(good).toBeGreaterThan(of.rounds / 40);
    expect(performance.now() - startedAt).toBeLessThan(40_000);
    expect(process.memoryUsage().rss).toBeLessThan(1.5e9);
  });
});
