import { execFileSync, spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import type { MediaPacket } from '../packet.ts';
import { mutate, prng } from '../testing/mutate.ts';
import { BitReader, BitWriter, escapeRbsp, unescapeRbsp } from './bits.ts';
import { h264Track, joinAnnexB, parseSps, sliceType, splitAnnexB, withMaxDecFrameBuffering } from './h264.ts';
import { nalType } from './h264-nal.ts';
import { readRestriction, readSpsHead, readVuiHead } from './h264-sps.ts';

const SOURCE = ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=322x184:rate=25:duration=1', '-pix_fmt', 'yuv420p'];

function encode(args: readonly string[]): Uint8Array[] {
  const output = execFileSync('ffmpeg', [...SOURCE, '-c:v', 'libx264', ...args, '-f', 'h264', '-'], {
    maxBuffer: 1 << 28,
  });
  return splitAnnexB(new Uint8Array(output));
}

function decode(units: readonly Uint8Array[]): string {
  const input = joinAnnexB(units);
  const args = ['-v', 'warning', '-xerror', '-f', 'h264', '-i', '-', '-f', 'framemd5', '-'];
  const result = spawnSync('ffmpeg', args, { input, maxBuffer: 1 << 28 });
  expect(result.stderr.toString().replace(/.*packet with unknown timestamp.*\n/g, '')).toBe('');
  return result.stdout.toString();
}

/** What the bitstream restriction says; undefined without one. */
function restriction(sps: Uint8Array) {
  const reader = new BitReader(unescapeRbsp(sps));
  const { maxRefFrames } = readSpsHead(reader);
  if (!reader.flag()) return undefined;
  readVuiHead(reader);
  if (!reader.flag()) return undefined;
  const { maxReorderFrames } = readRestriction(reader);
  return { maxRefFrames, maxReorderFrames, maxDecFrameBuffering: reader.ue() };
}

/** The SPS without its VUI, as many cameras write it. */
function withoutVui(sps: Uint8Array): Uint8Array {
  const rbsp = unescapeRbsp(sps);
  const reader = new BitReader(rbsp);
  readSpsHead(reader);
  const writer = new BitWriter();
  writer.copy(new BitReader(rbsp), rbsp.length * 8 - reader.bitsLeft);
  writer.bits(0b01, 2);
  return escapeRbsp(writer.bytes());
}

const spsOf = (units: readonly Uint8Array[]) => units.find((unit) => nalType(unit) === 7) ?? new Uint8Array();

describe('withMaxDecFrameBuffering', () => {
  const cases = [
    { name: 'with B-frames', args: ['-bf', '3', '-refs', '4'] },
    { name: 'baseline', args: ['-profile:v', 'baseline', '-refs', '1'] },
    { name: 'with timing and HRD', args: ['-x264-params', 'nal-hrd=vbr:bitrate=500:vbv-maxrate=900:vbv-bufsize=900'] },
    {
      name: 'interlaced with another shape of samples',
      args: ['-flags', '+ildct', '-vf', 'setsar=40/33', '-x264-params', 'tff=1'],
    },
  ];

  test.each(cases)('sets the value, and everything else stays: $name', ({ args }) => {
    const units = encode([...args, '-g', '10']);
    const sps = spsOf(units);
    const before = restriction(sps);
    for (const value of [0, 1, 5, 16, 99]) {
      const rewritten = withMaxDecFrameBuffering(sps, value);
      const least = Math.max(before?.maxRefFrames ?? 99, before?.maxReorderFrames ?? 99);
      expect(restriction(rewritten)).toEqual({ ...before, maxDecFrameBuffering: Math.max(Math.min(value, 16), least) });
      expect(parseSps(rewritten)).toEqual(parseSps(sps));
      // Rewriting twice changes nothing more, and what says so already is not copied.
      expect(withMaxDecFrameBuffering(rewritten, value)).toBe(rewritten);
    }
    const changed = units.map((unit) => (nalType(unit) === 7 ? withMaxDecFrameBuffering(unit, 16) : unit));
    expect(decode(changed)).toBe(decode(units));
  });

  test('adds a restriction where there is none, and a whole VUI where there is none', () => {
    const units = encode(['-profile:v', 'high', '-bf', '2', '-refs', '3', '-g', '10']);
    const bare = withoutVui(spsOf(units));
    expect(restriction(bare)).toBeUndefined();
    expect(parseSps(bare)).toMatchObject({ width: 322, height: 184, fps: undefined });
    const rewritten = withMaxDecFrameBuffering(bare, 1);
    const frames = restriction(rewritten)?.maxRefFrames ?? 0;
    expect(frames).toBeGreaterThan(1);
    expect(restriction(rewritten)).toEqual({
      maxRefFrames: frames,
      maxReorderFrames: frames,
      maxDecFrameBuffering: frames,
    });
    expect(parseSps(rewritten)).toEqual({ ...parseSps(bare), maxReorderFrames: frames });
    const changed = units.map((unit) => (nalType(unit) === 7 ? rewritten : unit));
    const pictures = (text: string) =>
      text
        .split('\n')
        .filter((line) => line.startsWith('0,'))
        .map((line) => line.split(',').at(-1));
    expect(pictures(decode(changed))).toEqual(pictures(decode(units)));
  });

  test('leaves alone what is no SPS and what is broken, whatever the damage', () => {
    const sps = spsOf(encode(['-bf', '2']));
    expect(withMaxDecFrameBuffering(Uint8Array.of(0x68, 1, 2), 1)).toEqual(Uint8Array.of(0x68, 1, 2));
    const cut = sps.subarray(0, 6);
    expect(withMaxDecFrameBuffering(cut, 1)).toBe(cut);
    const random = prng(9);
    let same = 0;
    for (let round = 0; round < 5000; round += 1) {
      const damaged = mutate(sps, random);
      const result = withMaxDecFrameBuffering(damaged, 4);
      if (result === damaged) same += 1;
      else expect(restriction(result)?.maxDecFrameBuffering).toBeGreaterThanOrEqual(4);
    }
    expect(same).toBeGreaterThan(500);
    expect(same).toBeLessThan(4900);
  });
});

describe('sliceType', () => {
  const packetOf = (units: readonly Uint8Array[]): MediaPacket => {
    return { track: h264Track(0, []), units, ptsUs: 0, dtsUs: 0, key: false, byteLength: 0 };
  };

  test.each([
    { name: 'B-frames', args: ['-bf', '2', '-b_strategy', '0', '-g', '10'] },
    { name: 'several slices', args: ['-bf', '1', '-b_strategy', '0', '-x264-params', 'slices=4'] },
    { name: 'none', args: ['-profile:v', 'baseline', '-g', '7'] },
  ])('of each picture is what ffprobe says: $name', ({ args }) => {
    const units = encode(args);
    // Each picture begins with a slice of macroblock 0: its first bit after the header is set.
    const first = units.filter((unit) => [1, 5].includes(nalType(unit)) && ((unit[1] ?? 0) & 0x80) !== 0);
    const types = first.map((unit) => sliceType(packetOf([Uint8Array.of(6, 1), unit])));
    const options = [
      '-v',
      'error',
      '-f',
      'h264',
      '-show_entries',
      'frame=pict_type,coded_picture_number',
      '-of',
      'json',
      '-',
    ];
    const { frames } = JSON.parse(execFileSync('ffprobe', options, { input: joinAnnexB(units), encoding: 'utf8' }));
    frames.sort(
      (a: { coded_picture_number: number }, b: { coded_picture_number: number }) =>
        a.coded_picture_number - b.coded_picture_number,
    );
    expect(types).toEqual(frames.map((frame: { pict_type: string }) => frame.pict_type));
    expect(types).toContain('I');
  });

  test('is unknown for other codecs, packets without slices and garbage', () => {
    expect(
      sliceType({ ...packetOf([Uint8Array.of(0x41, 0xff)]), track: { ...h264Track(0, []), codec: 'h265' } }),
    ).toBeUndefined();
    for (const unit of [[6, 1], [0x41], [0x41, 0], [0x41, 0x80], [0x41, 0x80, 0, 0], [0x41, 0x83, 0xff, 0xff]]) {
      expect(sliceType(packetOf([Uint8Array.from(unit)]))).toBeUndefined();
    }
    // Macroblock 7, slice type 6: B.
    expect(sliceType(packetOf([Uint8Array.of(0x41, 0b00010000, 0b01110000)]))).toBe('B');
  });
});
