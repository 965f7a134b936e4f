import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { MediaPacket } from '../../packet.ts';
import { mutate, prng } from '../../testing/mutate.ts';
import { byteStream, collector, demux, ofKind } from '../testing/demuxed.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-demux-'));
afterAll(() => rmSync(directory, { recursive: true }));

const VIDEO = ['-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=25:duration=3'];
const AUDIO = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=3'];
const X264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-g', '25', '-bf', '3', '-pix_fmt', 'yuv420p'];
const X265 = ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'log-level=none:keyint=25:bframes=3'];
const AAC = ['-c:a', 'aac', '-ac', '2'];

function encode(name: string, args: readonly string[]): { path: string; bytes: Uint8Array } {
  const path = join(directory, `${name}.ts`);
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...args, '-f', 'mpegts', path]);
  return { path, bytes: new Uint8Array(readFileSync(path)) };
}

interface Probed {
  readonly codec_type: string;
  readonly pts: number;
  readonly dts: number;
  readonly flags: string;
  readonly size: string;
}

function probe(path: string, kind: string): Probed[] {
  const args = ['-v', 'error', '-select_streams', kind[0] ?? '', '-show_packets', '-of', 'json', path];
  return JSON.parse(execFileSync('ffprobe', args, { encoding: 'utf8', maxBuffer: 1 << 28 })).packets;
}

/** Hashes of all pictures, in the order in which they are shown. */
function pictures(path: string): string[] {
  const args = ['-v', 'error', '-i', path, '-map', '0:v', '-fps_mode', 'passthrough', '-f', 'framemd5', '-'];
  const lines = execFileSync('ffmpeg', args, { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => /^\d/.test(line)).map((line) => line.split(',')[5]?.trim() ?? '');
}

function picturesOf(packets: readonly MediaPacket[], codec: string): string[] {
  const path = join(directory, `pictures.${codec}`);
  writeFileSync(path, byteStream(packets));
  return pictures(path);
}

const h264 = encode('h264', [...VIDEO, ...AUDIO, ...X264, ...AAC]);

describe('transport streams of ffmpeg', () => {
  it.each<[string, string[], string, string]>([
    ['H.264 with B-frames and AAC', [...VIDEO, ...AUDIO, ...X264, ...AAC], 'h264', 'aac'],
    ['H.265 and AAC', [...VIDEO, ...AUDIO, ...X265, ...AAC], 'h265', 'aac'],
    ['sound only, mono', [...AUDIO, '-c:a', 'aac', '-ac', '1'], '', 'aac'],
    ['H.264 in an open GOP', [...VIDEO, ...X264, '-x264-params', 'open-gop=1:scenecut=0'], 'h264', ''],
    ['H.264 in slices', [...VIDEO, ...X264, '-slices', '4'], 'h264', ''],
    ['H.264 in fields', [...VIDEO, ...X264, '-flags', '+ildct+ilme'], 'h264', ''],
    ['PES packets that tell their length', [...VIDEO, ...AUDIO, ...X264, '-omit_video_pes_length', '0'], 'h264', 'mp2'],
    ['AAC in LATM', [...VIDEO, ...AUDIO, ...X264, ...AAC, '-mpegts_flags', 'latm'], 'h264', 'aac'],
    ['Opus', [...VIDEO, ...AUDIO, ...X264, '-c:a', 'libopus', '-ac', '2'], 'h264', 'opus'],
    ['packets of 192 bytes', [...VIDEO, ...X264, '-mpegts_m2ts_mode', '1'], 'h264', ''],
    ['one AAC frame a PES packet', [...AUDIO, ...AAC, '-pes_payload_size', '0'], '', 'aac'],
  ])(
    'are read packet by packet as ffprobe reads them: %s',
    (name, args, video, audio) => {
      const { path, bytes } = encode(name.replace(/\W/g, '-'), args);
      const { packets, notes, demuxer } = demux(bytes);
      expect(demuxer.counts).toMatchObject({ gaps: 0, broken: 0, brokenUnits: 0, withheld: 0, duplicates: 0 });
      expect(notes).toEqual(audio === 'mp2' ? ['MPEG audio is left out: that codec can not be carried'] : []);
      for (const kind of ['video', 'audio'] as const) {
        const codec = kind === 'video' ? video : audio;
        const got = ofKind(packets, kind);
        const want = codec === '' || codec === 'mp2' ? [] : probe(path, kind);
        expect(got.length).toBe(want.length);
        for (const [i, packet] of got.entries()) {
          const probed = want[i];
          expect(packet.track.codec).toBe(codec);
          expect(packet.key).toBe(probed?.flags.startsWith('K'));
          // ffprobe counts frames within a PES packet on in ticks, without fractions.
          const tolerance = kind === 'audio' ? 50 : 6;
          expect(Math.abs(packet.ptsUs - ((probed?.pts ?? 0) * 100) / 9)).toBeLessThan(tolerance);
          expect(Math.abs(packet.dtsUs - ((probed?.dts ?? 0) * 100) / 9)).toBeLessThan(tolerance);
        }
      }
      if (video !== '') expect(picturesOf(packets, video)).toEqual(pictures(path));
    },
    30_000,
  );

  it('come out the same whatever pieces they come in, behind junk and with junk between', () => {
    const whole = demux(h264.bytes, h264.bytes.length).packets;
    for (const size of [1, 7, 188, 189, 4096]) expect(demux(h264.bytes, size).packets).toEqual(whole);
    const junk = Uint8Array.from({ length: 1000 }, (_, i) => (i % 5 === 1 ? 0x47 : i));
    const middle = 188 * 400;
    const parts = [junk, h264.bytes.subarray(0, middle), junk, h264.bytes.subarray(middle)];
    const { packets, demuxer } = demux(new Uint8Array(Buffer.concat(parts)), 1000);
    expect(packets).toEqual(whole);
    expect(demuxer.junkBytes).toBe(2000);
  });

  it('go on with even times where the time stamps wrap at 33 bits', () => {
    const { path, bytes } = encode('wrap', [...VIDEO, ...AUDIO, ...X264, ...AAC, '-output_ts_offset', '95440.5']);
    expect(probe(path, 'video').length).toBe(75);
    const { packets } = demux(bytes);
    for (const [kind, count] of [
      ['video', 75],
      ['audio', 142],
    ] as const) {
      const times = ofKind(packets, kind).map(({ dtsUs }) => dtsUs);
      expect(times.length).toBe(count);
      const steps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
      const stepUs = kind === 'video' ? 40_000 : 21_333;
      for (const step of steps) expect(Math.abs(step - stepUs)).toBeLessThan(60);
    }
    const [video] = ofKind(packets, 'video');
    const [audio] = ofKind(packets, 'audio');
    expect(Math.abs((video?.ptsUs ?? 0) - (audio?.ptsUs ?? Number.NaN))).toBeLessThan(100_000);
  }, 20_000);

  it.each([
    ['h264', 'H.264', X264],
    ['h264', 'H.264 in an open GOP', [...X264, '-x264-params', 'open-gop=1:scenecut=0']],
    ['h265', 'H.265', X265],
  ])(
    'lose whole pictures and no parts of any when transport packets are lost, up to the next key picture: %s, %s',
    (codec, name, encoder) => {
      const { path, bytes } = encode(`lossy-${name.replace(/\W/g, '-')}`, [...VIDEO, ...AUDIO, ...encoder, ...AAC]);
      const intact = new Set(pictures(path));
      const complete = demux(bytes).packets.length;
      for (let seed = 1; seed <= 5; seed++) {
        const random = prng(seed);
        const { demuxer, packets } = collector();
        let lost = 0;
        for (let at = 0; at < bytes.length; at += 1316) {
          if (random() < 0.03) lost++;
          else demuxer.push(bytes.subarray(at, at + 1316));
        }
        demuxer.flush();
        expect(lost).toBeGreaterThan(0);
        expect(packets.length).toBeLessThan(complete);
        const shown = picturesOf(packets, codec);
        const given = ofKind(packets, 'video').length;
        // Between I pictures that are no IDR, ffmpeg shows not all that it decodes when others are missing.
        if (name === 'H.264 in an open GOP') expect(shown.length).toBeLessThanOrEqual(given);
        else expect(shown.length).toBe(given);
        expect(shown.length).toBeGreaterThan(0);
        expect(shown.filter((hash) => !intact.has(hash))).toEqual([]);
      }
    },
    30_000,
  );

  it('are read by their first programme with media', () => {
    const two = ['-map', '0', '-map', '1', '-map', '0', '-program', 'st=0:st=1', '-program', 'st=2'];
    const { bytes } = encode('two-programmes', [...VIDEO, ...AUDIO, ...two, ...X264, ...AAC]);
    const { packets, notes } = demux(bytes);
    expect([ofKind(packets, 'video').length, ofKind(packets, 'audio').length]).toEqual([75, 142]);
    expect(notes).toEqual(['of 2 programmes only number 1 is taken']);
  }, 20_000);

  it('that are mutated give packets within bounds or nothing, and are read again behind the damage', () => {
    const random = prng(20_261_122);
    const piece = h264.bytes.subarray(0, 188 * 300);
    const keyPictures = ofKind(demux(h264.bytes).packets, 'video').filter(({ key }) => key).length;
    for (let round = 0; round < 400; round++) {
      let damaged = piece;
      for (let i = 0; i < 6; i++) damaged = mutate(damaged, random);
      const { demuxer, packets } = collector();
      for (let at = 0; at < damaged.length; ) {
        const size = 1 + Math.floor(random() * 3000);
        demuxer.push(damaged.subarray(at, at + size));
        at += size;
      }
      for (const { ptsUs, dtsUs, byteLength, units } of packets) {
        expect(Number.isSafeInteger(ptsUs) && Number.isSafeInteger(dtsUs) && ptsUs >= dtsUs).toBe(true);
        expect(byteLength).toBe(units.reduce((sum, unit) => sum + unit.length, 0));
      }
      const before = ofKind(packets, 'video').length;
      demuxer.push(h264.bytes);
      demuxer.flush();
      const after = ofKind(packets, 'video').slice(before);
      // The whole stream once more: at most its first group of pictures is lost with what was damaged before it.
      expect(after.filter(({ key }) => key).length).toBeGreaterThanOrEqual(keyPictures - 1);
    }
  }, 60_000);
});
