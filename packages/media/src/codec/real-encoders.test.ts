import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { ByteSource } from '../file-plan.ts';
import { Mp4Reader } from '../mp4/index.ts';
import { type MediaPacket, ProtocolError } from '../packet.ts';
import { mutate, prng } from '../testing/mutate.ts';
import { av1CodecString, canonicalTemporalUnit, parseAv1Config, parseAv1Sequence, writeAv1Config } from './av1.ts';
import { audioFormat, codecString, videoSize } from './describe.ts';
import { splitAnnexB } from './h264-nal.ts';
import {
  canonicalH265Units,
  h265NalType,
  h265Track,
  hevcCodecString,
  parseH265Sps,
  parseHevcConfig,
  writeHevcConfig,
} from './h265.ts';
import { opusPacketTicks, parseOpusHead, parseOpusSpecificBox, writeOpusHead, writeOpusSpecificBox } from './opus.ts';
import { isVp8Key, parseVp8KeyFrame, vp8Track } from './vp8.ts';
import { isVp9Key, parseVp9KeyFrame, parseVpConfig, vp9ConfigOf, vp9Track, writeVpConfig } from './vp9.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-codecs-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** Encodes into a file of that name and returns its path. */
function encode(name: string, args: readonly string[]): string {
  const path = join(directory, name);
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...args, path]);
  return path;
}

const picture = (size: string, rate = '25', seconds = 0.4): string[] => {
  return ['-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=${rate}:duration=${seconds}`];
};

function probeStream(path: string): Record<string, unknown> {
  const args = ['-v', 'error', '-of', 'json', '-show_streams', path];
  return JSON.parse(execFileSync('ffprobe', args, { encoding: 'utf8' })).streams[0];
}

/** Frames of an IVF file. */
function ivfFrames(path: string): Uint8Array[] {
  const file = new Uint8Array(readFileSync(path));
  const frames: Uint8Array[] = [];
  for (let position = 32; position + 12 <= file.length; ) {
    const size = new DataView(file.buffer, position).getUint32(0, true);
    frames.push(file.subarray(position + 12, position + 12 + size));
    position += 12 + size;
  }
  return frames;
}

async function mp4Packets(path: string): Promise<MediaPacket[]> {
  const bytes = new Uint8Array(readFileSync(path));
  const source: ByteSource = { size: bytes.length, read: async (at, length) => bytes.subarray(at, at + length) };
  const packets: MediaPacket[] = [];
  for await (const packet of (await Mp4Reader.open(source)).readPackets()) packets.push(packet);
  return packets;
}

/** The rate that ffprobe prints as a fraction. */
const rateOf = (text: unknown): number => {
  const [numerator = 0, denominator = 1] = String(text).split('/').map(Number);
  return numerator / denominator;
};

/** Runs `parse` on damaged copies; anything but a result or a ProtocolError fails the test. */
function fuzz(seed: Uint8Array, parse: (damaged: Uint8Array) => unknown, rounds = 4000): number {
  const random = prng(seed.length);
  let refused = 0;
  for (let round = 0; round < rounds; round += 1) {
    try {
      parse(mutate(seed, random));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      refused += 1;
    }
  }
  return refused;
}

const X265 = (params: string): string[] => [
  '-c:v',
  'libx265',
  '-preset',
  'ultrafast',
  '-x265-params',
  `log-level=none:${params}`,
];

describe('H.265', () => {
  const cases = [
    {
      name: 'plain',
      args: [...picture('320x240'), ...X265('keyint=5'), '-pix_fmt', 'yuv420p'],
      prefix: 'hvc1.1.6.L60',
    },
    {
      name: 'odd size',
      args: [...picture('322x182'), ...X265('bframes=3'), '-pix_fmt', 'yuv420p'],
      prefix: 'hvc1.1.6.L60',
    },
    {
      name: 'Main 10 with wide samples',
      args: [
        ...picture('320x240', '30000/1001'),
        '-vf',
        'setsar=40/33',
        ...X265('hrd=1:vbv-maxrate=900:vbv-bufsize=900:vui-timing-info=1'),
        '-pix_fmt',
        'yuv420p10le',
      ],
      prefix: 'hvc1.2.4.L60',
    },
    {
      name: '4:2:2',
      args: [...picture('642x362'), ...X265('scaling-list=default'), '-pix_fmt', 'yuv422p10le'],
      prefix: 'hvc1.4.10.L63',
    },
    {
      name: '4:4:4',
      args: [...picture('322x242'), ...X265('bframes=4:b-adapt=0:ref=5'), '-pix_fmt', 'yuv444p'],
      prefix: 'hvc1.4.10.L60',
    },
    {
      name: 'high tier',
      args: [
        ...picture('1280x720', '50', 0.1),
        ...X265('level-idc=4.1:high-tier=1:vbv-maxrate=40000:vbv-bufsize=40000'),
        '-pix_fmt',
        'yuv420p',
      ],
      prefix: 'hvc1.1.6.H123',
    },
  ];

  test.each(cases)('of x265 is described as ffprobe does: $name', ({ args, prefix }) => {
    const path = encode('clip.hevc', args);
    const { parameters, key } = canonicalH265Units(splitAnnexB(new Uint8Array(readFileSync(path))));
    expect(key).toBe(true);
    expect(parameters.map(h265NalType)).toEqual([32, 33, 34]);
    const probed = probeStream(path);
    const sps = parseH265Sps(parameters[1] ?? new Uint8Array());
    const { width, height, level, sarWidth, sarHeight, chromaFormat, bitDepthLuma } = sps;
    expect({ width, height, level }).toEqual({
      width: probed['width'],
      height: probed['height'],
      level: probed['level'],
    });
    expect(`${sarWidth}:${sarHeight}`).toBe(probed['sample_aspect_ratio']);
    expect(sps.fps).toBeCloseTo(rateOf(probed['r_frame_rate']), 5);
    const chroma = ['gray', 'yuv420p', 'yuv422p', 'yuv444p'][chromaFormat];
    expect(`${chroma}${bitDepthLuma > 8 ? `${bitDepthLuma}le` : ''}`).toBe(probed['pix_fmt']);
    expect(sps.maxReorderFrames).toBe(probed['has_b_frames']);
    expect(hevcCodecString(parameters)).toMatch(new RegExp(`^${prefix}\\.`));
    expect(videoSize(h265Track(0, parameters))).toEqual({ width, height, fps: sps.fps });
    expect(parseHevcConfig(writeHevcConfig(parameters))).toEqual({ lengthSize: 4, parameters });
  });

  test('has the codec string that the standard shows, with constraint bytes up to the last one that is set', async () => {
    const path = encode('string.mp4', [
      ...picture('320x240'),
      ...X265('keyint=5'),
      '-tag:v',
      'hvc1',
      '-pix_fmt',
      'yuv420p',
    ]);
    const [packet] = await mp4Packets(path);
    expect(packet && codecString(packet.track)).toBe('hvc1.1.6.L60.90');
  });

  test('loses delimiters, filler and other layers, and knows random access points', () => {
    const unit = (type: number, layer = 0) => Uint8Array.of(type << 1, (layer << 3) | 1, 7);
    const units = [35, 39, 1, 38, 36, 37].map((type) => unit(type));
    expect(canonicalH265Units([...units, unit(19, 1), Uint8Array.of(2)])).toEqual({
      units: [unit(39), unit(1)],
      key: false,
      parameters: [],
    });
    for (const type of [16, 19, 20, 21]) expect(canonicalH265Units([unit(type)]).key).toBe(true);
    expect(canonicalH265Units([unit(34), unit(32), unit(33), unit(32)]).parameters).toEqual([
      unit(32),
      unit(33),
      unit(34),
    ]);
  });

  test('damaged parameter sets and configurations give a result or one ProtocolError', () => {
    const path = encode('fuzz.hevc', cases[4]?.args ?? []);
    const { parameters } = canonicalH265Units(splitAnnexB(new Uint8Array(readFileSync(path))));
    expect(fuzz(parameters[1] ?? new Uint8Array(), parseH265Sps)).toBeGreaterThan(500);
    expect(
      fuzz(writeHevcConfig(parameters), (bytes) => codecString(h265Track(0, parseHevcConfig(bytes).parameters))),
    ).toBeGreaterThan(500);
  });
});

describe('AV1', () => {
  const AOM = ['-c:v', 'libaom-av1', '-usage', 'realtime', '-cpu-used', '8', '-g', '5'];
  const cases = [
    { name: '8 bits', args: [...picture('320x240'), ...AOM, '-pix_fmt', 'yuv420p'], string: 'av01.0.00M.08' },
    {
      name: '10 bits',
      args: [...picture('322x182', '30'), ...AOM, '-pix_fmt', 'yuv420p10le'],
      string: 'av01.0.00M.10',
    },
    {
      name: '4:4:4',
      args: [...picture('1280x720', '25', 0.2), ...AOM, '-pix_fmt', 'yuv444p'],
      string: /^av01\.1\.05M\.08\.0\.000\./,
    },
    {
      name: 'HDR',
      args: [
        ...picture('320x240'),
        ...AOM,
        '-pix_fmt',
        'yuv420p10le',
        '-color_primaries',
        'bt2020',
        '-color_trc',
        'smpte2084',
        '-colorspace',
        'bt2020nc',
      ],
      string: 'av01.0.00M.10.0.110.09.16.09.0',
    },
    {
      name: 'of SVT',
      args: [...picture('320x240'), '-c:v', 'libsvtav1', '-preset', '12', '-g', '5'],
      string: 'av01.0.00M.10',
    },
  ];

  test.each(cases)('is described as ffprobe does: $name', async ({ args, string, name }) => {
    const pixels = name === 'of SVT' ? ['-pix_fmt', 'yuv420p10le'] : [];
    const path = encode('clip.ivf', [...args, ...pixels]);
    const frames = ivfFrames(path);
    const units = frames.map((frame) => canonicalTemporalUnit(frame));
    // Every fifth picture; SVT may begin a group a picture late or early.
    expect(units[0]?.key).toBe(true);
    if (name !== 'of SVT')
      expect(units.flatMap((unit, index) => (unit.key ? [index] : []))).toEqual(
        Array.from({ length: Math.ceil(units.length / 5) }, (_, i) => 5 * i),
      );
    const sequence = units[0]?.sequence ?? new Uint8Array();
    const { width, height, level, bitDepth, profile } = parseAv1Sequence(sequence);
    const probed = probeStream(path);
    expect({ width, height, level }).toEqual({
      width: probed['width'],
      height: probed['height'],
      level: probed['level'],
    });
    expect(['Main', 'High', 'Professional'][profile]).toBe(probed['profile']);
    expect(String(probed['pix_fmt']).endsWith('10le') ? 10 : 8).toBe(bitDepth);
    if (typeof string === 'string') expect(av1CodecString([sequence])).toBe(string);
    else expect(av1CodecString([sequence])).toMatch(string);
    expect(parseAv1Config(writeAv1Config([sequence]))).toEqual(sequence);
    // Without its delimiter the temporal unit is a view.
    const [first] = frames;
    expect([units[0]?.data.buffer, units[0]?.data.byteOffset]).toEqual([first?.buffer, (first?.byteOffset ?? 0) + 2]);
  });

  test('a configuration record of FFmpeg is written back byte for byte', async () => {
    const path = encode('av1.mp4', cases[1]?.args ?? []);
    const [packet] = await mp4Packets(path);
    const record = writeAv1Config(packet?.track.parameters ?? []);
    expect(readFileSync(path).indexOf(record)).toBeGreaterThan(0);
  });

  test('OBUs without a size get one, and padding in the middle goes', () => {
    const delimiter = [0x12, 0];
    const padding = [0x7a, 1, 0x80];
    const header = [0x1a, 2, 0x10, 7];
    const tail = [0x30, 1, 2, 3];
    const unit = canonicalTemporalUnit(Uint8Array.of(...delimiter, ...header, ...padding, ...tail));
    expect(unit).toEqual({ data: Uint8Array.of(...header, 0x32, 3, 1, 2, 3), key: true, sequence: undefined });
    for (const bad of [[0x80], [0x12], [0x1a, 9, 1], [0x1a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1]]) {
      expect(() => canonicalTemporalUnit(Uint8Array.from(bad))).toThrow(ProtocolError);
    }
  });

  test('damaged units, sequence headers and records give a result or one ProtocolError', () => {
    const [first = new Uint8Array()] = ivfFrames(encode('fuzz.ivf', cases[3]?.args ?? []));
    const sequence = canonicalTemporalUnit(first).sequence ?? new Uint8Array();
    expect(fuzz(first.subarray(0, 60), canonicalTemporalUnit)).toBeGreaterThan(100);
    expect(fuzz(sequence, parseAv1Sequence)).toBeGreaterThan(500);
    expect(fuzz(writeAv1Config([sequence]), parseAv1Config)).toBeGreaterThan(500);
  });
});

describe('VP9 and VP8', () => {
  const VPX9 = ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-g', '5'];
  const cases = [
    { name: '4:2:0', args: [...picture('322x182'), ...VPX9, '-pix_fmt', 'yuv420p'], string: 'vp09.00.11.08' },
    {
      name: '4:4:4',
      args: [...picture('1280x720', '25', 0.2), ...VPX9, '-pix_fmt', 'yuv444p'],
      string: 'vp09.01.31.08.03.02.02.02.00',
    },
    { name: '10 bits', args: [...picture('320x240'), ...VPX9, '-pix_fmt', 'yuv420p10le'], string: 'vp09.02.20.10' },
    {
      name: '4:2:2 in 12 bits',
      args: [...picture('320x240'), ...VPX9, '-pix_fmt', 'yuv422p12le'],
      string: 'vp09.03.20.12.02.02.02.02.00',
    },
  ];

  test.each(cases)('key frames of VP9 tell what ffprobe tells: $name', ({ args, string }) => {
    const path = encode('vp9.ivf', args);
    const frames = ivfFrames(path);
    expect(frames.flatMap((frame, index) => (isVp9Key(frame) ? [index] : []))).toEqual(
      Array.from({ length: Math.ceil(frames.length / 5) }, (_, i) => 5 * i),
    );
    const key = parseVp9KeyFrame(frames[0] ?? new Uint8Array());
    const probed = probeStream(path);
    expect([key.width, key.height, `Profile ${key.profile}`]).toEqual([
      probed['width'],
      probed['height'],
      probed['profile'],
    ]);
    expect(String(probed['pix_fmt'])).toMatch(key.bitDepth === 8 ? /p$/ : new RegExp(`p${key.bitDepth}le$`));
    const record = writeVpConfig(vp9ConfigOf(key));
    expect(parseVpConfig(record)).toEqual(vp9ConfigOf(key));
    expect(codecString(vp9Track(0, record))).toBe(string);
    expect(fuzz((frames[0] ?? record).subarray(0, 20), parseVp9KeyFrame)).toBeGreaterThan(500);
    expect(fuzz(record, parseVpConfig)).toBeGreaterThan(500);
  });

  test('the configuration of VP9 in a file is that of its key frame', async () => {
    const [packet] = await mp4Packets(encode('vp9.mp4', cases[2]?.args ?? []));
    const declared = parseVpConfig(packet?.track.parameters[0] ?? new Uint8Array());
    const implied = vp9ConfigOf(parseVp9KeyFrame(packet?.units[0] ?? new Uint8Array()));
    expect([implied.profile, implied.bitDepth, implied.level]).toEqual([
      declared.profile,
      declared.bitDepth,
      declared.level,
    ]);
  });

  test('key frames of VP8 tell their size', () => {
    const frames = ivfFrames(
      encode('vp8.ivf', [
        ...picture('322x182'),
        '-c:v',
        'libvpx',
        '-deadline',
        'realtime',
        '-cpu-used',
        '8',
        '-g',
        '5',
      ]),
    );
    expect(frames.flatMap((frame, index) => (isVp8Key(frame) ? [index] : []))).toEqual([0, 5]);
    expect(parseVp8KeyFrame(frames[0] ?? new Uint8Array())).toEqual({ width: 322, height: 182 });
    expect(() => parseVp8KeyFrame(frames[1] ?? new Uint8Array())).toThrow(ProtocolError);
    expect(fuzz((frames[0] ?? new Uint8Array()).subarray(0, 12), parseVp8KeyFrame)).toBeGreaterThan(500);
    expect(codecString(vp8Track(0))).toBe('vp8');
  });
});

describe('Opus', () => {
  const tone = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=1'];
  const cases = ['2.5', '5', '10', '20', '40', '60', '120'].flatMap((ms) => [
    { ms, application: Number(ms) >= 10 ? 'voip' : 'lowdelay' },
    { ms, application: 'lowdelay' },
  ]);

  test.each(cases)(
    'packets of $ms ms for $application last as long as their first bytes say',
    async ({ ms, application }) => {
      const options = [
        '-c:a',
        'libopus',
        '-ac',
        '1',
        '-b:a',
        '20k',
        '-frame_duration',
        ms,
        '-application',
        application,
      ];
      const packets = await mp4Packets(encode('opus.mp4', [...tone, ...options]));
      const ticks = packets.slice(0, -1).map((packet) => opusPacketTicks(packet.units[0] ?? new Uint8Array()));
      expect(new Set(ticks)).toEqual(new Set([Number(ms) * 48]));
      expect(packets.length).toBeGreaterThanOrEqual(Math.floor(1000 / Number(ms)));
    },
  );

  test('headers are read and written back, also those of surround sound', async () => {
    for (const channels of ['1', '2', '6']) {
      const [packet] = await mp4Packets(encode('head.mp4', [...tone, '-c:a', 'libopus', '-ac', channels]));
      const bytes = packet?.track.parameters[0] ?? new Uint8Array();
      const head = parseOpusHead(bytes);
      expect(head).toMatchObject({ channels: Number(channels), preSkip: 312, mappingFamily: channels === '6' ? 1 : 0 });
      expect(writeOpusHead(head)).toEqual(bytes);
      expect(parseOpusSpecificBox(writeOpusSpecificBox(head))).toEqual(head);
      expect(packet && audioFormat(packet.track)).toEqual({ sampleRate: 48_000, channels: Number(channels) });
      expect(packet && codecString(packet.track)).toBe('opus');
      expect(fuzz(bytes, parseOpusHead)).toBeGreaterThan(500);
      expect(fuzz(writeOpusSpecificBox(head), parseOpusSpecificBox)).toBeGreaterThan(500);
    }
  });

  test('packets that claim nothing or too much have no duration', () => {
    for (const bytes of [[], [3], [3, 0], [0x1b, 3], [3, 63]]) {
      expect(opusPacketTicks(Uint8Array.from(bytes))).toBeUndefined();
    }
    expect(opusPacketTicks(Uint8Array.of(0xff, 0x83))).toBe(2880);
  });
});
