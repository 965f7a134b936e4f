import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { InPlacePlan } from '../file-plan.ts';
import { type MediaPacket, ProtocolError, type Track } from '../packet.ts';
import { planMp4InPlace } from './plan-in-place.ts';
import { planMp4Rewrite } from './plan-rewrite.ts';
import { Mp4Reader } from './reader.ts';
import { BoxView, boxesIn } from './testing/box-view.ts';
import { checkMp4 } from './testing/check-mp4.ts';
import { finishedInPlace, joined, memorySource, record, rewritten } from './testing/recorded.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-mp4-plans-'));
afterAll(() => rmSync(directory, { recursive: true }));

const VIDEO = ['-f', 'lavfi', '-i', 'testsrc2=size=160x120:rate=30:duration=4'];
const AUDIO = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=44100:duration=4'];
const X264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-g', '30', '-pix_fmt', 'yuv420p'];
const X265 = [
  '-c:v',
  'libx265',
  '-preset',
  'ultrafast',
  '-x265-params',
  'log-level=none:keyint=30:bframes=2:open-gop=0',
];
const AAC = ['-c:a', 'aac', '-ac', '2'];
const OPUS = ['-c:a', 'libopus', '-ac', '2'];
const AV1 = ['-c:v', 'libaom-av1', '-usage', 'realtime', '-cpu-used', '8', '-g', '30'];
const VP9 = ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-g', '30'];
const FILES: Record<string, string[]> = {
  h264: [...VIDEO, ...AUDIO, ...X264, '-bf', '0', ...AAC],
  bframes: [...VIDEO, ...AUDIO, ...X264, '-bf', '3', ...AAC],
  late: [...VIDEO, '-itsoffset', '0.517', ...AUDIO, ...X264, '-bf', '2', ...AAC],
  negative: [...VIDEO, ...X264, '-bf', '2', '-movflags', 'negative_cts_offsets'],
  audio: [...AUDIO, ...AAC],
  h265: [...VIDEO, ...AUDIO, ...X265, '-tag:v', 'hvc1', ...OPUS],
  av1: [...VIDEO, ...AUDIO, ...AV1, ...AAC],
  vp9: [...VIDEO, ...AUDIO, ...VP9, ...OPUS],
};

const OPTIONS = { pictureSize: { width: 160, height: 120 } };
const pathOf = (name: string): string => join(directory, `${name}.mp4`);
const sources = new Map<string, MediaPacket[]>();

async function packetsIn(file: Uint8Array): Promise<MediaPacket[]> {
  const packets: MediaPacket[] = [];
  for await (const packet of (await Mp4Reader.open(memorySource(file))).readPackets()) packets.push(packet);
  return packets;
}

/** Packets of a file, all later so that none is before zero. */
async function packetsOf(path: string): Promise<MediaPacket[]> {
  const packets: MediaPacket[] = [];
  for await (const packet of (await Mp4Reader.open(memorySource(readFileSync(path)))).readPackets())
    packets.push(packet);
  const shiftUs = -Math.min(0, ...packets.map(({ dtsUs }) => dtsUs));
  return packets.map((packet) => ({ ...packet, dtsUs: packet.dtsUs + shiftUs, ptsUs: packet.ptsUs + shiftUs }));
}

beforeAll(async () => {
  for (const [name, args] of Object.entries(FILES)) {
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...args, pathOf(name)]);
    sources.set(name, await packetsOf(pathOf(name)));
  }
}, 60_000);

interface Probed {
  readonly packets: string[];
  readonly warnings: string;
}

/** Times in microseconds, size, flags and hash of every packet, each track for itself. */
function probe(file: Uint8Array, name: string): Probed {
  const path = pathOf(`${name}-probed`);
  writeFileSync(path, file);
  const args = ['-v', 'warning', '-of', 'json', '-show_packets', '-show_streams', '-show_data_hash', 'md5', path];
  const result = spawnSync('ffprobe', args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  const { packets, streams } = JSON.parse(result.stdout);
  const lines = packets.map((packet: Record<string, string>) => {
    const [numerator = 1, denominator = 1] = streams[packet['stream_index'] ?? 0].time_base.split('/').map(Number);
    const us = (value: string | undefined): number => Math.round((Number(value) * numerator * 1e6) / denominator);
    const { stream_index: index, size, flags, data_hash: hash } = packet;
    return `${index} pts ${us(packet['pts'])} dts ${us(packet['dts'])} size ${size} ${flags} ${hash}`;
  });
  // The order of tracks in the file is its own affair.
  return { packets: lines.toSorted(byTrack), warnings: result.stderr };
}

function byTrack(a: string, b: string): number {
  return Number(a.split(' ')[0]) - Number(b.split(' ')[0]);
}

function decodeErrors(path: string): string {
  const result = spawnSync('ffmpeg', ['-v', 'warning', '-xerror', '-i', path, '-f', 'null', '-'], { encoding: 'utf8' });
  return result.status === 0 ? result.stderr : `status ${result.status}: ${result.stderr}`;
}

/** The three ways of finishing a recording. */
async function finishedAll(packets: readonly MediaPacket[]): Promise<[how: string, file: Uint8Array][]> {
  const file = record(packets, OPTIONS);
  const roomy = record(packets, { ...OPTIONS, reservedBytes: 20_000 });
  return [
    ['index at the end', finishedInPlace(file, await planMp4InPlace(memorySource(file)))],
    ['index in the room', finishedInPlace(roomy, await planMp4InPlace(memorySource(roomy)))],
    ['rewritten', rewritten(file, await planMp4Rewrite(memorySource(file)))],
  ];
}

describe('a recording', { timeout: 30_000 }, () => {
  test.each(Object.keys(FILES))('has the same packets when it is finished in place or rewritten: %s', async (name) => {
    const packets = sources.get(name) ?? [];
    const file = record(packets, OPTIONS);
    expect(checkMp4(file)).toEqual([]);
    const original = probe(file, name);
    expect(original.packets.length).toBe(packets.length);
    for (const [how, bytes] of await finishedAll(packets)) {
      expect(checkMp4(bytes), how).toEqual([]);
      const probed = probe(bytes, name);
      expect(probed.warnings, how).toBe('');
      expect(probed.packets, how).toEqual(original.packets);
      expect(decodeErrors(pathOf(`${name}-probed`)), how).toBe('');
    }
  });

  test('puts the index where there is room, or first, or last', async () => {
    const names = (file: Uint8Array): string => {
      const boxes = boxesIn(new BoxView('file', file, { start: 0, end: file.length, headerBytes: 0 }), []);
      return boxes.map(({ type }) => type).join(' ');
    };
    const files = await finishedAll(sources.get('bframes') ?? []);
    expect(files.map(([, file]) => names(file))).toEqual(['ftyp mdat moov', 'ftyp moov mdat', 'ftyp moov mdat']);
    const tooSmall = record(sources.get('bframes') ?? [], { reservedBytes: 1000 });
    const plan = await planMp4InPlace(memorySource(tooSmall));
    expect(names(finishedInPlace(tooSmall, plan))).toBe('ftyp free mdat moov');
  });

  test.each([0, 20_000])(
    'is playable after each step of its finishing, with %i bytes of room',
    async (reservedBytes) => {
      const packets = sources.get('bframes') ?? [];
      const whole = record(packets, { reservedBytes });
      const torn = joined([whole, whole.subarray(-5000, -2000)]);
      const plan = await planMp4InPlace(memorySource(torn));
      expect(plan.tornBytes).toBe(3000);
      const steps = 2 + plan.patches.length;
      const done = finishedInPlace(torn, plan);
      const original = probe(whole, 'steps').packets;
      for (let step = 0; step <= steps; step++) {
        const crashed = finishedInPlace(torn, plan, step);
        expect(probe(crashed, 'steps').packets, `step ${step}`).toEqual(original);
        const again = await planMp4InPlace(memorySource(crashed));
        expect(Buffer.compare(finishedInPlace(crashed, again), done), `step ${step}`).toBe(0);
        expect(again.tracks, `step ${step}`).toEqual(plan.tracks);
      }
      expect(plan.patches.at(-1)?.bytes.length).toBeLessThanOrEqual(16);
    },
  );

  test('keeps what is whole wherever it was cut off', async () => {
    const packets = sources.get('bframes') ?? [];
    const file = record(packets, { reservedBytes: 20_000 });
    const cuts = Array.from({ length: 80 }, (_, i) => Math.floor((file.length * i) / 80));
    let best = 0;
    for (const length of [...cuts, file.length - 1, file.length]) {
      const source = memorySource(file.subarray(0, length));
      const plan = await planMp4InPlace(source).catch((error: unknown) => error);
      if (plan instanceof ProtocolError) {
        expect(plan.code).toBe('MP4_BAD_FILE');
        expect(best).toBe(0);
        continue;
      }
      if (plan instanceof Error) throw plan;
      const result = finishedInPlace(file.subarray(0, length), plan as InPlacePlan);
      expect(checkMp4(result), `${length} bytes`).toEqual([]);
      const moved = rewritten(file.subarray(0, length), await planMp4Rewrite(source));
      expect(checkMp4(moved), `${length} bytes rewritten`).toEqual([]);
      const { tracks, tornBytes, truncateTo } = plan as InPlacePlan;
      const samples = tracks.reduce((sum, track) => sum + track.samples, 0);
      expect(samples).toBeGreaterThanOrEqual(best);
      expect(truncateTo + tornBytes).toBe(length);
      best = samples;
    }
    expect(best).toBe(packets.length);
  });

  test('passes over a damaged fragment and keeps those behind it', async () => {
    const packets = sources.get('h264') ?? [];
    const file = record(packets);
    const heads = boxesIn(new BoxView('file', file, { start: 0, end: file.length, headerBytes: 0 }), []);
    const [, second, third] = heads.filter(({ type }) => type === 'moof');
    file.fill(0xff, (second?.contentStart ?? 0) + 16, second?.end);
    const plan = await planMp4Rewrite(memorySource(file));
    expect(plan.tornBytes).toBe((third?.start ?? 0) - (second?.start ?? 0));
    expect(checkMp4(rewritten(file, plan))).toEqual([]);
    const read = await packetsIn(rewritten(file, plan));
    const expected = packets.filter(({ dtsUs }) => dtsUs < 1e6 || dtsUs >= 2e6);
    for (const id of [0, 1]) {
      const got = read.filter(({ track }) => track.id === id);
      const want = expected.filter(({ track }) => track.id === id);
      expect(got.map(({ byteLength }) => byteLength)).toEqual(want.map(({ byteLength }) => byteLength));
      // What comes after the gap is still shown at its time.
      for (const [i, { ptsUs }] of got.entries()) expect(Math.abs(ptsUs - (want[i]?.ptsUs ?? 0))).toBeLessThan(30);
    }
  });

  const CHANGING = [
    { codec: 'h264', args: [...X264, '-bf', '0'], entry: 'avcC' },
    { codec: 'h265', args: [...X265, '-tag:v', 'hvc1'], entry: 'hvcC' },
    { codec: 'av1', args: AV1, entry: 'av1C' },
  ];

  test.each(CHANGING)(
    'keeps new parameters in the file, and describes them when it is finished: $codec',
    { timeout: 60_000 },
    async ({ codec, args, entry }) => {
      const small = await encoded(`${codec}-small`, '160x120', args);
      const large = await encoded(`${codec}-large`, '320x240', args);
      const packets = [small, large, small].flatMap((part, index) =>
        part.map((packet) => ({ ...packet, dtsUs: packet.dtsUs + index * 5e5, ptsUs: packet.ptsUs + index * 5e5 })),
      );
      const file = record(packets);
      expect(checkMp4(file)).toEqual([]);
      const original = frames(file, codec);
      const packetsBefore = probe(file, codec).packets;
      expect(new Set(original.split('\n').map((line) => line.split(',')[4])).size).toBeGreaterThan(1);
      for (const [how, bytes] of await finishedAll(packets)) {
        expect(checkMp4(bytes), `${codec} ${how}`).toEqual([]);
        expect(frames(bytes, codec), `${codec} ${how}`).toBe(original);
        const { packets: probed } = probe(bytes, codec);
        expect(probed, `${codec} ${how}`).toEqual(packetsBefore);
        const read = await packetsIn(bytes);
        const changes = read.flatMap(({ track }, i) => (track === read[i - 1]?.track ? [] : [i]));
        expect(changes, `${codec} ${how}`).toEqual([0, small.length, small.length + large.length]);
        const got = read.map(({ track }) => track.parameters.map((unit) => Buffer.from(unit).toString('hex')));
        const want = packets.map(({ track }) => track.parameters.map((unit) => Buffer.from(unit).toString('hex')));
        expect(got, `${codec} ${how}`).toEqual(want);
        const text = Buffer.from(bytes).toString('latin1');
        expect(text.split(entry).length - 1, `${codec} ${how}`).toBe(how === 'rewritten' ? 2 : 3);
      }
    },
  );

  test('holds many tracks, some of them late, each at its time', async () => {
    const packets = sources.get('bframes') ?? [];
    const many = [0, 1, 2, 3, 4].flatMap((copy) =>
      packets.map((packet) => {
        const laterUs = copy * 333_333;
        const track = trackCopies.get(packet.track, copy);
        return { ...packet, track, dtsUs: packet.dtsUs + laterUs, ptsUs: packet.ptsUs + laterUs };
      }),
    );
    const file = record(many);
    const original = probe(file, 'many').packets;
    expect(original.length).toBe(5 * packets.length);
    for (const [how, bytes] of await finishedAll(many)) {
      expect(checkMp4(bytes), how).toEqual([]);
      expect(probe(bytes, 'many').packets, how).toEqual(original);
    }
  });
});

/** Buffers that GStreamer makes of a track. */
function gstreamerBuffers(path: string, pad: string): number {
  const sink = ['fakesink', 'silent=false', 'sync=false'];
  const args = ['-v', 'filesrc', `location=${path}`, '!', 'qtdemux', 'name=d', `d.${pad}`, '!', 'queue', '!', ...sink];
  const output = execFileSync('gst-launch-1.0', args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  return output.split('\n').filter((line) => line.includes('chain  ')).length;
}

describe('other players', { timeout: 60_000 }, () => {
  test('find every sample, and the durations', async () => {
    const packets = sources.get('late') ?? [];
    const count = (kind: string): number => packets.filter(({ track }) => track.kind === kind).length;
    for (const [how, bytes] of await finishedAll(packets)) {
      const path = pathOf('players');
      writeFileSync(path, bytes);
      expect(gstreamerBuffers(path, 'video_0'), how).toBe(count('video'));
      expect(gstreamerBuffers(path, 'audio_0'), how).toBe(count('audio'));
      const { media } = JSON.parse(execFileSync('mediainfo', ['--Output=JSON', path], { encoding: 'utf8' }));
      const [general, video, audio] = media.track;
      expect([general.Format, video.Format, audio.Format, general.IsTruncated], how).toEqual([
        'MPEG-4',
        'AVC',
        'AAC',
        undefined,
      ]);
      expect(Number(general.Duration), how).toBeCloseTo(4.6, 0);
      expect([video.Width, video.Height], how).toEqual(['160', '120']);
    }
  });
});

/** The same track with other ids, one object each. */
const trackCopies = {
  known: new Map<string, Track>(),
  get(track: Track, copy: number): Track {
    const key = `${track.id} ${copy}`;
    const made = this.known.get(key) ?? { ...track, id: track.id + 2 * copy };
    this.known.set(key, made);
    return made;
  },
};

async function encoded(name: string, size: string, args: readonly string[]): Promise<MediaPacket[]> {
  const input = ['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=30:duration=0.5`];
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...input, ...args, pathOf(name)]);
  const packets = await packetsOf(pathOf(name));
  return packets.map((packet) => ({ ...packet, track: { ...packet.track, id: 0 } })).map(shareTracks());
}

/** Gives packets with equal tracks one object. */
function shareTracks(): (packet: MediaPacket) => MediaPacket {
  let first: Track | undefined;
  return (packet) => {
    first ??= packet.track;
    return { ...packet, track: first };
  };
}

/** Hashes of all decoded pictures, each in its own size. */
function frames(file: Uint8Array, name: string): string {
  const path = pathOf(`${name}-frames`);
  writeFileSync(path, file);
  const args = ['-v', 'error', '-xerror', '-i', path, '-autoscale', '0', '-map', '0:v', '-fps_mode', 'passthrough'];
  return execFileSync('ffmpeg', [...args, '-f', 'framemd5', '-'], { encoding: 'utf8' });
}

describe('checkMp4', () => {
  test('finds tables that do not agree', async () => {
    const [, [, file] = ['', new Uint8Array()]] = await finishedAll(sources.get('late') ?? []);
    expect(checkMp4(file)).toEqual([]);
    const text = Buffer.from(file).toString('latin1');
    for (const name of ['mvhd', 'mdhd', 'tkhd', 'elst', 'stts', 'ctts', 'stss', 'stsc', 'stsz', 'stco']) {
      const at =
        { mvhd: 16, mdhd: 16, tkhd: 20, elst: 8, stts: 8, ctts: 8, stss: 4, stsc: 12, stsz: 12, stco: 8 }[name] ?? 8;
      const damaged = file.slice();
      const view = new DataView(damaged.buffer);
      const position = text.indexOf(name) + 4 + at;
      // A track's header may be longer than its samples by the time that pictures are shown later.
      view.setUint32(position, view.getUint32(position) + (name === 'tkhd' ? 1_000_000 : 1));
      expect(checkMp4(damaged), name).not.toEqual([]);
    }
  });
});
