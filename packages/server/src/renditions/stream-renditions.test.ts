import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Adaptations, type Ladder, Stream } from '../core/index.ts';
import { DEFAULT_PROFILES } from './profile.ts';
import { readProfiles } from './read-profiles.ts';
import { type RenditionsOptions, StreamRenditions } from './stream-renditions.ts';
import { avc, CostlyConverter, newAdaptations, picture, streamOf, takes, VP8, vp8KeyFrame } from './testing/source.ts';

const HD = avc(1280, 720);

let converter: CostlyConverter;
let adaptations: Adaptations;

beforeEach(() => {
  converter = new CostlyConverter();
  adaptations = newAdaptations(converter);
});

afterEach(() => adaptations.close());

function renditions(options: Partial<RenditionsOptions> = {}): StreamRenditions {
  return new StreamRenditions({ adaptations, converter }, { webrtcEnabled: true, ...options });
}

const rows = (ladder: Ladder | undefined) =>
  ladder?.renditions.map(({ name, size }) => `${name} ${size?.width}x${size?.height}`);

const profilesOf = (content: string) => readProfiles(content, 'test.yml', 'hls').profiles;

describe('the ladder of a stream', () => {
  test('has the original first, which costs nothing, and what is no larger than it', () => {
    const ladder = renditions().ladder(streamOf(HD), 'hls');
    expect(rows(ladder)).toEqual(['original 1280x720', '720 1280x720', '480 852x480', '240 426x240']);
    expect(ladder?.renditions.map(({ original }) => original)).toEqual([true, false, false, false]);
    expect(ladder?.renditions[0]?.estimatedCores).toBe(0);
    expect(ladder?.renditions.map(({ bandwidthBps }) => bandwidthBps)).toEqual([
      2_328_000, 2_128_000, 1_128_000, 528_000,
    ]);
    expect(ladder?.notes).toEqual([]);
    expect(ladder?.freeCores).toBe(10);
  });

  test('leaves out what is larger than the source, and says so', () => {
    const ladder = renditions().ladder(streamOf(avc(640, 480)), 'hls');
    expect(rows(ladder)).toEqual(['original 640x480', '480 640x480', '240 320x240']);
    expect(ladder?.notes).toEqual(['720 is left out: it is larger than the stream, which has 640x480']);
  });

  test('has the lowest profile only, not made larger, when the source is below all of them', () => {
    const ladder = renditions().ladder(streamOf(avc(160, 120)), 'hls');
    expect(rows(ladder)).toEqual(['original 160x120', '240 160x120']);
  });

  test('leaves out what takes as much as the source, once that is measured, and comes back to it when that takes more', () => {
    const stream = streamOf(HD);
    const all = renditions();
    takes(stream, 900_000);
    const ladder = all.ladder(stream, 'hls');
    expect(rows(ladder)).toEqual(['original 1280x720', '240 426x240']);
    expect(ladder?.notes).toEqual([
      '720 is left out: the stream takes 900 kbit/s as it is',
      '480 is left out: the stream takes 900 kbit/s as it is',
    ]);
    takes(stream, 2_500_000);
    expect(rows(all.ladder(stream, 'hls'))).toEqual(['original 1280x720', '480 852x480', '240 426x240']);
    expect(rows(all.ladder(stream, 'webrtc'))).toEqual(['original 1280x720', '480 852x480', '240 426x240']);
    takes(stream, 8_000_000);
    // The same size for a quarter of the bits is a quality of its own.
    expect(rows(all.ladder(stream, 'hls'))).toEqual([
      'original 1280x720',
      '720 1280x720',
      '480 852x480',
      '240 426x240',
    ]);
    takes(stream, 300_000);
    expect(rows(all.ladder(stream, 'hls'))).toHaveLength(4);
  });

  test('keeps the next smaller quality, with fewer bits than the source, when none takes less', () => {
    const stream = streamOf(HD);
    takes(stream, 300_000);
    const [original, least, ...more] = renditions().ladder(stream, 'webrtc')?.renditions ?? [];
    expect([original?.name, least?.name, more]).toEqual(['original', '480', []]);
    expect(least?.acceptance.videoOutput).toMatchObject({ height: 480, bitrateBps: 125_000 });
    expect(least?.bandwidthBps).toBeLessThan(original?.bandwidthBps ?? 0);
  });

  test('does not judge by what an encoder begins with, nor where the source has no quality of its own', () => {
    const stream = streamOf(HD);
    takes(stream, 200_000, { seconds: 2 });
    expect(rows(renditions().ladder(stream, 'hls'))).toHaveLength(4);
    takes(stream, 200_000);
    const hls = DEFAULT_PROFILES.hls.filter(({ name }) => name !== 'original');
    expect(rows(renditions({ hls }).ladder(stream, 'hls'))).toEqual(['720 1280x720', '480 852x480', '240 426x240']);
  });

  test('keeps the shape of the source inside of width and height, unless it is told not to', () => {
    const hls = profilesOf('profiles: { box: { video: { width: 320, height: 240, bitrate: 300 } } }');
    expect(rows(renditions({ hls }).ladder(streamOf(HD), 'hls'))).toEqual(['box 320x180']);
    const stretched = renditions({ hls, preserveAspectRatio: false }).ladder(streamOf(HD), 'hls');
    expect(rows(stretched)).toEqual(['box 320x240']);
    expect(stretched?.renditions[0]?.acceptance.videoOutput?.stretch).toBe(true);
  });

  test('takes the size of VP8 from its key frame, also after that has gone, and makes the original too for HLS', () => {
    const stream = new Stream('s', { gopCacheMaxMs: 50, gopCacheMaxBytes: 100 });
    stream.setTrack(VP8);
    const all = renditions();
    expect(all.ladder(stream, 'hls')).toBeUndefined();
    picture(stream, VP8, { ms: 0, units: [vp8KeyFrame(640, 360)] });
    const ladder = all.ladder(stream, 'hls');
    expect(rows(ladder)).toEqual(['original 640x360', '240 426x240']);
    expect(ladder?.renditions[0]?.original).toBe(false);
    expect(ladder?.renditions[0]?.acceptance).toMatchObject({
      videoTarget: 'h264',
      videoOutput: { keyFrameFrames: 60 },
    });
    expect(all.ladder(stream, 'webrtc')?.renditions[0]?.original).toBe(true);
    for (let ms = 40; ms < 2000; ms += 40) picture(stream, VP8, { ms });
    expect(stream.log.lastStartPoint).toBeLessThan(0);
    expect(rows(all.ladder(stream, 'hls'))).toEqual(['original 640x360', '240 426x240']);
  });

  test('makes pictures with B-frames anew for browsers always, and for HLS by setting', () => {
    const stream = streamOf(HD);
    for (const [ms, ptsMs] of [
      [0, 0],
      [40, 120],
      [80, 80],
    ] as const)
      picture(stream, HD, { ms, ptsMs });
    const first = (options: Partial<RenditionsOptions>, use: 'hls' | 'webrtc') =>
      renditions(options).ladder(stream, use)?.renditions[0];
    expect(first({}, 'hls')).toMatchObject({ name: 'original', original: true });
    expect(first({ bFramesForceTranscoding: true }, 'hls')).toMatchObject({ name: 'original', original: false });
    expect(first({}, 'webrtc')).toMatchObject({ name: 'original', original: false, size: { height: 720 } });
  });

  test('is for browsers constrained baseline and Opus, and H.264 and AAC for HLS', () => {
    const stream = streamOf(HD);
    const webrtc = renditions().ladder(stream, 'webrtc')?.renditions.at(-1)?.acceptance;
    expect(webrtc).toMatchObject({
      audioTarget: 'opus',
      reorderedVideo: false,
      videoOutput: { profile: 66, height: 240 },
    });
    const hls = renditions().ladder(stream, 'hls')?.renditions.at(-1)?.acceptance;
    expect(hls).toMatchObject({ videoTarget: 'h264', audioTarget: 'aac', videoOutput: { height: 240 } });
    expect(hls?.key).not.toBe(webrtc?.key);
  });

  test('tells what a profile says to the encoder', () => {
    const hls = profilesOf(`profiles:
      a:
        video: { height: 180, bitrate: 300, codec: h264, codecImpl: OPENH264, gop: 30, fps: 15, preset: fast, profile: 77 }
        audio: { codec: mpeg4-generic, bitrate: 64000, rate: 44100, channels: 1, groupID: audio }`);
    const [row] = renditions({ hls }).ladder(streamOf(HD), 'hls')?.renditions ?? [];
    expect(row?.acceptance.videoOutput).toEqual({
      ...{ width: undefined, height: 180, bitrateBps: 300_000, fps: 15, keyFrameFrames: 30 },
      ...{ preset: 'fast', profile: 77, encoder: 'OPENH264', stretch: undefined },
    });
    expect(row?.acceptance.audioOutput).toEqual({ bitrateBps: 64_000, sampleRate: 44_100, channels: 1 });
    expect(row).toMatchObject({ bandwidthBps: 364_000, fps: 15 });
  });

  test('is not there for sound alone, where it is switched off, and where nothing can be converted', () => {
    const sound = new Stream('s');
    sound.setTrack({ id: 1, kind: 'audio', codec: 'aac', clockRate: 48_000, parameters: [] });
    expect(renditions().ladder(sound, 'hls')).toBeUndefined();
    const off = renditions({ hlsEnabled: false, webrtcEnabled: false });
    expect([off.enabled('hls'), off.enabled('webrtc')]).toEqual([false, false]);
    expect(off.ladder(streamOf(HD), 'hls')).toBeUndefined();
    const none = new StreamRenditions({ adaptations: newAdaptations(undefined), converter: undefined });
    expect(none.enabled('hls')).toBe(false);
  });
});

describe('what the machine can not do', () => {
  test('is left out from the costliest on, with a note', () => {
    converter.limitCores = 2;
    converter.usedCores = 1.4;
    const ladder = renditions().ladder(streamOf(HD), 'hls');
    expect(rows(ladder)).toEqual(['original 1280x720', '480 852x480', '240 426x240']);
    expect(ladder?.notes).toEqual(['720 is left out: it takes about 0.92 processor cores, and 0.60 are free']);
    expect(ladder?.estimatedCores).toBeCloseTo(0.51, 2);
  });

  test('counts once what it takes to decode the source, and not when that is done for others', () => {
    converter.decodeCores = 0.3;
    const stream = streamOf(HD);
    const all = renditions();
    const ladder = all.ladder(stream, 'hls');
    const [, hd, sd] = ladder?.renditions ?? [];
    expect(hd?.estimatedCores).toBeCloseTo(0.92 + 0.3, 2);
    expect(ladder?.estimatedCores).toBeCloseTo(0.92 + 0.41 + 0.1 + 0.3, 2);
    picture(stream, HD, { ms: 0 });
    using _lease = adaptations.lease(stream, sd?.acceptance ?? expect.fail('no 480'));
    expect(all.ladder(stream, 'hls')?.renditions[1]?.estimatedCores).toBeCloseTo(0.92, 2);
    converter.limitCores = 0.95;
    expect(() => all.admit(stream, { height: 720 })).not.toThrow();
    expect(() => all.admit(streamOf(HD), { height: 720 })).toThrow(
      expect.objectContaining({ code: 'TRANSCODING_LIMIT' }),
    );
  });

  test('does not count what runs already a second time', () => {
    converter.limitCores = 1;
    const stream = streamOf(HD);
    const all = renditions();
    expect(rows(all.ladder(stream, 'hls'))).not.toContain('720 1280x720');
    picture(stream, HD, { ms: 0 });
    converter.limitCores = 10;
    const best = all.ladder(stream, 'hls')?.renditions.find(({ name }) => name === '720');
    using _lease = adaptations.lease(stream, best?.acceptance ?? expect.fail('no 720'));
    converter.limitCores = 1;
    converter.usedCores = 0.95;
    expect(rows(all.ladder(stream, 'hls'))).toEqual(['original 1280x720', '720 1280x720']);
  });

  test('refuses the whole ladder when not even the least of it can be made', () => {
    converter.limitCores = 0.01;
    const hls = DEFAULT_PROFILES.hls.filter(({ name }) => name !== 'original');
    expect(() => renditions({ hls }).ladder(streamOf(HD), 'hls')).toThrow(
      expect.objectContaining({ code: 'TRANSCODING_LIMIT', message: expect.stringContaining('transcoder_max_cores') }),
    );
  });
});

describe('a form that somebody asks for', () => {
  test('is admitted as long as there is room for it, and when it is made already', () => {
    converter.limitCores = 0.5;
    const stream = streamOf(HD);
    const all = renditions();
    expect(() => all.admit(stream, { height: 480 })).not.toThrow();
    expect(() => all.admit(stream, { height: 720 })).toThrow(
      expect.objectContaining({
        code: 'TRANSCODING_LIMIT',
        message: expect.stringMatching(/1280x720.*about 0\.92 processor cores, and 0\.50 are free.*smaller picture/),
      }),
    );
    picture(stream, HD, { ms: 0 });
    const acceptance = all.ladder(stream, 'webrtc')?.renditions.at(-1)?.acceptance;
    using _lease = adaptations.lease(stream, acceptance ?? expect.fail('no ladder'));
    converter.usedCores = 0.5;
    expect(() => all.admit(stream, acceptance?.videoOutput ?? {})).not.toThrow();
    expect(() => all.admit(stream, { height: 240 })).toThrow(expect.objectContaining({ code: 'TRANSCODING_LIMIT' }));
  });

  test('is refused when there are as many as can be, however little it costs, but for what is made already', () => {
    const stream = streamOf(HD);
    picture(stream, HD, { ms: 0 });
    const all = renditions();
    const acceptance = all.ladder(stream, 'webrtc')?.renditions.at(-1)?.acceptance;
    using _lease = adaptations.lease(stream, acceptance ?? expect.fail('no ladder'));
    converter.formsLeft = 0;
    expect(() => all.admit(stream, { height: 16 })).toThrow(
      expect.objectContaining({ code: 'TRANSCODING_LIMIT', message: expect.stringContaining('as many forms') }),
    );
    expect(() => all.admit(stream, acceptance?.videoOutput ?? {})).not.toThrow();
    expect(() => all.admit(stream, {})).not.toThrow();
  });

  test('is admitted while there is any room when it is another codec that is asked for, and no form', () => {
    converter.limitCores = 0.1;
    expect(() => renditions().admit(streamOf(HD), {})).not.toThrow();
    converter.usedCores = 0.1;
    expect(() => renditions().admit(streamOf(HD), {})).toThrow(expect.objectContaining({ code: 'TRANSCODING_LIMIT' }));
  });

  test('is refused where the settings, or the codec, forbid it', () => {
    const none = new StreamRenditions({ adaptations: newAdaptations(undefined), converter: undefined });
    const disabled = expect.objectContaining({ code: 'TRANSCODING_DISABLED' });
    expect(() => none.admit(streamOf(HD), { height: 240 })).toThrow(disabled);
    converter.unknown.add('h264');
    expect(() => renditions().admit(streamOf(HD), { height: 240 })).toThrow(disabled);
  });
});
