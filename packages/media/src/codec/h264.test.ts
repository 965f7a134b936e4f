import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ProtocolError } from '../packet.ts';
import { mutate, prng } from '../testing/mutate.ts';
import { videoSize } from './describe.ts';
import {
  avcCodecString,
  canonicalUnits,
  DtsExtractor,
  h264Track,
  joinAnnexB,
  joinAvcc,
  parseAvcConfig,
  parseSps,
  sameParameters,
  splitAnnexB,
  splitAvcc,
  writeAvcConfig,
} from './h264.ts';
import { NAL_SPS, nalType } from './h264-nal.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-h264-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Encodes a short test picture with x264 and returns the byte stream. */
function encode(name: string, size: string, rate: string, options: string[]): { bytes: Uint8Array; path: string } {
  const path = join(folder, `${name}.h264`);
  const source = ['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=${rate}`, '-frames:v', '12'];
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...source, '-c:v', 'libx264', ...options, '-f', 'h264', path]);
  return { bytes: new Uint8Array(readFileSync(path)), path };
}

/** What ffprobe says about the first stream of a file. */
function probe(path: string): Record<string, unknown> {
  const output = execFileSync('ffprobe', ['-v', 'error', '-show_streams', '-of', 'json', path], { encoding: 'utf8' });
  return JSON.parse(output).streams[0];
}

const PROFILES: Record<string, number> = {
  'Constrained Baseline': 66,
  Main: 77,
  High: 100,
  'High 10': 110,
  'High 4:2:2': 122,
  'High 4:4:4 Predictive': 244,
};

const STREAMS: [name: string, size: string, rate: string, options: string[]][] = [
  ['baseline', '1280x720', '25', ['-pix_fmt', 'yuv420p', '-profile:v', 'baseline']],
  ['main', '640x360', '30000/1001', ['-pix_fmt', 'yuv420p', '-profile:v', 'main']],
  ['high-cropped', '854x480', '30', ['-pix_fmt', 'yuv420p', '-profile:v', 'high', '-bf', '3']],
  ['interlaced', '1920x1080', '25', ['-pix_fmt', 'yuv420p', '-flags', '+ilme+ildct', '-x264-params', 'tff=1']],
  ['sar', '720x576', '25', ['-pix_fmt', 'yuv420p', '-vf', 'setsar=16/11']],
  ['sar-extended', '720x576', '25', ['-pix_fmt', 'yuv420p', '-vf', 'setsar=117/101']],
  ['high10', '322x182', '50', ['-pix_fmt', 'yuv420p10le']],
  ['high422', '322x182', '50', ['-pix_fmt', 'yuv422p']],
  ['high444', '321x181', '50', ['-pix_fmt', 'yuv444p']],
  ['scaling', '320x240', '25', ['-pix_fmt', 'yuv420p', '-x264-params', 'cqm=jvt']],
  [
    'hrd',
    '320x240',
    '25',
    ['-pix_fmt', 'yuv420p', '-x264-params', 'nal-hrd=cbr:vbv-maxrate=500:vbv-bufsize=500:bitrate=500'],
  ],
];

describe('parseSps agrees with ffprobe', () => {
  test.each(STREAMS)('%s', { timeout: 30_000 }, (name, size, rate, options) => {
    const { bytes, path } = encode(name, size, rate, options);
    const expected = probe(path);
    const { units, key, parameters } = canonicalUnits(splitAnnexB(bytes));
    const sps = parseSps(parameters[0] ?? new Uint8Array());
    expect([sps.width, sps.height]).toEqual([expected.width, expected.height]);
    expect(sps.profile).toBe(PROFILES[String(expected.profile)]);
    expect(sps.level).toBe(expected.level);
    expect(`${sps.sarWidth}:${sps.sarHeight}`).toBe(expected.sample_aspect_ratio);
    expect(sps.frameMbsOnly).toBe(name !== 'interlaced');
    const [numerator = 0, denominator = 1] = rate.split('/').map(Number);
    expect(sps.fps).toBeCloseTo(numerator / denominator, 6);
    expect(sps.maxReorderFrames).toBe(expected.has_b_frames);
    expect(key).toBe(true);
    expect(units.some((unit) => [7, 8, 9].includes(nalType(unit)))).toBe(false);

    const track = h264Track(1, parameters);
    expect(videoSize(track)).toEqual({ width: sps.width, height: sps.height, fps: sps.fps });
    const { lengthSize, sps: spsList, pps } = parseAvcConfig(writeAvcConfig(parameters));
    expect(lengthSize).toBe(4);
    expect(sameParameters([...spsList, ...pps], parameters)).toBe(true);
  });

  test('the record equals the one of ffmpeg', { timeout: 30_000 }, () => {
    for (const [name, size, rate, options] of STREAMS.slice(0, 3)) {
      const { bytes, path } = encode(`${name}-mp4`, size, rate, options);
      const mp4 = `${path}.mp4`;
      execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', path, '-c', 'copy', mp4]);
      const file = readFileSync(mp4);
      const at = file.indexOf('avcC');
      const record = new Uint8Array(file.subarray(at + 4, at - 4 + file.readUInt32BE(at - 4)));
      expect(writeAvcConfig(canonicalUnits(splitAnnexB(bytes)).parameters)).toEqual(record);
    }
  });
});

/** An SPS of a 1280x720 high profile x264 stream, and its PPS. */
const SPS = Uint8Array.from(
  [0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00].concat([
    0x10, 0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x83, 0x19, 0x60,
  ]),
);
const PPS = Uint8Array.of(0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0);

/** Runs a parser on damaged input; only ProtocolError may come out. */
function fuzz(seed: Uint8Array, rounds: number, parse: (data: Uint8Array) => unknown): number {
  const random = prng(seed.length);
  let refused = 0;
  for (let round = 0; round < rounds; round += 1) {
    const data = mutate(seed, random);
    try {
      parse(data);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      refused += 1;
    }
  }
  return refused;
}

describe('parameter sets', () => {
  test('known SPS', () => {
    expect(parseSps(SPS)).toMatchObject({ profile: 100, level: 31, width: 1280, height: 720, fps: 25 });
    expect(avcCodecString([SPS, PPS])).toBe('avc1.64001F');
  });

  test('a cut VUI keeps the picture size, a cut size is refused', () => {
    expect(parseSps(SPS.subarray(0, 14))).toMatchObject({ width: 1280, height: 720, fps: undefined });
    expect(() => parseSps(SPS.subarray(0, 8))).toThrow(expect.objectContaining({ code: 'H264_BAD_SPS' }));
    expect(() => parseSps(PPS)).toThrow(expect.objectContaining({ code: 'H264_BAD_SPS' }));
    expect(() => parseSps(new Uint8Array())).toThrow(expect.objectContaining({ code: 'H264_BAD_SPS' }));
    expect(videoSize(h264Track(1, [SPS.subarray(0, 8), PPS]))).toBeUndefined();
    expect(() => avcCodecString([PPS])).toThrow(expect.objectContaining({ code: 'H264_BAD_SPS' }));
  });

  test('configuration records: missing tail, no sets, strange length size, own memory', () => {
    const record = writeAvcConfig([SPS, PPS]);
    expect([...record.subarray(-4)]).toEqual([0xfd, 0xf8, 0xf8, 0]);
    const parsed = parseAvcConfig(record.subarray(0, -4));
    record.fill(0);
    expect(sameParameters([...parsed.sps, ...parsed.pps], [SPS, PPS])).toBe(true);
    const bad = expect.objectContaining({ code: 'H264_BAD_CONFIG' });
    expect(() => writeAvcConfig([SPS])).toThrow(bad);
    expect(() => writeAvcConfig([PPS])).toThrow(bad);
    expect(() => parseAvcConfig(Uint8Array.of(1, 100, 0, 31, 0xff, 0xe0, 0))).toThrow(bad);
    const three = writeAvcConfig([SPS, PPS]);
    three[4] = 0xfe;
    expect(() => parseAvcConfig(three)).toThrow(bad);
  });

  test('fuzz: SPS, configuration record', () => {
    const record = writeAvcConfig([SPS, PPS]);
    expect(fuzz(SPS, 20_000, parseSps)).toBeGreaterThan(100);
    expect(fuzz(record, 20_000, parseAvcConfig)).toBeGreaterThan(100);
    fuzz(record, 5000, (data) => {
      const { sps, pps } = parseAvcConfig(data);
      videoSize(h264Track(1, sps));
      writeAvcConfig([...sps, ...pps]);
    });
  });
});

describe('framing', () => {
  const units = [Uint8Array.of(0x65, 1, 2, 3), Uint8Array.of(0x41), Uint8Array.of(0x06, 0, 0, 3, 1)];

  test('AVCC and Annex B roundtrip', () => {
    expect(splitAvcc(joinAvcc(units), 4)).toEqual(units);
    expect(splitAnnexB(joinAnnexB(units))).toEqual(units);
    expect(splitAvcc(Uint8Array.of(0, 1, 0x65, 0, 0, 0, 1, 0x41), 2)).toEqual([
      Uint8Array.of(0x65),
      Uint8Array.of(0x41),
    ]);
    expect(splitAvcc(Uint8Array.of(2, 0x65, 9), 1)).toEqual([Uint8Array.of(0x65, 9)]);
    const bad = expect.objectContaining({ code: 'H264_BAD_LENGTH' });
    expect(() => splitAvcc(Uint8Array.of(0, 0, 0, 2, 0x65), 4)).toThrow(bad);
    expect(() => splitAvcc(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x65), 4)).toThrow(bad);
    expect(() => splitAvcc(Uint8Array.of(0, 0, 0), 4)).toThrow(bad);
  });

  test('Annex B: short start codes, garbage before, zeros after, empty units', () => {
    const data = Uint8Array.of(9, 9, 0, 0, 1, 0x67, 5, 0, 0, 0, 0, 1, 0, 0, 1, 0x68, 0, 0, 1);
    expect(splitAnnexB(data)).toEqual([Uint8Array.of(0x67, 5), Uint8Array.of(0x68)]);
    expect(splitAnnexB(Uint8Array.of(1, 2, 3))).toEqual([]);
    expect(splitAnnexB(new Uint8Array())).toEqual([]);
  });

  test('canonicalUnits separates parameter sets and drops what has no place in a packet', () => {
    const slice = Uint8Array.of(0x65, 1);
    const extension = Uint8Array.of(0x6d, 1);
    const dropped = [9, 10, 11, 12, 0x85].map((header) => Uint8Array.of(header, 1));
    const all = [new Uint8Array(), ...dropped, PPS, SPS, extension, SPS.slice(), slice];
    expect(canonicalUnits(all)).toEqual({ units: [slice], key: true, parameters: [SPS, extension, PPS] });
    expect(canonicalUnits([Uint8Array.of(0x41, 1)]).key).toBe(false);
    expect(nalType(SPS)).toBe(NAL_SPS);
  });

  test('fuzz: both framings', () => {
    const sample = joinAvcc([SPS, PPS, ...units]);
    fuzz(sample, 10_000, (data) => splitAvcc(data, 4));
    fuzz(sample, 10_000, (data) => splitAvcc(data, 2));
    fuzz(joinAnnexB([SPS, PPS, ...units]), 10_000, (data) => canonicalUnits(splitAnnexB(data)));
  });
});

describe('DtsExtractor', () => {
  /** Decoding order of a pyramid with two levels of B pictures, times in frames. */
  const PYRAMID = [0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11];
  const run = (extractor: DtsExtractor, times: number[]) => times.map((pts, index) => extractor.next(pts, index === 0));

  test('without reordering it is the presentation time', () => {
    expect(run(new DtsExtractor(), [0, 33, 66, 100])).toEqual([0, 33, 66, 100]);
  });

  test('with the right depth it counts up and never exceeds the presentation time', () => {
    const dts = run(new DtsExtractor(2), PYRAMID);
    expect(dts).toEqual([0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(dts.every((time, index) => time <= (PYRAMID[index] ?? 0))).toBe(true);
  });

  test('with an unknown depth it stays monotone and recovers', () => {
    const dts = run(new DtsExtractor(), PYRAMID);
    expect(dts).toEqual([...dts].sort((a, b) => a - b));
    expect(dts.slice(6).every((time, index) => time <= (PYRAMID[index + 6] ?? 0))).toBe(true);
  });

  test('a clock that jumps back does not count as reordering', () => {
    const extractor = new DtsExtractor(0);
    run(extractor, [1000, 1001, 1002]);
    expect(extractor.next(5, true)).toBe(1002);
    expect(extractor.next(1003, false)).toBe(1003);
  });

  test('agrees with a real stream', { timeout: 30_000 }, () => {
    const path = join(folder, 'reorder.mp4');
    const source = ['-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=25', '-frames:v', '100'];
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...source, '-c:v', 'libx264', '-g', '40', path]);
    const args = ['-v', 'error', '-show_entries', 'packet=pts,dts,flags', '-of', 'json', path];
    const packets: { pts: number; dts: number; flags: string }[] = JSON.parse(
      execFileSync('ffprobe', args, { encoding: 'utf8' }),
    ).packets;
    const extractor = new DtsExtractor(2);
    const derived = packets.map((packet) => extractor.next(packet.pts, packet.flags.startsWith('K')));
    // The first two lie before the first presentation time; a live source has no such times.
    expect(derived.slice(2)).toEqual(packets.slice(2).map((packet) => packet.dts));
  });
});
