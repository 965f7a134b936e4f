import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseAacConfig } from '../codec/aac.ts';
import { canonicalUnits, parseAvcConfig, parseSps, splitAvcc } from '../codec/h264.ts';
import { ProtocolError } from '../packet.ts';
import { mutate, prng } from '../testing/mutate.ts';
import { parseFlvAudio } from './audio-body.ts';
import { FlvDemuxer, type FlvTag, writeFlvHeader, writeFlvTag } from './file.ts';
import { writeAacConfigTag, writeAacFrameTag, writeAvcConfigTag, writeAvcFrameTag } from './legacy-tags.ts';
import { parseFlvVideo } from './video-body.ts';

let file = new Uint8Array();

beforeAll(() => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-flv-'));
  const path = join(folder, 'test.flv');
  const video = ['-f', 'lavfi', '-i', 'testsrc2=size=320x240:rate=25:duration=2'];
  const audio = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=44100:duration=2'];
  const codecs = ['-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-bf', '2', '-g', '25', '-c:a', 'aac', '-ac', '2'];
  const options = ['-v', 'error', ...video, ...audio, ...codecs, '-flvflags', 'no_duration_filesize', path];
  execFileSync('ffmpeg', options);
  file = new Uint8Array(readFileSync(path));
  rmSync(folder, { recursive: true });
}, 30_000);

/** Demuxes `data` in chunks whose sizes `next` chooses. */
function demux(data: Uint8Array, next: () => number, demuxer = new FlvDemuxer()): FlvTag[] {
  const tags: FlvTag[] = [];
  for (let position = 0; position < data.length; ) {
    const end = position + next();
    tags.push(...demuxer.push(data.slice(position, end)));
    position = end;
  }
  return tags;
}

function concat(parts: Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let position = 0;
  for (const part of parts) {
    joined.set(part, position);
    position += part.length;
  }
  return joined;
}

describe('an FLV file of ffmpeg', () => {
  test('any chunking gives the same tags, and they rewrite byte-exact', () => {
    const random = prng(1);
    const whole = demux(file, () => file.length);
    expect(whole.length).toBeGreaterThan(130);
    for (const next of [() => 1, () => 7, () => 1 + Math.floor(random() * 5000)]) {
      expect(demux(file, next)).toEqual(whole);
    }
    const demuxer = new FlvDemuxer();
    demux(file, () => 1000, demuxer);
    const header = writeFlvHeader({ hasVideo: demuxer.hasVideo === true, hasAudio: demuxer.hasAudio === true });
    const rewritten = concat([header, ...whole.map((tag) => writeFlvTag(tag.type, tag.timestampMs, tag.data))]);
    expect(rewritten).toEqual(file);
  });

  test('every audio and video body parses and rewrites byte-exact', () => {
    const kinds: Record<string, number> = {};
    for (const tag of demux(file, () => 4096)) {
      if (tag.type === 18) continue;
      const rewritten = tag.type === 9 ? rewriteVideo(tag.data, kinds) : rewriteAudio(tag.data, kinds);
      expect(rewritten).toEqual(tag.data);
    }
    expect(kinds).toMatchObject({ 'video config': 1, 'video key': 2, 'video frame': 48, 'audio config': 1 });
    expect(kinds['audio frame']).toBeGreaterThan(80);
  });
});

function rewriteVideo(body: Uint8Array, kinds: Record<string, number>): Uint8Array {
  const count = (kind: string) => {
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  };
  const tag = parseFlvVideo(body);
  if (tag.kind === 'config') {
    count('video config');
    expect(parseSps(parseAvcConfig(tag.data).sps[0] ?? body)).toMatchObject({ width: 320, height: 240, fps: 25 });
    return writeAvcConfigTag(tag.data);
  }
  // ffmpeg ends the stream with an AVC end of sequence.
  if (tag.kind === 'end') return Uint8Array.of(0x17, 2, 0, 0, 0);
  if (tag.kind !== 'frame') throw new Error(`unexpected ${tag.kind}`);
  count(tag.key ? 'video key' : 'video frame');
  const units = splitAvcc(tag.data, 4);
  expect(canonicalUnits(units).key).toBe(tag.key);
  return writeAvcFrameTag(units, tag.key, tag.compositionUs / 1000);
}

function rewriteAudio(body: Uint8Array, kinds: Record<string, number>): Uint8Array {
  const tag = parseFlvAudio(body);
  if (tag.kind !== 'config' && tag.kind !== 'frame') throw new Error(`unexpected ${tag.kind}`);
  kinds[`audio ${tag.kind}`] = (kinds[`audio ${tag.kind}`] ?? 0) + 1;
  if (tag.kind === 'config') {
    expect(parseAacConfig(tag.data)).toMatchObject({ objectType: 2, sampleRate: 44100, channels: 2 });
    return writeAacConfigTag(tag.data);
  }
  return writeAacFrameTag(tag.data);
}

describe('tag bodies', () => {
  const bad = expect.objectContaining({ code: 'FLV_BAD_TAG' });

  test('composition times are signed', () => {
    for (const compositionMs of [0, 1, -1, 80, -8388608, 8388607]) {
      const body = writeAvcFrameTag([Uint8Array.of(0x65, 1)], true, compositionMs);
      expect(parseFlvVideo(body)).toMatchObject({ kind: 'frame', key: true, compositionUs: compositionMs * 1000 });
    }
  });

  test('cut and unknown bodies are refused', () => {
    for (const body of [[], [0x17], [0x17, 1, 0, 0], [0x17, 3, 0, 0, 0], [0x90, 1]]) {
      expect(() => parseFlvVideo(Uint8Array.from(body))).toThrow(bad);
    }
    for (const body of [[], [0xaf], [0xaf, 2], [0x90, 1]]) {
      expect(() => parseFlvAudio(Uint8Array.from(body))).toThrow(bad);
    }
    expect(parseFlvVideo(Uint8Array.of(0x17, 2))).toEqual({ kind: 'end' });
  });

  test('fuzz', () => {
    const random = prng(2);
    const seeds = [
      writeAvcFrameTag([Uint8Array.of(0x65, 1, 2, 3)], true, -5),
      writeAacFrameTag(Uint8Array.of(1, 2, 3)),
      Uint8Array.of(0x90, 0x68, 0x76, 0x63, 0x31, 9),
    ];
    for (let round = 0; round < 20_000; round += 1) {
      const body = mutate(seeds[round % seeds.length] ?? new Uint8Array(), random);
      for (const parse of [parseFlvVideo, parseFlvAudio]) {
        try {
          parse(body);
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error;
        }
      }
    }
  });
});

describe('FlvDemuxer', () => {
  const bad = expect.objectContaining({ code: 'FLV_BAD_FILE' });

  test('timestamps use all 32 bits', () => {
    const stream = concat([
      writeFlvHeader({ hasVideo: true, hasAudio: false }),
      writeFlvTag(9, 0xfedcba98, Uint8Array.of(1)),
    ]);
    expect(new FlvDemuxer().push(stream)).toEqual([{ type: 9, timestampMs: 0xfedcba98, data: Uint8Array.of(1) }]);
  });

  test('the data are copies', () => {
    const stream = concat([writeFlvHeader({ hasVideo: true, hasAudio: true }), writeFlvTag(8, 0, Uint8Array.of(1, 2))]);
    const [tag] = new FlvDemuxer().push(stream);
    stream.fill(0);
    expect(tag?.data).toEqual(Uint8Array.of(1, 2));
  });

  test('refuses other formats at once, large tags, encryption and lost synchronisation, and stays failed', () => {
    expect(() => new FlvDemuxer().push(Uint8Array.of(0x47))).toThrow(bad);
    const header = writeFlvHeader({ hasVideo: true, hasAudio: true });
    const large = new FlvDemuxer({ maxTagBytes: 10 });
    large.push(header);
    // The size alone is enough, the body need not come.
    expect(() => large.push(writeFlvTag(9, 0, new Uint8Array(11)).subarray(0, 11))).toThrow(bad);
    expect(() => large.push(new Uint8Array())).toThrow(bad);
    const tag = writeFlvTag(9, 0, Uint8Array.of(1));
    tag[0] = 0x29;
    expect(() => new FlvDemuxer().push(concat([header, tag]))).toThrow(bad);
    const trailer = writeFlvTag(9, 0, Uint8Array.of(1));
    trailer[15] = 99;
    expect(() => new FlvDemuxer().push(concat([header, trailer]))).toThrow(bad);
    expect(() => writeFlvTag(9, 0, new Uint8Array(0x1000000))).toThrow(bad);
  });

  test('small chunks of a large tag cost linear time', () => {
    const stream = concat([
      writeFlvHeader({ hasVideo: true, hasAudio: false }),
      writeFlvTag(9, 0, new Uint8Array(8_000_000)),
    ]);
    const started = performance.now();
    expect(demux(stream, () => 100)).toHaveLength(1);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  test('fuzz', () => {
    const random = prng(3);
    const seed = file.subarray(0, 3000);
    const started = performance.now();
    let refused = 0;
    for (let round = 0; round < 4000; round += 1) {
      // Half of the rounds damage the first tag headers, where it matters most.
      const damaged =
        round % 2 === 0 ? concat([mutate(seed.subarray(0, 40), random), seed.subarray(40)]) : mutate(seed, random);
      try {
        demux(damaged, () => 1 + Math.floor(random() * 1500));
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(500);
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
