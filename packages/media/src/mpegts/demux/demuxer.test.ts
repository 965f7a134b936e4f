import { describe, expect, it } from 'vitest';
import { writeAacConfig, writeAdts } from '../../codec/aac.ts';
import { prng } from '../../testing/mutate.ts';
import { writePmt } from '../psi.ts';
import { pesHeader, TsBuilder } from '../testing/build-ts.ts';
import { collector, demux, ofKind } from '../testing/demuxed.ts';

const VIDEO = 0x100;
const AUDIO = 0x101;
const H264 = 0x1b;
const ADTS = 0x0f;
const BOTH = { [VIDEO]: H264, [AUDIO]: ADTS };
const FRAME_TICKS = 3600;

const CODE = Uint8Array.of(0, 0, 0, 1);
const DELIMITER = Uint8Array.of(0, 0, 0, 1, 9, 0xf0);
/** Baseline, 320 × 240. */
const SPS = Uint8Array.from([
  0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0xfb, 0x01, 0x10, 0, 0, 3, 0, 0x10, 0, 0, 3, 3, 0x28, 0xf1, 0x42, 0xa4,
  0x80,
]);
const PPS = Uint8Array.of(0x68, 0xcb, 0x83, 0xcb, 0x20);
const FILLER = Uint8Array.of(0, 0, 1, 12, 0xff, 0xff, 0x80);

/** A slice of so many bytes whose content is its number; `first` says that a picture begins with it. */
function slice(number: number, options: { key?: boolean; first?: boolean; bytes?: number } = {}): Uint8Array {
  const { key = false, first = true, bytes = 300 } = options;
  const unit = new Uint8Array(bytes).fill(16 + (number % 200));
  unit[0] = key ? 0x65 : 0x41;
  unit[1] = first ? 0x88 : 0x44;
  return unit;
}

const unit = (bytes: Uint8Array): Uint8Array => new Uint8Array(Buffer.concat([CODE, bytes]));
const join = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
const keyUnit = (number: number, bytes = 300): Uint8Array =>
  join(DELIMITER, unit(SPS), unit(PPS), unit(slice(number, { key: true, bytes })));
const plainUnit = (number: number, bytes = 300): Uint8Array => join(DELIMITER, unit(slice(number, { bytes })));

/** Numbers of the pictures that came. */
function numbers(result: ReturnType<typeof collector>): number[] {
  return ofKind(result.packets, 'video').map(({ units }) => (units[0]?.at(-1) ?? 0) - 16);
}

/** A picture in a PES packet of its own. */
function picture(ts: TsBuilder, number: number, options: { key?: boolean; bytes?: number } = {}): TsBuilder {
  const { key = false, bytes } = options;
  const header = pesHeader({ pts: number * FRAME_TICKS });
  return ts.pes(VIDEO, header, key ? keyUnit(number, bytes) : plainUnit(number, bytes));
}

const CONFIG = { objectType: 2, sampleRate: 48000, channels: 2, frameLength: 1024 } as const;

function adts(...numbers: number[]): Uint8Array {
  return join(...numbers.flatMap((number) => [writeAdts(CONFIG, 50), new Uint8Array(50).fill(number)]));
}

describe('access units', () => {
  it('are cut from one PES packet that has several, with times that follow evenly', () => {
    const ts = new TsBuilder().tables(BOTH);
    ts.pes(VIDEO, pesHeader({ pts: 0 }), keyUnit(0), plainUnit(1), plainUnit(2));
    ts.pes(VIDEO, pesHeader({ pts: 3 * FRAME_TICKS }), plainUnit(3), plainUnit(4), plainUnit(5));
    ts.pes(VIDEO, pesHeader({ pts: 6 * FRAME_TICKS }), plainUnit(6));
    const result = demux(ts.take());
    expect(numbers(result)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(result.packets.map(({ dtsUs }) => dtsUs)).toEqual([0, 1, 2, 3, 4, 5, 6].map((n) => n * 40_000));
  });

  it('without delimiters are cut at the first slice of each picture', () => {
    const ts = new TsBuilder().tables(BOTH);
    const units = [keyUnit(0), unit(slice(1)), unit(slice(1, { first: false })), unit(slice(2))];
    ts.pes(VIDEO, pesHeader({ pts: 0 }), ...units);
    const { packets } = demux(ts.take());
    expect(packets.map(({ units: nal }) => nal.length)).toEqual([1, 2, 1]);
  });

  it('that lie in several PES packets are put together, also where a packet begins within a unit', () => {
    const ts = new TsBuilder().tables(BOTH);
    const stream = join(...[0, 1, 2, 3, 4].map((n) => (n === 0 ? keyUnit(0, 5000) : plainUnit(n, 5000))));
    const starts = [0, 5000, 10_000, 15_000, 20_020];
    for (const [i, start] of starts.entries()) {
      // Each packet begins about 50 bytes before its access unit does: those belong to the one before.
      const part = stream.subarray(start, starts[i + 1] ?? stream.length);
      const half = part.length >> 1;
      const at = (5000 + i) * FRAME_TICKS;
      const header = (bytes: number, pts?: number) =>
        pesHeader({ payloadBytes: bytes, ...(pts !== undefined && { pts }) });
      ts.pes(VIDEO, header(half, at), part.subarray(0, half));
      ts.pes(VIDEO, header(part.length - half), part.subarray(half));
    }
    const result = demux(ts.take());
    expect(numbers(result)).toEqual([0, 1, 2, 3, 4]);
    expect(result.packets.map(({ byteLength }) => byteLength)).toEqual([5000, 5000, 5000, 5000, 5000]);
    const [first = 0, ...later] = result.packets.map(({ ptsUs }) => ptsUs);
    expect(later.map((time) => time - first)).toEqual([40_000, 80_000, 120_000, 160_000]);
  });

  it('of aligned PES packets that tell their length come without waiting, unless such packets prove to be parts', () => {
    const aligned = (pts: number | undefined, bytes: Uint8Array) =>
      pesHeader({ payloadBytes: bytes.length, aligned: true, ...(pts !== undefined && { pts }) });
    const ts = new TsBuilder().tables(BOTH);
    const result = collector();
    ts.pes(VIDEO, aligned(0, keyUnit(0)), keyUnit(0));
    result.demuxer.push(ts.take());
    expect(numbers(result)).toEqual([0]);
    for (const [n, key] of [
      [1, false],
      [2, true],
      [3, false],
      [4, true],
      [5, false],
    ] as const) {
      const whole = key ? keyUnit(n) : plainUnit(n);
      const rest = unit(slice(n, { first: false }));
      ts.pes(VIDEO, aligned(n * FRAME_TICKS, whole), whole).pes(VIDEO, aligned(undefined, rest), rest);
    }
    result.demuxer.push(ts.take());
    result.demuxer.flush();
    const video = ofKind(result.packets, 'video');
    // The first one that went on was taken for whole; from then on none is, once a key picture has come.
    expect(video.slice(2).map(({ units: nal }) => nal.length)).toEqual(Array(video.length - 2).fill(2));
    expect(video.length).toBeGreaterThanOrEqual(6);
  });

  it('have neither parameter sets nor delimiters nor filler, and a change of parameters is a change of track', () => {
    const ts = new TsBuilder().tables(BOTH);
    const other = join(PPS.subarray(0, 4), Uint8Array.of(0x28));
    ts.pes(VIDEO, pesHeader({ pts: 0 }), keyUnit(0), FILLER);
    ts.pes(VIDEO, pesHeader({ pts: FRAME_TICKS }), keyUnit(1));
    ts.pes(
      VIDEO,
      pesHeader({ pts: 2 * FRAME_TICKS }),
      DELIMITER,
      unit(SPS),
      unit(other),
      unit(slice(2, { key: true })),
    );
    const { packets, tracks } = demux(ts.take());
    expect(packets.map(({ units: nal }) => nal.length)).toEqual([1, 1, 1]);
    expect(tracks.map(({ parameters }) => parameters)).toEqual([
      [SPS, PPS],
      [SPS, other],
    ]);
    expect(packets.map(({ track }) => tracks.indexOf(track))).toEqual([0, 0, 1]);
  });

  it('of more than 8 MiB are given up', () => {
    const ts = new TsBuilder().tables(BOTH);
    picture(ts, 0, { key: true, bytes: 9 * 1024 * 1024 });
    picture(ts, 1);
    picture(ts, 2, { key: true });
    const result = demux(ts.take());
    expect(numbers(result)).toEqual([2]);
    expect(result.demuxer.counts.brokenUnits).toBe(1);
  });
});

describe('loss', () => {
  it('of any transport packet drops the picture that lacks it, and all up to the next key picture', () => {
    const whole = (() => {
      const ts = new TsBuilder().tables(BOTH);
      for (let n = 0; n < 12; n++) picture(ts, n, { key: n % 4 === 0, bytes: 1000 });
      return ts.take();
    })();
    const packets = whole.length / 188;
    expect(packets).toBe(2 + 12 * 6);
    for (let lost = 2; lost < packets; lost++) {
      const bytes = join(whole.subarray(0, lost * 188), whole.subarray((lost + 1) * 188));
      const result = demux(bytes);
      const hit = Math.floor((lost - 2) / 6);
      // The one before may end in the lost packet, as far as anybody can tell.
      const startsPicture = (lost - 2) % 6 === 0;
      const nextKey = hit - (hit % 4) + 4;
      const last = startsPicture ? hit - 2 : hit - 1;
      expect(numbers(result)).toEqual(Array.from({ length: 12 }, (_, n) => n).filter((n) => n <= last || n >= nextKey));
      for (const { byteLength } of result.packets) expect(byteLength).toBe(1000);
    }
  });

  it('of sixteen packets, which no counter tells, shows in PES packets that know their length', () => {
    const ts = new TsBuilder().tables(BOTH);
    const long = keyUnit(0, 184 * 30);
    ts.pes(VIDEO, pesHeader({ pts: 0, payloadBytes: long.length }), long);
    const bytes = ts.take();
    const holed = join(bytes.subarray(0, 188 * 5), bytes.subarray(188 * 21));
    ts.pes(VIDEO, pesHeader({ pts: FRAME_TICKS }), plainUnit(1));
    const result = demux(join(holed, ts.take()));
    expect(result.packets).toEqual([]);
  });

  it('is none where a packet comes twice', () => {
    const ts = new TsBuilder().tables(BOTH);
    for (let n = 0; n < 6; n++) picture(ts, n, { key: n === 0, bytes: 1000 });
    const bytes = ts.take();
    const twice = join(
      ...Array.from({ length: bytes.length / 188 }, (_, i) => bytes.subarray(i * 188, i * 188 + 188)).flatMap((p) => [
        p,
        p,
      ]),
    );
    const result = demux(twice);
    expect(numbers(result)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(result.demuxer.counts).toMatchObject({ gaps: 0, duplicates: bytes.length / 188 });
  });

  it('of sound drops the frames that lack something and no others', () => {
    const ts = new TsBuilder().tables(BOTH);
    for (let n = 0; n < 5; n++)
      ts.pes(AUDIO, pesHeader({ pts: n * 5760, streamId: 0xc0 }), adts(3 * n, 3 * n + 1, 3 * n + 2));
    const bytes = ts.take();
    const result = demux(bytes);
    expect(result.packets.map(({ units }) => units[0]?.[0])).toEqual(Array.from({ length: 15 }, (_, n) => n));
    expect(result.packets.map(({ ptsUs }) => ptsUs)).toEqual(
      Array.from({ length: 15 }, (_, n) => Math.floor(n / 3) * 64_000 + Math.round(((n % 3) * 1024e6) / 48_000)),
    );
    // The first transport packet of the second PES packet.
    const perPes = (bytes.length / 188 - 2) / 5;
    const holed = join(bytes.subarray(0, (2 + perPes) * 188), bytes.subarray((3 + perPes) * 188));
    const left = demux(holed).packets.map(({ units }) => units[0]?.[0]);
    expect(left).toEqual([0, 1, 2, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
  });
});

describe('programmes', () => {
  it('with codecs that can not be carried are left out with a note', () => {
    const ts = new TsBuilder().tables({ [VIDEO]: 0x02, [AUDIO]: 0x81, 258: 0x06, 259: 0x03 });
    const { notes, packets } = demux(join(ts.take(), ts.tables({}).take()));
    expect(packets).toEqual([]);
    expect(notes).toEqual([
      'MPEG-2 video is left out: that codec can not be carried',
      'AC-3 is left out: that codec can not be carried',
      'MPEG audio is left out: that codec can not be carried',
    ]);
  });

  it('are read by the first stream of each kind that can be carried', () => {
    const ts = new TsBuilder().tables({ [AUDIO]: 0x04, 258: ADTS, 259: ADTS });
    ts.pes(AUDIO, pesHeader({ pts: 0 }), adts(1, 1)).pes(0x103, pesHeader({ pts: 0 }), adts(3, 3));
    ts.pes(0x102, pesHeader({ pts: 0 }), adts(2, 2));
    const { notes, packets, tracks } = demux(ts.take());
    expect(packets.map(({ units }) => units[0]?.[0])).toEqual([2, 2]);
    expect(tracks[0]?.parameters).toEqual([writeAacConfig(CONFIG)]);
    expect(notes).toEqual([
      'MPEG audio is left out: that codec can not be carried',
      'AAC is left out: only the first audio stream is taken',
    ]);
  });

  it('change their streams by a new map, and go on', () => {
    const ts = new TsBuilder().tables(BOTH);
    picture(ts, 0, { key: true });
    picture(ts, 1);
    ts.section(0x1000, writePmt([{ pid: 0x200, streamType: H264 }], 0x200));
    ts.pes(0x200, pesHeader({ pts: 2 * FRAME_TICKS }), keyUnit(2));
    ts.section(0x1000, writePmt([{ pid: 0x200, streamType: H264 }], 0x200));
    ts.pes(0x200, pesHeader({ pts: 3 * FRAME_TICKS }), plainUnit(3));
    const result = demux(ts.take());
    expect(numbers(result)).toEqual([0, 1, 2, 3]);
  });

  it('with a broken check sum are not believed', () => {
    const broken = writePmt([{ pid: 0x200, streamType: H264 }], 0x200);
    broken[15] = (broken[15] ?? 0) ^ 1;
    const ts = new TsBuilder().tables(BOTH).section(0x1000, broken);
    picture(ts, 0, { key: true });
    const result = demux(ts.take());
    expect(numbers(result)).toEqual([0]);
    expect(result.demuxer.counts.broken).toBe(1);
  });

  it('leave out what nobody wants', () => {
    const ts = new TsBuilder().tables(BOTH);
    picture(ts, 0, { key: true });
    ts.pes(AUDIO, pesHeader({ pts: 0 }), adts(1, 1));
    const bytes = ts.take();
    const kinds = (options: { video?: boolean; audio?: boolean }) =>
      demux(bytes, 188, options).packets.map(({ track }) => track.kind);
    expect(kinds({ video: false })).toEqual(['audio', 'audio']);
    expect(kinds({ audio: false })).toEqual(['video']);
  });
});

describe('transport packets', () => {
  it('that are scrambled are refused with one note', () => {
    const ts = new TsBuilder().tables(BOTH);
    for (let n = 0; n < 4; n++) picture(ts, n, { key: true });
    const bytes = ts.take();
    for (let at = 376; at < bytes.length; at += 188) bytes[at + 3] = (bytes[at + 3] ?? 0) | 0x80;
    const { packets, notes, demuxer } = demux(bytes);
    expect(packets).toEqual([]);
    expect(notes).toEqual(['parts of the stream are scrambled and left out']);
    expect(demuxer.counts.scrambled).toBe(bytes.length / 188 - 2);
  });

  it('that announce a jump of their counter end the picture before, which is whole', () => {
    const ts = new TsBuilder().tables(BOTH);
    picture(ts, 0, { key: true });
    picture(ts, 1);
    const before = ts.take();
    ts.skip(VIDEO, 5);
    picture(ts, 2, { key: true, bytes: 8 });
    picture(ts, 3);
    const after = ts.take();
    // The short picture's packet has an adaptation field, for stuffing: its flags follow its length.
    after[5] = 0x80;
    const result = demux(join(before, after));
    expect(numbers(result)).toEqual([0, 1, 2, 3]);
    expect(result.demuxer.counts.gaps).toBe(0);
  });

  it('of nothing but noise are passed over at a cost that does not grow', () => {
    const random = prng(7);
    const { demuxer, packets } = collector();
    for (let i = 0; i < 500; i++)
      demuxer.push(Uint8Array.from({ length: 1316 }, () => (random() < 0.02 ? 0x47 : random() * 256)));
    expect(packets).toEqual([]);
    expect(demuxer.junkBytes).toBeGreaterThan(500_000);
  });
});
