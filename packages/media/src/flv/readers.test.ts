import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { writeOpusHead } from '../codec/opus.ts';
import { vp8Track } from '../codec/vp8.ts';
import { type MediaPacket, ProtocolError, type Track } from '../packet.ts';
import { mutate, prng } from '../testing/mutate.ts';
import { FlvAudioReader } from './audio-reader.ts';
import { FlvDemuxer, type FlvTag } from './file.ts';
import { type FlvFrame, UnsupportedCodecError } from './frame.ts';
import { FlvVideoReader } from './video-reader.ts';
import { flvConfigTag, flvFrameTag, isEnhancedOnly, isFlvCarriable } from './write-tags.ts';

/** Written by FFmpeg 8, the first one whose flv muxer knows all of Enhanced RTMP v2. */
function fixture(name: string): FlvTag[] {
  const url = new URL(`../../test-fixtures/${name}.flv`, import.meta.url);
  return new FlvDemuxer().push(new Uint8Array(readFileSync(url)));
}

const bodies = (name: string, type: 8 | 9): Uint8Array[] =>
  fixture(name)
    .filter((tag) => tag.type === type)
    .map((tag) => tag.data);

function readAll(reader: FlvVideoReader | FlvAudioReader, all: readonly Uint8Array[]): FlvFrame[] {
  return all.map((body) => reader.read(body)).filter((frame) => frame !== undefined);
}

function packetOf(frame: FlvFrame, dtsUs = 0): MediaPacket {
  const byteLength = frame.units.reduce((sum, unit) => sum + unit.length, 0);
  return { ...frame, dtsUs, ptsUs: dtsUs + frame.compositionUs, byteLength };
}

const ascii = (text: string): number[] => Array.from(text, (letter) => letter.charCodeAt(0));
const u24 = (value: number): number[] => [value >> 16, (value >> 8) & 0xff, value & 0xff];
const VP8_KEY = Uint8Array.of(0x10, 2, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0, 7, 7);
const VP8_INTER = Uint8Array.of(0x11, 2, 0, 5);

describe('what FFmpeg 8 writes', () => {
  const cases = [
    { name: 'hevc-opus', type: 9, codec: 'h265', frames: 8, keys: [0, 5] },
    { name: 'av1', type: 9, codec: 'av1', frames: 8, keys: [0, 5] },
    { name: 'vp9', type: 9, codec: 'vp9', frames: 8, keys: [0, 5] },
    { name: 'hevc-opus', type: 8, codec: 'opus', frames: 9, keys: [0, 1, 2, 3, 4, 5, 6, 7, 8] },
  ] as const;

  test.each(cases)('$codec is read, and our own tags are the same bytes', ({ name, type, codec, frames, keys }) => {
    const reader = type === 9 ? new FlvVideoReader(7) : new FlvAudioReader(7);
    const all = bodies(name, type);
    expect(reader.read(all[0] ?? new Uint8Array())).toBeUndefined();
    const declared = reader.track;
    expect(declared).toMatchObject({ id: 7, codec, kind: type === 9 ? 'video' : 'audio' });
    // FFmpeg does not claim that the arrays of hvcC are complete, we do.
    const expected = all[0]?.map((byte, index) =>
      codec === 'h265' && [28, 57, 103].includes(index) ? byte | 0x80 : byte,
    );
    expect(declared && flvConfigTag(declared)).toEqual(expected);
    const read: FlvFrame[] = [];
    for (const body of all.slice(1)) {
      const frame = reader.read(body);
      if (frame === undefined) continue;
      read.push(frame);
      expect(flvFrameTag(packetOf(frame, 40_000 * read.length))).toEqual(body);
    }
    expect(read).toHaveLength(frames);
    expect(read.flatMap((frame, index) => (frame.key ? [index] : []))).toEqual(keys);
    expect(read.every((frame) => frame.track === declared)).toBe(true);
  });

  test('H.265 pictures out of order carry their composition time', () => {
    const times = readAll(new FlvVideoReader(0), bodies('hevc-opus', 9)).map((frame) => frame.compositionUs / 1000);
    expect(times).toEqual([80, 80, 160, 80, 0, 80, 120, 40]);
  });

  test('of several tracks the default one is taken and the others are ignored', () => {
    const video = new FlvVideoReader(0);
    expect(readAll(video, bodies('two-tracks', 9))).toHaveLength(8);
    expect(video.track?.codec).toBe('h264');
    const audio = new FlvAudioReader(1);
    expect(readAll(audio, bodies('two-tracks', 8))).toHaveLength(9);
    expect(audio.track?.codec).toBe('aac');
  });

  test('FLAC is named', () => {
    const reader = new FlvAudioReader(1);
    const refused = expect.objectContaining({ name: 'UnsupportedCodecError', kind: 'audio', codecName: 'FLAC' });
    expect(() => readAll(reader, bodies('flac', 8))).toThrow(refused);
  });
});

describe('FlvVideoReader', () => {
  const hevc = bodies('hevc-opus', 9);
  const [config = new Uint8Array()] = hevc;
  const key = hevc.find((body) => (body[0] ?? 0) === 0x91) ?? new Uint8Array();

  test('leaves out frames that come before the configuration, and empty messages', () => {
    const reader = new FlvVideoReader(0);
    expect(reader.read(new Uint8Array())).toBeUndefined();
    expect(reader.read(key)).toBeUndefined();
    reader.read(config);
    expect(reader.read(key)).toBeDefined();
  });

  test('keeps the track when the same configuration is declared anew', () => {
    const reader = new FlvVideoReader(0);
    reader.read(config);
    const { track } = reader;
    reader.read(config.slice());
    expect(reader.track).toBe(track);
  });

  test('takes the pre-standard H.265 id with the layout of AVC tags', () => {
    const reader = new FlvVideoReader(0);
    expect(reader.read(Uint8Array.of(0x1c, 0, 0, 0, 0, ...config.subarray(5)))).toBeUndefined();
    expect(reader.track?.codec).toBe('h265');
    const frame = reader.read(Uint8Array.of(0x1c, 1, 0, 0, 80, ...key.subarray(8)));
    expect(frame).toMatchObject({ key: true, compositionUs: 80_000 });
    expect(frame && flvFrameTag(packetOf(frame))).toEqual(key);
  });

  test('takes changed H.265 parameter sets out of a key frame', () => {
    const reader = new FlvVideoReader(0);
    reader.read(config);
    const before = reader.track;
    const [vps, sps, pps] = before?.parameters ?? [];
    // general_level_idc of the smallest level, which the picture could have more of.
    const level = sps?.indexOf(30) ?? -1;
    const changed = [vps, sps?.map((byte, index) => (index === level ? 60 : byte)), pps];
    const inBand = changed.flatMap((unit) => (unit === undefined ? [] : [0, ...u24(unit.length), ...unit]));
    const frame = reader.read(Uint8Array.of(...key.subarray(0, 8), ...inBand, ...key.subarray(8)));
    expect(reader.track).not.toBe(before);
    expect(reader.track?.parameters).toEqual(changed);
    expect(frame?.track).toBe(reader.track);
    expect(frame?.units).toEqual(reader.read(key)?.units);
  });

  test('moves the presentation time by the nanoseconds of a modifier, and passes over unknown ones', () => {
    const reader = new FlvVideoReader(0);
    reader.read(config);
    const rest = key.subarray(1);
    const nano = [2, ...u24(500_000)];
    const frame = reader.read(Uint8Array.of(0x97, ...nano, 0x01, ...rest));
    expect(frame).toMatchObject({ key: true, compositionUs: 80_500 });
    const unknown = [0xff, 0, 255, ...new Uint8Array(256)];
    expect(reader.read(Uint8Array.of(0x97, ...unknown, 0x57, ...nano, 0x01, ...rest))?.compositionUs).toBe(80_500);
    const endless = Array.from({ length: 50 }, () => [0, 9, 0x57]).flat();
    expect(() => reader.read(Uint8Array.of(0x97, ...endless))).toThrow(ProtocolError);
  });

  test('finds the default track in every layout of several tracks', () => {
    const fourCc = ascii('hvc1');
    const track = (id: number, data: Uint8Array) => [id, ...u24(data.length), ...data];
    const other = Uint8Array.of(1, 2, 3);
    for (const [type, content] of [
      [0x00, (data: Uint8Array) => [...fourCc, 0, ...data]],
      [0x10, (data: Uint8Array) => [...fourCc, ...track(3, other), ...track(0, data)]],
      [0x20, (data: Uint8Array) => [...ascii('xxxx'), ...track(3, other), ...fourCc, ...track(0, data)]],
    ] as const) {
      const reader = new FlvVideoReader(0);
      expect(reader.read(Uint8Array.of(0x96, type, ...content(config.subarray(5))))).toBeUndefined();
      expect(reader.track?.codec).toBe('h265');
      expect(reader.read(Uint8Array.of(0x96, type | 1, ...content(key.subarray(5))))?.compositionUs).toBe(80_000);
      expect(reader.read(Uint8Array.of(0x96, 0x01, ...fourCc, 1, ...key.subarray(5)))).toBeUndefined();
    }
  });

  test('ignores commands, metadata, ends and packet types of the future', () => {
    const reader = new FlvVideoReader(0);
    const ignored = [
      [0x50, 0],
      [0xd1, 0],
      [0x94, ...ascii('zzzz'), 1],
      [0x92, ...ascii('hvc1')],
      [0x9b, ...ascii('hvc1')],
    ];
    for (const body of [...ignored, [0x95, ...ascii('av01'), 1], [0x17, 2]]) {
      expect(reader.read(Uint8Array.from(body))).toBeUndefined();
    }
  });

  test('names codecs that are not carried', () => {
    const names = [
      [0x14, 1],
      [0x90, ...ascii('vvc1')],
      [0x91, ...ascii('ab\x07c')],
    ].map((body) => {
      try {
        new FlvVideoReader(0).read(Uint8Array.from(body));
        return undefined;
      } catch (error) {
        return error instanceof UnsupportedCodecError ? error.codecName : error;
      }
    });
    expect(names).toEqual(['VP6', 'H.266', 'ab?c']);
  });

  test('takes the sequence header of AV1 from a key frame when there was no configuration, and drops delimiters', () => {
    const [av1Config = new Uint8Array(), , av1Key = new Uint8Array()] = bodies('av1', 9);
    const declared = new FlvVideoReader(0);
    declared.read(av1Config);
    const reader = new FlvVideoReader(0);
    const delimited = Uint8Array.of(...av1Key.subarray(0, 5), 0x12, 0, ...av1Key.subarray(5));
    const frame = reader.read(delimited);
    expect(reader.track).toEqual(declared.track);
    expect(frame).toMatchObject({ key: true, units: [av1Key.slice(5)] });
    // A lying key flag changes nothing.
    const [, , , inter = new Uint8Array()] = bodies('av1', 9);
    expect(reader.read(Uint8Array.of(0x91, ...inter.subarray(1)))?.key).toBe(false);
  });

  test('makes the configuration of VP9 from its key frame when none was declared or it is wrong', () => {
    const [vp9Config = new Uint8Array(), , vp9Key = new Uint8Array(), inter = new Uint8Array()] = bodies('vp9', 9);
    const reader = new FlvVideoReader(0);
    expect(reader.read(inter)).toBeUndefined();
    expect(reader.read(Uint8Array.of(0xa1, ...vp9Key.subarray(1)))?.key).toBe(true);
    const implied = reader.track;
    expect(implied?.parameters[0]?.subarray(0, 3)).toEqual(Uint8Array.of(0, 10, 0x82));
    reader.read(Uint8Array.of(...vp9Config.subarray(0, 9), 2, 10, 0xa2, 1, 1, 1, 0, 0));
    expect(reader.track?.parameters[0]?.[0]).toBe(2);
    expect(reader.read(vp9Key)?.track.parameters).toEqual(implied?.parameters);
  });

  test('takes VP8 and Sorenson Spark from their first key frame on', () => {
    const reader = new FlvVideoReader(0);
    const vp8 = ascii('vp08');
    expect(reader.read(Uint8Array.of(0xa1, ...vp8, ...VP8_INTER))).toBeUndefined();
    expect(reader.read(Uint8Array.of(0x91, ...vp8, ...VP8_KEY))).toMatchObject({ key: true, units: [VP8_KEY] });
    expect(reader.read(Uint8Array.of(0x91, ...vp8, ...VP8_INTER))).toMatchObject({ key: false });
    expect(reader.track).toEqual(vp8Track(0));
    expect(reader.read(Uint8Array.of(0x22, 1, 2))).toBeUndefined();
    const spark = reader.read(Uint8Array.of(0x12, 1, 2));
    expect(spark).toMatchObject({ key: true, track: { codec: 'flv1' }, units: [Uint8Array.of(1, 2)] });
    expect(spark && flvFrameTag(packetOf(spark))).toEqual(Uint8Array.of(0x12, 1, 2));
  });

  test('copies a frame out of a message that is mostly something else', () => {
    const reader = new FlvVideoReader(0);
    const other = new Uint8Array(5000);
    const tracks = [...ascii('vp08'), 4, ...u24(other.length), ...other, ...ascii('vp08'), 0, ...u24(12), ...VP8_KEY];
    const frame = reader.read(Uint8Array.of(0x96, 0x21, ...tracks));
    expect(frame?.units[0]).toEqual(VP8_KEY);
    expect(frame?.units[0]?.buffer.byteLength).toBe(VP8_KEY.length);
  });
});

describe('FlvAudioReader', () => {
  test('leaves out AAC before its configuration and refuses a broken or huge one', () => {
    const reader = new FlvAudioReader(1);
    expect(reader.read(Uint8Array.of(0xaf, 1, 9))).toBeUndefined();
    expect(() => reader.read(Uint8Array.of(0xaf, 0, 0xff))).toThrow(ProtocolError);
    expect(() => reader.read(Uint8Array.of(0xaf, 0, 0x12, 0x10, ...new Uint8Array(2000)))).toThrow(ProtocolError);
    expect(reader.read(Uint8Array.of(0xaf, 0))).toBeUndefined();
    expect(reader.track).toBeUndefined();
    expect(reader.read(Uint8Array.of(0x90, ...ascii('mp4a'), 0x12, 0x10))).toBeUndefined();
    const { track } = reader;
    expect(track).toMatchObject({ id: 1, codec: 'aac', clockRate: 44_100 });
    reader.read(Uint8Array.of(0xaf, 0, 0x12, 0x10));
    expect(reader.track).toBe(track);
    expect(reader.read(Uint8Array.of(0xaf, 1, 9))).toMatchObject({
      key: true,
      compositionUs: 0,
      units: [Uint8Array.of(9)],
    });
  });

  test('takes Opus without or with an empty configuration for stereo', () => {
    for (const first of [
      [0x91, ...ascii('Opus'), 0xfc, 1],
      [0x90, ...ascii('Opus')],
    ]) {
      const reader = new FlvAudioReader(1);
      reader.read(Uint8Array.from(first));
      expect(reader.track?.parameters).toEqual([writeOpusHead({ channels: 2 })]);
      expect(reader.track?.clockRate).toBe(48_000);
    }
  });

  test.each([
    ['speex', 0xb2, 16_000],
    ['pcma', 0x72, 8000],
    ['pcmu', 0x82, 8000],
  ])('makes the track of %s at its first frame, whatever the flags say', (codec, first, clockRate) => {
    const reader = new FlvAudioReader(1);
    const frame = reader.read(Uint8Array.of(first | 0x0f, 1, 2, 3));
    expect(frame?.track).toEqual({ id: 1, kind: 'audio', codec, clockRate, parameters: [] });
    expect(reader.read(Uint8Array.of(first, 4))?.track).toBe(frame?.track);
    expect(frame && flvFrameTag(packetOf(frame))).toEqual(Uint8Array.of(first, 1, 2, 3));
  });

  test('ignores channel layouts and ends, and names what is not carried', () => {
    const reader = new FlvAudioReader(1);
    expect(reader.read(Uint8Array.of(0x94, ...ascii('ac-3'), 1, 1, 0, 0, 0, 4))).toBeUndefined();
    expect(reader.read(Uint8Array.of(0x92, ...ascii('ac-3')))).toBeUndefined();
    const named = (body: number[]) => () => reader.read(Uint8Array.from(body));
    expect(named([0x2f, 1])).toThrow('audio codec MP3 is not supported');
    expect(named([0x91, ...ascii('.mp3')])).toThrow('MP3');
    expect(named([0x91, ...ascii('ac-3')])).toThrow('AC-3');
    expect(named([0x91, ...ascii('ec-3')])).toThrow('E-AC-3');
    expect(named([0x62, 1])).toThrow('Nellymoser');
  });
});

describe('writers', () => {
  test('H.265 in decoding order goes without a composition time', () => {
    const track: Track = { id: 0, kind: 'video', codec: 'h265', clockRate: 90_000, parameters: [] };
    const packet = { track, units: [Uint8Array.of(2, 1, 9)], key: false, byteLength: 3 };
    const still = flvFrameTag({ ...packet, dtsUs: 40_000, ptsUs: 40_499 });
    expect(still).toEqual(Uint8Array.of(0xa3, ...ascii('hvc1'), 0, 0, 0, 3, 2, 1, 9));
    // Rounded one by one: 40.4 and 81.6 ms.
    const moved = flvFrameTag({ ...packet, dtsUs: 40_400, ptsUs: 81_600 });
    expect(moved).toEqual(Uint8Array.of(0xa1, ...ascii('hvc1'), 0, 0, 42, 0, 0, 0, 3, 2, 1, 9));
  });

  test('every codec of the hub has a form, and only the new ones are enhanced', () => {
    const codecs = ['h264', 'flv1', 'aac', 'speex', 'pcma', 'pcmu', 'h265', 'av1', 'vp9', 'vp8', 'opus'] as const;
    expect(codecs.every(isFlvCarriable)).toBe(true);
    expect(isFlvCarriable('g722')).toBe(false);
    expect(isEnhancedOnly('g722')).toBe(false);
    expect(codecs.filter(isEnhancedOnly)).toEqual(['h265', 'av1', 'vp9', 'vp8', 'opus']);
  });

  test('codecs without a configuration, and tracks whose parameters are unknown, have no configuration tag', () => {
    const track = (codec: Track['codec']): Track => ({ id: 0, kind: 'video', codec, clockRate: 1, parameters: [] });
    for (const codec of ['flv1', 'speex', 'pcma', 'pcmu', 'vp9', 'h264', 'aac'] as const) {
      expect(flvConfigTag(track(codec))).toBeUndefined();
    }
    const vp8 = flvConfigTag(vp8Track(0)) ?? new Uint8Array();
    const reader = new FlvVideoReader(0);
    reader.read(vp8);
    expect(reader.track?.codec).toBe('vp8');
  });
});

test('damaged tags give frames or one ProtocolError, and the reader goes on', () => {
  const random = prng(11);
  const names = ['hevc-opus', 'av1', 'vp9', 'two-tracks'];
  const video = names.flatMap((name) => bodies(name, 9));
  const audio = [
    ...names.flatMap((name) => bodies(name, 8)),
    Uint8Array.of(0xb2, 1, 2),
    Uint8Array.of(0xaf, 0, 0x12, 0x10),
  ];
  const readers = [
    { reader: new FlvVideoReader(0), seeds: video },
    { reader: new FlvAudioReader(1), seeds: audio },
  ];
  let refused = 0;
  const started = performance.now();
  for (let round = 0; round < 20_000; round += 1) {
    const { reader, seeds } = readers[round % 2] as (typeof readers)[0];
    const seed = seeds[Math.floor(random() * seeds.length)] ?? new Uint8Array();
    // The headers are where it matters most.
    const head = mutate(seed.subarray(0, 40), random);
    const damaged = round % 3 === 0 ? mutate(seed, random) : Uint8Array.of(...head, ...seed.subarray(40));
    try {
      const frame = reader.read(damaged);
      if (frame !== undefined) flvFrameTag(packetOf(frame));
      if (frame !== undefined) flvConfigTag(frame.track);
    } catch (error) {
      if (!(error instanceof ProtocolError || error instanceof UnsupportedCodecError)) throw error;
      refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(1000);
  expect(performance.now() - started).toBeLessThan(20_000);
});
