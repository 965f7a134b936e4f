import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MediaServerError } from '../core/index.ts';
import { loadProfiles } from './load-profiles.ts';
import { DEFAULT_PROFILES } from './profile.ts';
import { readProfiles } from './read-profiles.ts';

const read = (content: string, use: 'hls' | 'webrtc' = 'hls') => readProfiles(content, 'p.yml', use);

const WCS = `# as WCS has it
profiles:
  180:
    video: { height: 180, bitrate: 300, codec: h264, codecImpl: OPENH264, gop: 60, fps: 30 }
    audio: { codec: mpeg4-generic, bitrate: 64000, rate: 44100, groupID: audio }
  90:
    video: { height: 90, bitrate: 100 }
  original:
    video: { codec: h264, codecImpl: OPENH264, gop: 60, fps: 30 }
`;

describe('a file of profiles', () => {
  test('is read as WCS writes it, in its order', () => {
    const { profiles, warnings } = read(WCS);
    expect(warnings).toEqual([]);
    expect(profiles.map(({ name }) => name)).toEqual(['180', '90', 'original']);
    expect(profiles[0]).toMatchObject({
      video: { width: undefined, height: 180, bitrateBps: 300_000, gop: 60, fps: 30, encoder: 'OPENH264' },
      audio: { bitrateBps: 64_000, sampleRate: 44_100, channels: undefined },
    });
    expect(profiles[2]?.video).toMatchObject({ width: undefined, height: undefined });
  });

  test('has the last of two profiles of one name, whether it is written as a number or as text', () => {
    const { profiles } = read(`profiles:
      a: { video: { height: 100 } }
      180: { video: { height: 101 } }
      a: { video: { height: 102 } }
      "180": { video: { height: 103 } }`);
    expect(profiles.map(({ name, video }) => [name, video.height])).toEqual([
      ['a', 102],
      ['180', 103],
    ]);
  });

  test('takes 0 for none, and codecs of browsers for those', () => {
    const { profiles } = read(
      'profiles: { a: { video: { width: 0, height: 240 }, audio: { codec: opus } } }',
      'webrtc',
    );
    expect(profiles[0]?.video).toMatchObject({ width: undefined, height: 240 });
  });

  test('warns once of each part that has no effect', () => {
    const { warnings } = read(`
      codecs_exclude_sfu: alaw
      other: 1
      profiles: { a: { video: { height: 240, foo: 1, level: 3.1, quality: 5 }, audio: { groupID: x }, more: 1 } }`);
    expect(warnings).toEqual([
      'p.yml: other: unknown, it has no effect',
      'p.yml: profile a: video.foo: unknown, it has no effect',
      'p.yml: profile a: video.level: it has no effect, it follows from the size of the picture',
      'p.yml: profile a: video.quality: it has no effect, the bitrate decides',
      'p.yml: profile a: more: unknown, it has no effect',
      'p.yml: profile a: audio.groupID: all qualities share the group `audio`',
    ]);
  });

  test.each([
    [
      'video: { height: "240" }',
      'p.yml: profile a: video.height: "240" is not allowed; it takes a whole number from 16',
    ],
    ['video: { height: -1 }', 'video.height: -1 is not allowed'],
    ['video: { height: .inf }', 'video.height: Infinity is not allowed'],
    ['video: { codec: vp8 }', 'video.codec: "vp8" is not allowed; it takes one of h264'],
    ['video: { profile: 67 }', 'video.profile: 67 is not allowed; it takes one of 66, 77, 88, 100'],
    ['video: { preset: { a: 1 } }', 'video.preset: a map is not allowed; it takes one of ultrafast'],
    ['audio: { codec: opus }', 'audio.codec: "opus" is not allowed; it takes one of mpeg4-generic'],
    ['audio: { rate: 44000 }', 'audio.rate: 44000 is not allowed; it takes one of 8000'],
    ['audio: [1]', 'profile a: audio: a list is not allowed; it takes a map'],
  ])('with %s is refused with the place and what is allowed', (part, message) => {
    expect(() => read(`profiles: { a: { ${part} } }`)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) }),
    );
  });

  test.each([
    ['', 'p.yml: null is not allowed'],
    ['profiles: {}', 'profiles: it takes 1 to 32 profiles'],
    ['profiles: { "../a": {} }', 'profiles: "../a" is not allowed'],
    ['profiles: { "..": {} }', 'profiles: ".." is not allowed'],
    ['profiles: { a: 1 }', 'profile a: 1 is not allowed'],
    ['profiles: [', 'p.yml: no YAML: '],
    ['a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c]', 'p.yml: no YAML: '],
    ['['.repeat(60_000), 'p.yml: no YAML: '],
  ])('that is no ladder is refused (%#)', (content, message) => {
    expect(() => read(content)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) }),
    );
  });

  test('gives profiles or one error, whatever its bytes are', () => {
    let seed = 7;
    const next = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) & 0x7fff_ffff;
      return seed % below;
    };
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(WCS);
      for (let i = 0; i < 1 + next(6); i++) bytes[next(bytes.length)] = next(128);
      try {
        expect(read(bytes.toString('utf8')).profiles.length).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toBeInstanceOf(MediaServerError);
      }
    }
  });
});

describe('loading it', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'profiles-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('gives the built-in profiles when it is not there', async () => {
    expect(await loadProfiles(join(folder, 'none.yml'), 'webrtc')).toEqual({
      profiles: DEFAULT_PROFILES.webrtc,
      warnings: [],
      fromFile: false,
    });
  });

  test('gives what is in it, and names it in errors', async () => {
    const file = join(folder, 'mine.yml');
    await writeFile(file, WCS);
    expect(await loadProfiles(file, 'hls')).toMatchObject({ fromFile: true, profiles: { length: 3 } });
    await expect(loadProfiles(file, 'webrtc')).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('mine.yml: profile 180: audio.codec'),
    });
  });

  test('refuses one that is too large, or no file', async () => {
    const file = join(folder, 'large.yml');
    await writeFile(file, '#'.repeat(65 * 1024));
    await expect(loadProfiles(file, 'hls')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(loadProfiles(folder, 'hls')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
