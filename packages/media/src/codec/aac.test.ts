import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { ProtocolError } from '../packet.ts';
import { mutate, prng } from '../testing/mutate.ts';
import { aacCodecString, aacTrack, parseAacConfig, parseAdts, writeAacConfig, writeAdts } from './aac.ts';
import { BitWriter } from './bits.ts';

const bad = expect.objectContaining({ code: 'AAC_BAD_CONFIG' });
const badAdts = expect.objectContaining({ code: 'AAC_BAD_ADTS' });

describe('AudioSpecificConfig', () => {
  test('known configurations', () => {
    const lc = { objectType: 2, sampleRate: 44100, channels: 2, frameLength: 1024 };
    expect(parseAacConfig(Uint8Array.of(0x12, 0x10))).toEqual(lc);
    // What ffmpeg writes: the extension tells that there is no SBR.
    expect(parseAacConfig(Uint8Array.of(0x12, 0x10, 0x56, 0xe5, 0x00))).toEqual(lc);
    expect(parseAacConfig(Uint8Array.of(0x11, 0x94)).frameLength).toBe(960);
    // HE-AAC, hierarchical, 24 kHz core and 48 kHz output.
    expect(parseAacConfig(Uint8Array.of(0x2b, 0x11, 0x88, 0x00))).toMatchObject({
      objectType: 5,
      sampleRate: 24000,
      channels: 2,
      extensionSampleRate: 48000,
    });
    expect(aacCodecString(Uint8Array.of(0x12, 0x10))).toBe('mp4a.40.2');
  });

  test('backward compatible SBR and PS', () => {
    const writer = new BitWriter();
    const fields: [number, number][] = [
      [2, 5],
      [6, 4],
      [1, 4],
      [0, 3],
      [0x2b7, 11],
      [5, 5],
      [1, 1],
      [3, 4],
      [0x548, 11],
      [1, 1],
    ];
    for (const [value, count] of fields) writer.bits(value, count);
    const asc = writer.bytes();
    expect(parseAacConfig(asc)).toMatchObject({ objectType: 29, sampleRate: 24000, extensionSampleRate: 48000 });
    expect(aacCodecString(asc)).toBe('mp4a.40.29');
    expect(aacTrack(3, asc)).toMatchObject({ id: 3, kind: 'audio', codec: 'aac', clockRate: 24000, parameters: [asc] });
  });

  test('channels of a program config element', () => {
    const writer = new BitWriter();
    for (const [value, count] of [
      [2, 5],
      [4, 4],
      [0, 4],
      [0, 3],
    ] as const)
      writer.bits(value, count);
    // tag, profile, rate; one front pair and one front single, no side, one back pair, one LFE, no data, no coupling
    const element = [
      [0, 4],
      [1, 2],
      [4, 4],
      [2, 4],
      [0, 4],
      [1, 4],
      [1, 2],
      [0, 3],
      [0, 4],
      [0, 3],
    ] as const;
    for (const [value, count] of element) writer.bits(value, count);
    for (const [value, count] of [
      [0, 5],
      [16, 5],
      [16, 5],
      [0, 4],
      [0, 24],
      [0, 24],
    ] as const)
      writer.bits(value, count);
    expect(parseAacConfig(writer.bytes()).channels).toBe(6);
  });

  test('roundtrip of every rate and number of channels', () => {
    for (const sampleRate of [96000, 48000, 44100, 22050, 8000, 7350, 12345]) {
      for (const channels of [1, 2, 3, 4, 5, 6, 7, 8]) {
        for (const objectType of [1, 2, 4, 5, 29]) {
          const config = parseAacConfig(writeAacConfig({ objectType, sampleRate, channels }));
          expect(config).toMatchObject({ objectType, sampleRate, channels, frameLength: 1024 });
          expect(config.extensionSampleRate).toBe(objectType > 4 ? sampleRate * 2 : undefined);
        }
      }
    }
    expect([...writeAacConfig({ objectType: 2, sampleRate: 44100, channels: 2 })]).toEqual([0x12, 0x10]);
  });

  test('refuses what it cannot express', () => {
    for (const asc of [[], [0x12], [0x16, 0x90], [0x12, 0x48], [0xb9, 0x10], [0x07, 0xff]]) {
      expect(() => parseAacConfig(Uint8Array.from(asc))).toThrow(bad);
    }
    expect(() => writeAacConfig({ objectType: 2, sampleRate: 0, channels: 2 })).toThrow(bad);
    expect(() => writeAacConfig({ objectType: 2, sampleRate: 48000, channels: 9 })).toThrow(bad);
    expect(() => writeAacConfig({ objectType: 39, sampleRate: 48000, channels: 2 })).toThrow(bad);
  });
});

describe('ADTS', () => {
  test('walks through a stream of ffmpeg and writes the same headers', () => {
    const source = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000:duration=1', '-ac', '2'];
    const bytes = execFileSync('ffmpeg', ['-v', 'error', ...source, '-c:a', 'aac', '-f', 'adts', '-']);
    const data = new Uint8Array(bytes);
    let frames = 0;
    for (let position = 0; position < data.length; frames += 1) {
      const { config, headerBytes, frameBytes } = parseAdts(data.subarray(position));
      expect(config).toEqual({ objectType: 2, sampleRate: 48000, channels: 2, frameLength: 1024 });
      expect(writeAdts(config, frameBytes)).toEqual(data.subarray(position, position + headerBytes));
      position += headerBytes + frameBytes;
    }
    expect(frames).toBeGreaterThan(45);
  });

  test('refuses impossible headers', () => {
    const config = parseAacConfig(Uint8Array.of(0x12, 0x10));
    expect(() => writeAdts(config, 8185)).toThrow(badAdts);
    expect(() => writeAdts({ ...config, sampleRate: 12345 }, 1)).toThrow(badAdts);
    expect(() => writeAdts({ ...config, channels: 7 }, 1)).toThrow(badAdts);
    expect(parseAdts(writeAdts({ ...config, channels: 8, objectType: 29 }, 8184))).toMatchObject({
      config: { objectType: 2, channels: 8 },
      headerBytes: 7,
      frameBytes: 8184,
    });
    expect(() => parseAdts(new Uint8Array(7))).toThrow(badAdts);
    expect(() => parseAdts(writeAdts(config, 100).subarray(0, 6))).toThrow(badAdts);
  });
});

test('fuzz: both parsers throw nothing but ProtocolError', () => {
  const random = prng(7);
  const seeds = [
    Uint8Array.of(0x12, 0x10, 0x56, 0xe5, 0x00),
    Uint8Array.of(0x2b, 0x11, 0x88, 0x00),
    Uint8Array.of(0x12, 0x00, 0x05, 0x08, 0x04, 0x40, 0x00, 0x84, 0x20, 0, 0, 0),
    writeAdts(parseAacConfig(Uint8Array.of(0x12, 0x10)), 300),
  ];
  for (let round = 0; round < 20_000; round += 1) {
    const data = mutate(seeds[round % seeds.length] ?? new Uint8Array(), random);
    for (const parse of [parseAacConfig, parseAdts]) {
      try {
        parse(data);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        expect(error.code).toMatch(/^AAC_/);
      }
    }
  }
});
