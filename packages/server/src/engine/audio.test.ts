import { execFileSync } from 'node:child_process';
import type { MediaPacket } from '@sluice/media';
import { audioFormat, g722Track, g726Track, l16Track, opusPacketTicks, parseOpusHead } from '@sluice/media';
import { afterAll, describe, expect, test } from 'vitest';
import type { ConversionTarget } from '../core/index.ts';
import {
  cut,
  decodeSound,
  ffmpeg,
  firstLoudUs,
  flvClip,
  g711Clip,
  mp4Clip,
  mp4Of,
  rawClip,
  type Sound,
  toneShare,
} from './testing/clips.ts';
import { convert, Recording, testEngine, until } from './testing/run.ts';

const { engine, counters } = testEngine();
afterAll(() => engine.close());

const SECONDS = 3;
/** Silence, and a tone of 1 kHz from 1 s to 2 s. */
const TONE = ['-f', 'lavfi', '-i', `aevalsrc='if(between(t,1,2),0.5*sin(2*PI*1000*t),0)':s=48000:d=${SECONDS}`];

const SOURCES: Readonly<Record<string, () => MediaPacket[] | Promise<MediaPacket[]>>> = {
  aac: () => mp4Clip([...TONE, '-ac', '2', '-c:a', 'aac']),
  opus: () => mp4Clip([...TONE, '-ac', '2', '-c:a', 'libopus']),
  speex: () => flvClip([...TONE, '-ac', '1', '-ar', '16000', '-c:a', 'libspeex']),
  'aac of 44.1 kHz': () => mp4Clip([...TONE, '-ar', '44100', '-ac', '2', '-c:a', 'aac']),
  g722: () => cut(g722Track(1), ffmpeg([...TONE, '-ar', '16000', '-ac', '1', '-f', 'g722', '-'])),
  pcma: () => g711Clip('pcma', TONE),
  pcmu: () => g711Clip('pcmu', TONE),
  ...Object.fromEntries(
    ([2, 3, 4, 5] as const).flatMap((bitsPerSample) =>
      (['rfc3551', 'aal2'] as const).map((packing) => {
        const name = packing === 'aal2' ? 'g726' : 'g726le';
        const encode = [...TONE, '-ar', '8000', '-ac', '1', '-c:a', name, '-b:a', `${bitsPerSample * 8}k`, '-f', name];
        const track = g726Track(1, { bitsPerSample, packing });
        return [`g726 ${packing} ${bitsPerSample}`, () => rawClip(track, encode, 1000 * bitsPerSample)];
      }),
    ),
  ),
  'l16 stereo': () => rawClip(l16Track(1, 44_100, 2), [...TONE, '-ar', '44100', '-ac', '2', '-f', 's16be'], 176_400),
  'l16 mono': () => rawClip(l16Track(1, 16_000, 1), [...TONE, '-ar', '16000', '-ac', '1', '-f', 's16be'], 32_000),
};

const PAIRS: readonly (readonly [string, ConversionTarget['codec']])[] = [
  ['aac', 'opus'],
  ['aac of 44.1 kHz', 'opus'],
  ['opus', 'aac'],
  ['speex', 'opus'],
  ['speex', 'aac'],
  ['pcma', 'opus'],
  ['pcma', 'aac'],
  ['pcmu', 'opus'],
  ['pcmu', 'aac'],
  ['g722', 'opus'],
  ['g722', 'aac'],
  ['opus', 'pcma'],
  ['opus', 'pcmu'],
  ['opus', 'g722'],
  ['aac', 'pcma'],
  ['aac', 'pcmu'],
  ['g726 rfc3551 2', 'opus'],
  ['g726 rfc3551 3', 'opus'],
  ['g726 rfc3551 4', 'aac'],
  ['g726 rfc3551 5', 'pcma'],
  ['g726 aal2 2', 'opus'],
  ['g726 aal2 3', 'opus'],
  ['g726 aal2 4', 'aac'],
  ['g726 aal2 5', 'pcmu'],
  ['l16 stereo', 'opus'],
  ['l16 stereo', 'aac'],
  ['l16 mono', 'opus'],
  ['l16 mono', 'g722'],
];

describe('a conversion of sound', { timeout: 60_000 }, () => {
  test.each(PAIRS)('turns %s into %s with the tone at its time', async (from, to) => {
    const source = await SOURCES[from]?.();
    const packets = await convert(engine, source ?? [], { codec: to });
    expect(packets[0]?.track).toMatchObject({ id: source?.[0]?.track.id, codec: to, kind: 'audio' });
    expectContinuous(packets);
    const sound = decodeSound(packets);
    // The delays inside of these two: nothing in a stream tells them.
    const delayUs = from === 'speex' ? 14_000 : from === 'g722' ? 1500 : 0;
    expect(Math.abs(firstLoudUs(sound) - 1_000_000 - delayUs)).toBeLessThan(1000);
    expect(toneShare(sound, 1000, [1_100_000, 1_900_000])).toBeGreaterThan(0.99);
  });

  test('writes a head for Opus without a pre-skip, and packets of 20 ms', async () => {
    const [first] = await convert(engine, (await SOURCES['aac']?.()) ?? [], { codec: 'opus' });
    expect(parseOpusHead(first?.track.parameters[0] ?? new Uint8Array())).toMatchObject({ channels: 2, preSkip: 0 });
    expect(opusPacketTicks(first?.units[0] ?? new Uint8Array())).toBe(960);
  });

  test('keeps mono mono, and makes AAC of 48 kHz out of what telephones have', async () => {
    const packets = await convert(engine, (await SOURCES['pcma']?.()) ?? [], { codec: 'aac' });
    expect(packets[0] && audioFormat(packets[0].track)).toEqual({ sampleRate: 48_000, channels: 1 });
  });

  test.each([
    [8000, 1, 0],
    [11_025, 2, 1],
    [16_000, 1, 3],
    [22_050, 1, 5],
    [32_000, 2, 2],
    [44_100, 2, 5],
    [48_000, 1, 4],
  ] as const)('makes AAC of %i Hz, %i channels, with the bitrate of mode %i', async (sampleRate, channels, mode) => {
    const source = (await SOURCES['opus']?.()) ?? [];
    const keptBackUs = (5 * 1024 * 1e6) / sampleRate;
    const target = { codec: 'aac', sampleRate, channels, variableBitrate: mode, keptBackUs } as const;
    const packets = await convert(engine, source, target);
    expect(probe(packets)).toBe(`aac,${sampleRate},${channels}`);
    expectContinuous(packets);
    const sound = decodeSound(packets);
    expect(Math.abs(firstLoudUs(sound) - 1_000_000)).toBeLessThan(3000);
    expect(toneShare(sound, 1000, [1_100_000, 1_900_000])).toBeGreaterThan(0.99);
  });

  test('takes the nearest rate that AAC has, and spends what is worth it with a variable bitrate', async () => {
    const source = (await SOURCES['opus']?.()) ?? [];
    const form = { codec: 'aac', sampleRate: 44_000, channels: 2 } as const;
    const bytes = async (variableBitrate: 0 | 1 | 5) => {
      const packets = await convert(engine, source, { ...form, variableBitrate });
      expect(probe(packets)).toBe('aac,44100,2');
      const silent = packets.filter(({ ptsUs }) => ptsUs > 300_000 && ptsUs < 800_000);
      return silent.reduce((sum, { byteLength }) => sum + byteLength, 0);
    };
    const [constant, least, most] = [await bytes(0), await bytes(1), await bytes(5)];
    // Silence costs next to nothing when the bitrate may vary.
    expect(most).toBeLessThan(constant / 4);
    expect(least).toBeLessThanOrEqual(most);
  });

  test('keeps to the bitrate that it is given', async () => {
    const noise = ['-f', 'lavfi', '-i', 'anoisesrc=r=48000:d=3:c=pink'];
    const source = await mp4Clip([...noise, '-ac', '2', '-c:a', 'aac', '-b:a', '192k']);
    for (const bitrateBps of [32_000, 96_000]) {
      const packets = await convert(engine, source, { codec: 'opus', bitrateBps });
      const bits = 8 * packets.reduce((sum, { byteLength }) => sum + byteLength, 0);
      expect(bits / 3 / bitrateBps).toBeGreaterThan(0.7);
      expect(bits / 3 / bitrateBps).toBeLessThan(1.2);
    }
  });

  test('follows its source from stereo to mono with a new track and without a gap', async () => {
    const stereo = (await SOURCES['aac']?.()) ?? [];
    const tone = ['-f', 'lavfi', '-i', 'sine=1000:r=48000:d=2', '-ac', '1', '-c:a', 'aac'];
    const mono = moved(await mp4Clip(tone), (stereo.at(-1)?.ptsUs ?? 0) + 42_667);
    const packets = await convert(engine, [...stereo, ...mono], { codec: 'opus' });
    expect([...new Set(packets.map(({ track }) => audioFormat(track)?.channels))]).toEqual([2, 1]);
    const steps = packets.slice(1).map(({ ptsUs }, index) => ptsUs - (packets[index]?.ptsUs ?? 0));
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(19_998);
    expect(Math.max(...steps)).toBeLessThan(60_000);
  });

  test('does not hear that times are rounded and tremble', async () => {
    const source = ((await SOURCES['aac']?.()) ?? []).filter(({ ptsUs }) => ptsUs >= 0);
    // Up to 30 ms late by turns, and whole milliseconds, as RTMP has them.
    const trembling = source.map((packet, index) => {
      const ptsUs = Math.round(packet.ptsUs / 1000) * 1000 + ((index * 7) % 4) * 10_000;
      return { ...packet, ptsUs, dtsUs: ptsUs };
    });
    const packets = await convert(engine, trembling, { codec: 'opus' });
    expectContinuous(packets);
    const sound = decodeSound(packets);
    for (let us = 1_100_000; us < 1_900_000; us += 50_000) {
      expect(toneShare(sound, 1000, [us, us + 50_000])).toBeGreaterThan(0.985);
    }
  });

  test('follows a source whose clock runs slower than its sound, without a gap', async () => {
    // A tone from 24 s on; by then the times are 19 ms later than the samples.
    const tone = `aevalsrc='if(gte(t,24),0.5*sin(2*PI*1000*t),0)':s=48000:d=25`;
    const source = await mp4Clip(['-f', 'lavfi', '-i', tone, '-c:a', 'aac']);
    const slow = source.map((packet) => ({ ...packet, ptsUs: Math.round(packet.ptsUs * 1.0008) }));
    const packets = await convert(engine, slow, { codec: 'opus' });
    expectContinuous(packets);
    expect(Math.abs(firstLoudUs(decodeSound(packets)) - 24_000_000 * 1.0008)).toBeLessThan(8000);
  });

  test('fills what the network lost with silence, and leaves out a long pause', async () => {
    const source = await mp4Clip(['-f', 'lavfi', '-i', 'sine=1000:r=48000:d=6', '-c:a', 'aac']);
    const holes = source.filter(({ ptsUs }) => !within(ptsUs, 1e6, 1.2e6) && !within(ptsUs, 3e6, 5e6));
    const packets = await convert(engine, holes, { codec: 'opus' });
    const steps = packets.slice(1).map(({ ptsUs }, index) => ptsUs - (packets[index]?.ptsUs ?? 0));
    expect(steps.filter((step) => step > 20_001)).toHaveLength(1);
    expect(Math.max(...steps)).toBeGreaterThan(1.9e6);
    const sound = decodeSound(packets.filter(({ ptsUs }) => ptsUs < 2.9e6));
    expect(loudness(sound, [1.06e6, 1.15e6])).toBeLessThan(50);
    expect(loudness(sound, [1.3e6, 2e6])).toBeGreaterThan(1000);
    expect(toneShare(sound, 1000, [1.3e6, 2e6])).toBeGreaterThan(0.99);
  });

  test('counts damaged packets, and goes on with good ones', async () => {
    const source = (await SOURCES['aac']?.()) ?? [];
    const garbage = source.slice(0, 1).flatMap((packet) =>
      Array.from({ length: 1000 }, (_, index) => {
        const units = [Uint8Array.from({ length: index % 300 }, (_unused, at) => (at * 31 + index * 17) & 0xff)];
        return { ...packet, units, ptsUs: packet.ptsUs + index, byteLength: index % 300 };
      }),
    );
    const recording = new Recording(engine, garbage[0]?.track ?? must(), { codec: 'opus' });
    const damaged = counters.of('engine_damaged_packets');
    for (const packet of garbage) recording.conversion.push(packet);
    await until(() => counters.of('engine_damaged_packets') > damaged, 'damage is counted');
    await recording.play(source);
    await recording.reaches(2_800_000);
    recording.conversion.close();
    const sound = decodeSound(recording.packets.filter(({ ptsUs }) => ptsUs > 500_000));
    expect(toneShare(sound, 1000, [1_100_000, 1_900_000])).toBeGreaterThan(0.99);
    expect(recording.failures).toEqual([]);
  });

  test('fails at once when its source has no configuration that could be used', async () => {
    const [first] = (await SOURCES['aac']?.()) ?? [];
    const track = { ...(first ?? must()).track, parameters: [Uint8Array.of(0xff, 0xff)] };
    const recording = new Recording(engine, track, { codec: 'opus' });
    recording.conversion.push({ ...(first ?? must()), track });
    await until(() => recording.failures.length > 0, 'it fails');
    expect(recording.failures).toHaveLength(1);
    expect(recording.packets).toEqual([]);
  });
});

function must(): never {
  throw new Error('the clip is empty');
}

function within(value: number, from: number, to: number): boolean {
  return value >= from && value < to;
}

function moved(packets: readonly MediaPacket[], byUs: number): MediaPacket[] {
  return packets.map((packet) => ({ ...packet, ptsUs: packet.ptsUs + byUs, dtsUs: packet.dtsUs + byUs }));
}

/** Mean of the samples' size between two times. */
function loudness({ rate, startUs, samples }: Sound, [fromUs, toUs]: readonly [number, number]): number {
  const part = samples.subarray(((fromUs - startUs) * rate) / 1e6, ((toUs - startUs) * rate) / 1e6);
  return part.reduce((sum, sample) => sum + Math.abs(sample), 0) / part.length;
}

/** Each packet begins where the one before it ends. */
function expectContinuous(packets: readonly MediaPacket[]): void {
  const step = (packets[1]?.ptsUs ?? 0) - (packets[0]?.ptsUs ?? 0);
  for (const [index, packet] of packets.entries()) {
    const before = packets[index - 1];
    if (before) expect(Math.abs(packet.ptsUs - before.ptsUs - step)).toBeLessThanOrEqual(1);
    expect(packet.dtsUs).toBe(packet.ptsUs);
    expect(packet.key).toBe(true);
  }
}

/** Codec, rate and channels as ffprobe sees them. */
function probe(packets: readonly MediaPacket[]): string {
  const wanted = ['-show_entries', 'stream=codec_name,sample_rate,channels', '-of', 'csv=p=0'];
  return execFileSync('ffprobe', ['-v', 'error', ...wanted, '-'], { input: mp4Of(packets) })
    .toString()
    .trim();
}
