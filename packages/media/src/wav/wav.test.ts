import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ByteSource } from '../file-plan.ts';
import { openMediaFile } from '../open-media-file.ts';
import { type MediaPacket, ProtocolError } from '../packet.ts';
import { mutate, prng } from '../testing/mutate.ts';
import { WavReader } from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-wav-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SINE = ['-f', 'lavfi', '-i', 'aevalsrc=0.7*sin(880*PI*t)|0.3*sin(400*PI*t):s=44100:d=0.55'];

const ffmpeg = (...args: string[]): Buffer => execFileSync('ffmpeg', ['-v', 'error', '-y', ...args]);

/** A file that FFmpeg makes, whole. */
function wav(...options: string[]): Uint8Array {
  const path = join(folder, 'file.wav');
  ffmpeg(...SINE, ...options, path);
  return new Uint8Array(readFileSync(path));
}

/** The same as samples of 16 bits, by FFmpeg. */
function samples(bytes: Uint8Array): Buffer {
  return execFileSync('ffmpeg', ['-v', 'error', '-f', 'wav', '-i', '-', '-f', 's16be', '-'], { input: bytes });
}

function sourceOf(bytes: Uint8Array): ByteSource & { reads: number } {
  return {
    size: bytes.length,
    reads: 0,
    async read(offset, length) {
      this.reads++;
      return bytes.subarray(offset, offset + length);
    },
  };
}

async function packetsOf(bytes: Uint8Array, fromUs?: number): Promise<MediaPacket[]> {
  const reader = await openMediaFile(sourceOf(bytes));
  const packets: MediaPacket[] = [];
  for await (const packet of reader.readPackets(fromUs)) packets.push(packet);
  return packets;
}

const joined = (packets: readonly MediaPacket[]): Buffer => Buffer.concat(packets.flatMap(({ units }) => [...units]));

/** The largest difference between two rows of samples of 16 bits, which are of the same length. */
function difference(one: Buffer, other: Buffer): number {
  expect(one.length).toBe(other.length);
  let most = 0;
  for (let i = 0; i < one.length; i += 2) most = Math.max(most, Math.abs(one.readInt16BE(i) - other.readInt16BE(i)));
  return most;
}

describe('samples of WAV files', () => {
  it.each([
    ['pcm_u8', 1, 0],
    ['pcm_s16le', 2, 0],
    ['pcm_s16le', 6, 0],
    ['pcm_s24le', 2, 1],
    ['pcm_s32le', 1, 1],
    ['pcm_f32le', 2, 2],
    ['pcm_f64le', 1, 2],
    ['pcm_alaw', 1, 0],
    ['pcm_mulaw', 2, 0],
  ])('of %s with %i channels are those that FFmpeg finds', async (codec, channels, tolerance) => {
    const bytes = wav('-c:a', codec, '-ac', String(channels), '-ar', '44100');
    const packets = await packetsOf(bytes);
    expect(packets[0]?.track).toMatchObject({ codec: 'l16', clockRate: 44_100, kind: 'audio' });
    expect([...(packets[0]?.track.parameters[0] ?? [])]).toEqual([channels]);
    const found = joined(packets);
    expect(difference(found, samples(bytes))).toBeLessThanOrEqual(tolerance);
    expect(found.some((byte) => byte > 100)).toBe(true);
  });

  it.each([
    ['pcm_alaw', 'pcma'],
    ['pcm_mulaw', 'pcmu'],
  ])('of a telephone (%s) are left as they are', async (codec, name) => {
    const bytes = wav('-c:a', codec, '-ac', '1', '-ar', '8000');
    const packets = await packetsOf(bytes);
    expect(packets[0]?.track).toMatchObject({ codec: name, clockRate: 8000, parameters: [] });
    expect(packets[0]?.byteLength).toBe(160);
    expect(joined(packets)).toEqual(Buffer.from(bytes.subarray(bytes.length - joined(packets).length)));
  });

  it('last 20 ms a packet, the last one less, at times that go on without a gap', async () => {
    const bytes = wav('-ac', '2', '-ar', '48000', '-t', '0.05');
    const packets = await packetsOf(bytes);
    expect(packets.map(({ ptsUs, dtsUs, byteLength, key }) => [ptsUs, dtsUs, byteLength, key])).toEqual([
      [0, 0, 3840, true],
      [20_000, 20_000, 3840, true],
      [40_000, 40_000, 1920, true],
    ]);
    expect((await openMediaFile(sourceOf(bytes))).durationUs).toBe(50_000);
  });

  it('begin where they are asked for', async () => {
    const bytes = wav('-ac', '1', '-ar', '16000', '-c:a', 'pcm_s24le');
    const all = await packetsOf(bytes);
    const some = await packetsOf(bytes, 205_000);
    expect(some[0]?.ptsUs).toBe(200_000);
    expect(joined(some)).toEqual(joined(all.slice(10)));
    expect(await packetsOf(bytes, 10_000_000)).toEqual([]);
  });

  it('are found in files over 4 GiB, by the sizes of RF64, and in those that were never finished', async () => {
    const plain = wav('-c:a', 'pcm_s16le');
    const expected = joined(await packetsOf(plain));
    const long = wav('-c:a', 'pcm_s16le', '-rf64', 'always');
    expect(Buffer.from(long.subarray(0, 4)).toString()).toBe('RF64');
    expect(joined(await packetsOf(long))).toEqual(expected);
    // Into a pipe FFmpeg can't write sizes afterwards.
    const piped = new Uint8Array(ffmpeg(...SINE, '-c:a', 'pcm_s16le', '-f', 'wav', '-'));
    expect(joined(await packetsOf(piped))).toEqual(expected);
    expect(joined(await packetsOf(plain.subarray(0, plain.length - 1001))).length).toBe(expected.length - 1004);
  });

  it.each([0, 36])(
    'are found where a recorder was cut off before it wrote sizes, its RIFF of %i bytes',
    async (size) => {
      const file = Buffer.from(wav('-bitexact'));
      const whole = joined(await packetsOf(file));
      file.writeUInt32LE(size, 4);
      file.writeUInt32LE(0, file.indexOf('data') + 4);
      expect(joined(await packetsOf(file))).toEqual(whole);
    },
  );

  it('are not kept in one large piece', async () => {
    const [first, second] = await packetsOf(wav('-ac', '1', '-ar', '8000', '-c:a', 'pcm_alaw'));
    expect(first?.units[0]?.buffer.byteLength).toBe(160);
    expect(first?.units[0]?.buffer).not.toBe(second?.units[0]?.buffer);
  });

  it('of unknown codings are named and left out', async () => {
    const reader = await WavReader.open(sourceOf(wav('-c:a', 'adpcm_ms')));
    expect(reader.tracks).toEqual([]);
    expect(reader.skipped).toEqual(['WAV 0x0002, 2 channels']);
    for await (const packet of reader.readPackets()) expect(packet).toBeUndefined();
  });
});

describe('damaged WAV files', () => {
  const broken = (bytes: Uint8Array) =>
    expect(packetsOf(bytes)).rejects.toMatchObject({ code: 'WAV_BAD_FILE', name: 'ProtocolError' });

  it('are refused in words', async () => {
    const good = Buffer.from(wav('-c:a', 'pcm_s16le'));
    await broken(good.subarray(0, 20));
    await broken(Buffer.concat([good.subarray(0, 8), Buffer.from('AVI '), good.subarray(12)]));
    const changed = (at: number, value: number) => {
      const copy = Buffer.from(good);
      copy.writeUInt16LE(value, at);
      return copy;
    };
    // Channels, rate and bytes of a block in a format that begins at 20.
    await broken(changed(22, 0));
    await broken(Buffer.from(changed(24, 0).fill(0, 26, 28)));
    await broken(changed(32, 0));
    await broken(changed(32, 3));
    await broken(Buffer.from(good.toString('latin1').replace('fmt ', 'xxxx'), 'latin1'));
    await broken(Buffer.from(good.toString('latin1').replace('data', 'xxxx'), 'latin1'));
  });

  it('that consist of empty pieces are not read to their end', async () => {
    const empty = Buffer.alloc(8);
    empty.write('JUNK');
    const head = Buffer.from('RIFF\0\0\0\0WAVE', 'latin1');
    const bytes = Buffer.concat([head, ...new Array<Buffer>(100_000).fill(empty)]);
    const source = sourceOf(bytes);
    await expect(openMediaFile(source)).rejects.toBeInstanceOf(ProtocolError);
    expect(source.reads).toBeLessThan(2000);
  });

  it('give packets or one error, whatever is in them', async () => {
    const random = prng(7);
    const seeds = [
      wav('-c:a', 'pcm_s24le', '-t', '0.1'),
      wav('-rf64', 'always', '-t', '0.1'),
      wav('-c:a', 'pcm_mulaw', '-t', '0.1'),
    ];
    let good = 0;
    for (let i = 0; i < 3000; i++) {
      const seed = seeds[i % seeds.length] ?? new Uint8Array();
      // Nearly all of it is in the first bytes.
      const head = mutate(seed.subarray(0, 100), random);
      const bytes = Buffer.concat([head, seed.subarray(100)]);
      try {
        for (const packet of await packetsOf(bytes)) expect(packet.byteLength).toBeLessThan(1 << 20);
        good++;
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }
    expect(good).toBeGreaterThan(100);
  });
});
