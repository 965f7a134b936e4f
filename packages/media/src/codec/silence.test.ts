import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { FlvAudioReader, FlvDemuxer, flvConfigTag, flvFrameTag, writeFlvHeader, writeFlvTag } from '../flv/index.ts';
import { Mp4Reader, writeInitSegment, writeMediaSegment } from '../mp4/index.ts';
import type { MediaPacket, Track } from '../packet.ts';
import { mutate, prng } from '../testing/mutate.ts';
import { aacTrack, writeAacConfig } from './aac.ts';
import { opusPacketTicks, writeOpusHead } from './opus.ts';
import { g726Track, l16Track } from './raw-audio.ts';
import { silentFrame } from './silence.ts';
import { speexFrameCount } from './speex.ts';
import { g722Track, speexTrack } from './telephony.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-silence-'));
afterAll(() => rmSync(directory, { recursive: true }));

const NOISE = ['-f', 'lavfi', '-i', 'anoisesrc=a=0.5:c=pink:r=48000:d=1:s=7'];

function encode(name: string, args: readonly string[]): Uint8Array {
  const path = join(directory, name);
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...NOISE, ...args, path]);
  return new Uint8Array(readFileSync(path));
}

/** Packets of an MP4 or FLV file with sound only. */
async function packetsOf(file: Uint8Array): Promise<MediaPacket[]> {
  const packets: MediaPacket[] = [];
  if (file[0] === 0x46) {
    const reader = new FlvAudioReader(0);
    for (const tag of new FlvDemuxer().push(file)) {
      const frame = tag.type === 8 ? reader.read(tag.data) : undefined;
      if (frame === undefined) continue;
      const timeUs = tag.timestampMs * 1000;
      packets.push({ ...frame, ptsUs: timeUs, dtsUs: timeUs, byteLength: frame.units[0]?.length ?? 0 });
    }
    return packets;
  }
  const reader = await Mp4Reader.open({ size: file.length, read: async (at, size) => file.subarray(at, at + size) });
  for await (const packet of reader.readPackets()) packets.push({ ...packet, dtsUs: packet.dtsUs + 1e6 });
  return packets;
}

/** The same packet with other content. */
function withFrame(packet: MediaPacket, frame: Uint8Array | undefined): MediaPacket {
  if (frame === undefined) throw new Error('no silent frame');
  return { ...packet, units: [frame], byteLength: frame.length };
}

/** Decodes with ffmpeg, which must find nothing to complain of. Samples of all channels, interleaved. */
function decode(packets: readonly MediaPacket[], inMp4: boolean): Int16Array {
  const track = packets[0]?.track;
  if (track === undefined) throw new Error('no packets');
  const path = join(directory, 'decode');
  if (inMp4) {
    const samples = packets.map((packet, i) => ({
      packet,
      durationUs: Math.max(0, (packets[i + 1]?.dtsUs ?? packet.dtsUs) - packet.dtsUs),
    }));
    writeFileSync(path, Buffer.concat([writeInitSegment([track]), writeMediaSegment(1, [{ track, samples }])]));
  } else {
    const config = flvConfigTag(track);
    const head = config === undefined ? [] : [writeFlvTag(8, 0, config)];
    const tags = packets.map((packet) => writeFlvTag(8, packet.dtsUs / 1000, flvFrameTag(packet)));
    writeFileSync(path, Buffer.concat([writeFlvHeader({ hasVideo: false, hasAudio: true }), ...head, ...tags]));
  }
  const result = spawnSync('ffmpeg', ['-v', 'error', '-i', path, '-f', 's16le', '-'], { maxBuffer: 1 << 28 });
  expect(result.stderr.toString()).toBe('');
  return new Int16Array(new Uint8Array(result.stdout).buffer);
}

/** Deviation from the mean in dB of full scale: A-law knows no zero, its smallest values are 8 and -8. */
function loudness(samples: Int16Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample;
  const mean = sum / samples.length;
  let squares = 0;
  for (const sample of samples) squares += (sample - mean) ** 2;
  return 20 * Math.log10(Math.sqrt(squares / samples.length) / 32768);
}

describe('silence', () => {
  const opus = (...more: string[]) => ['-c:a', 'libopus', ...more];
  const cases: { name: string; file: string; args: string[] }[] = [
    ...['mono', 'stereo', '3.0', '4.0', '5.0', '5.1'].map((layout) => ({
      name: `AAC in ${layout}`,
      file: 'a.mp4',
      args: ['-c:a', 'aac', '-af', `aformat=channel_layouts=${layout}`],
    })),
    { name: 'AAC of 44.1 kHz', file: 'a.mp4', args: ['-c:a', 'aac', '-ar', '44100'] },
    { name: 'Opus in CELT', file: 'o.mp4', args: opus('-ac', '2', '-b:a', '128k') },
    {
      name: 'Opus of 2.5 ms',
      file: 'o.mp4',
      args: opus('-ac', '1', '-frame_duration', '2.5', '-application', 'lowdelay'),
    },
    { name: 'Opus in SILK', file: 'o.mp4', args: opus('-ac', '1', '-b:a', '12k', '-application', 'voip') },
    {
      name: 'Opus of 60 ms',
      file: 'o.mp4',
      args: opus('-ac', '2', '-b:a', '16k', '-application', 'voip', '-frame_duration', '60'),
    },
    { name: 'Opus of 120 ms', file: 'o.mp4', args: opus('-ac', '2', '-frame_duration', '120') },
    { name: 'Opus with 6 channels', file: 'o.mp4', args: opus('-ac', '6', '-frame_duration', '40') },
    { name: 'G.711 A-law', file: 'g.flv', args: ['-c:a', 'pcm_alaw', '-ar', '8000', '-ac', '1'] },
    { name: 'G.711 mu-law', file: 'g.flv', args: ['-c:a', 'pcm_mulaw', '-ar', '8000', '-ac', '1'] },
    { name: 'Speex', file: 's.flv', args: ['-c:a', 'libspeex', '-ar', '16000', '-ac', '1'] },
    {
      name: 'three Speex frames at a time',
      file: 's.flv',
      args: ['-c:a', 'libspeex', '-ar', '16000', '-ac', '1', '-frames_per_packet', '3', '-cbr_quality', '4'],
    },
  ];

  test.each(cases)('takes the place of $name, as long and without any sound', async ({ file, args }) => {
    const packets = await packetsOf(encode(file, args));
    const from = Math.floor(packets.length / 3);
    const muted = packets.map((packet, i) => (i < from ? packet : withFrame(packet, silentFrame(packet))));
    const inMp4 = file.endsWith('mp4');
    const before = decode(packets, inMp4);
    const after = decode(muted, inMp4);
    expect(after.length).toBe(before.length);
    // Loud at first; from a good while after the change on, nothing.
    expect(loudness(after.subarray(0, after.length * 0.3))).toBeGreaterThan(-40);
    expect(loudness(before.subarray(after.length * 0.6))).toBeGreaterThan(-40);
    expect(loudness(after.subarray(after.length * 0.6))).toBeLessThan(-80);
  });

  test('of AAC with 7.1 channels decodes to as many samples', () => {
    const track = aacTrack(0, writeAacConfig({ objectType: 2, sampleRate: 48_000, channels: 8 }));
    const packets = Array.from({ length: 10 }, (_, i): MediaPacket => {
      const us = Math.round((i * 1024e6) / 48_000);
      const packet = { track, units: [Uint8Array.of(1)], ptsUs: us, dtsUs: us, key: true, byteLength: 1 };
      return withFrame(packet, silentFrame(packet));
    });
    const samples = decode(packets, true);
    expect(samples.length).toBe(10 * 1024 * 8);
    expect(samples.every((sample) => sample === 0)).toBe(true);
  });

  test('keeps the duration of every kind of Opus packet', () => {
    const track = { id: 0, kind: 'audio', codec: 'opus', clockRate: 48_000, parameters: [writeOpusHead()] } as const;
    for (let config = 0; config < 32; config += 1) {
      for (const code of [[0], [1], [2], [3, 3]]) {
        const toc = (config << 3) | 4 | (code[0] ?? 0);
        const data = Uint8Array.of(toc, ...code.slice(1), 9, 9);
        const silent = silentFrame({ track, units: [data], ptsUs: 0, dtsUs: 0, key: true, byteLength: 3 });
        expect(opusPacketTicks(silent ?? new Uint8Array())).toBe(opusPacketTicks(data));
        if (silent !== undefined) expect((silent[0] ?? 0) & 4).toBe(4);
      }
    }
  });

  test('is not made for video, empty packets and what cannot be told', () => {
    const packet = (
      codec: 'h264' | 'aac' | 'opus' | 'speex',
      data: number[],
      ...parameters: number[][]
    ): MediaPacket => {
      const track = {
        id: 0,
        kind: 'audio',
        codec,
        clockRate: 48_000,
        parameters: parameters.map((p) => Uint8Array.from(p)),
      } as const;
      return { track, units: [Uint8Array.from(data)], ptsUs: 0, dtsUs: 0, key: true, byteLength: data.length };
    };
    expect(silentFrame(packet('h264', [1]))).toBeUndefined();
    expect(silentFrame(packet('aac', [], [0x12, 0x10]))).toBeUndefined();
    expect(silentFrame(packet('aac', [1]))).toBeUndefined();
    expect(silentFrame(packet('aac', [1], [0xff]))).toBeUndefined();
    expect(silentFrame(packet('opus', [3, 0]))).toBeUndefined();
    expect(silentFrame(packet('speex', [0x7f]))).toBeUndefined();
    // Stereo in a program config element: nobody can know its elements without reading it.
    expect(silentFrame(packet('aac', [1], [0x11, 0x80, 0x04, 0xc4, 0x00, 0x00, 0x20, 0x00]))).toBeUndefined();
  });
});

describe('Speex frames', () => {
  test('of silence have as many layers as their sampling rate asks for', () => {
    // A frame of mode 0, which is as short as it can be.
    const units = [Uint8Array.of(0b00000111)];
    const lengths = [8000, 16_000, 32_000].map((rate) => {
      const packet = { track: speexTrack(0, rate), units, ptsUs: 0, dtsUs: 0, key: true, byteLength: 1 };
      return silentFrame(packet)?.length;
    });
    // 43 bits, and 4 for each layer.
    expect(lengths).toEqual([6, 6, 7]);
    const wide = silentFrame({ track: speexTrack(0), units, ptsUs: 0, dtsUs: 0, key: true, byteLength: 1 });
    expect((wide?.at(-1) ?? 0) & 0b11111).toBe(0b10000);
  });

  test.each(['1', '2', '5', '8'])('are counted: %s', async (count) => {
    for (const quality of ['0', '3', '8', '10']) {
      const args = [
        '-c:a',
        'libspeex',
        '-ar',
        '16000',
        '-ac',
        '1',
        '-frames_per_packet',
        count,
        '-cbr_quality',
        quality,
      ];
      const packets = await packetsOf(encode('count.flv', args));
      const counts = packets.slice(0, -1).map((packet) => speexFrameCount(packet.units[0] ?? new Uint8Array()));
      expect(new Set(counts)).toEqual(new Set([Number(count)]));
    }
  });

  test('in damaged packets are counted without harm', async () => {
    const [packet] = await packetsOf(
      encode('fuzz.flv', ['-c:a', 'libspeex', '-ar', '16000', '-ac', '1', '-frames_per_packet', '4']),
    );
    const random = prng(5);
    const data = packet?.units[0] ?? new Uint8Array();
    for (let round = 0; round < 3000; round += 1) {
      const damaged = mutate(data, random);
      expect(speexFrameCount(damaged)).toBeLessThanOrEqual((damaged.length * 8) / 5);
      if (packet !== undefined) silentFrame({ ...packet, units: [damaged] });
    }
  });

  test('in numbers that no encoder packs are not silenced, so that one packet can not cost seconds', () => {
    const unit = new Uint8Array(60_000);
    const track = speexTrack(1);
    const packet = { track, units: [unit], ptsUs: 0, dtsUs: 0, key: true, byteLength: unit.length };
    expect(silentFrame(packet)).toBeUndefined();
  });
});

test.each([
  ['G.722', g722Track(1), ['-c:a', 'g722', '-ar', '16000', '-f', 'g722'], ['-f', 'g722'], 4],
  ...([3, 4, 5] as const).map((bitsPerSample): [string, Track, string[], string[], number] => [
    `G.726 of ${bitsPerSample} bits`,
    g726Track(1, { bitsPerSample, packing: 'rfc3551' }),
    ['-c:a', 'g726le', '-ar', '8000', '-b:a', `${bitsPerSample * 8}k`, '-f', 'g726le'],
    ['-f', 'g726le', '-code_size', String(bitsPerSample)],
    16 / bitsPerSample,
  ]),
])('%s fades to silence within 10 ms', (...[name, track, encoding, format, expansion]) => {
  const loud = encode(`loud of ${name}`, ['-ac', '1', ...encoding]);
  const packet: MediaPacket = { track, units: [loud], ptsUs: 0, dtsUs: 0, key: true, byteLength: loud.length };
  const path = join(directory, `silenced of ${name}`);
  writeFileSync(path, Buffer.concat([loud, withFrame(packet, silentFrame(packet)).units[0] ?? loud]));

  const result = spawnSync('ffmpeg', ['-v', 'error', ...format, '-i', path, '-f', 's16le', '-'], {
    maxBuffer: 1 << 28,
  });
  const samples = new Int16Array(new Uint8Array(result.stdout).buffer);

  expect(samples.length * 2).toBeCloseTo(loud.length * 2 * expansion, -1);
  const loudest = (from: number, to: number): number =>
    samples.slice(from, to).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  expect(loudest(0, samples.length / 2)).toBeGreaterThan(3000);
  expect(loudest(samples.length / 2 + 160, samples.length)).toBeLessThan(100);
});

test('G.726 of two bits, which has no step that fades, is not silenced; plain samples are', () => {
  const packetOf = (track: Track): MediaPacket => {
    return { track, units: [Uint8Array.of(1, 2, 3, 4)], ptsUs: 0, dtsUs: 0, key: true, byteLength: 4 };
  };
  expect(silentFrame(packetOf(g726Track(1, { bitsPerSample: 2, packing: 'aal2' })))).toBeUndefined();
  expect(silentFrame(packetOf(l16Track(1, 48_000, 2)))).toEqual(new Uint8Array(4));
});
