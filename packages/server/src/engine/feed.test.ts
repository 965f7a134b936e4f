import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { codecString, type MediaPacket, videoSize } from '@sluice/media';
import { afterAll, describe, expect, test } from 'vitest';
import type { ConversionTarget } from '../core/index.ts';
import { ffmpeg, jpegClip, mp4Clip, mp4Of, vp8Clip } from './testing/clips.ts';
import { Recording, testEngine, until } from './testing/run.ts';

const { engine, counters } = testEngine({ videoPreset: 'ultrafast', maxCores: 8 });
afterAll(() => engine.close());

const KEYS_S = '0,0.7,1.9,3.1';

/** Four seconds of pictures whose key frames are at uneven times, with B-frames. */
function clip(size = '640x360', seconds = 4): Promise<MediaPacket[]> {
  const source = ['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=30:d=${seconds}`, '-pix_fmt', 'yuv420p'];
  const coding = ['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '2', '-g', '300', '-sc_threshold', '0'];
  return mp4Clip([...source, ...coding, '-force_key_frames', KEYS_S]);
}

const SOURCE = await clip();
const TRACK = SOURCE[0]?.track ?? never();
const END_US = Math.max(...SOURCE.map(({ ptsUs }) => ptsUs)) - 150_000;
const TIMES_US = SOURCE.map(({ ptsUs }) => ptsUs).sort((a, b) => a - b);
const KEY_TIMES_US = SOURCE.filter(({ key }) => key).map(({ ptsUs }) => ptsUs);

const LADDER = [
  { codec: 'h264', picture: { height: 360, keyFrameFrames: 300 } },
  { codec: 'h264', picture: { height: 240, keyFrameFrames: 300, bitrateBps: 300_000 } },
  { codec: 'h264', picture: { width: 160, keyFrameFrames: 300, fps: 10 } },
] as const satisfies ConversionTarget[];

function ladder(feed: object, of = engine) {
  return LADDER.map((target) => new Recording(of, TRACK, { ...target, feed }));
}

/** Every member gets all packets, as the readers of a stream do. */
async function playAll(recordings: readonly Recording[], packets: readonly MediaPacket[]): Promise<void> {
  for (let at = 0; at < packets.length; at += 10) {
    for (const { conversion } of recordings) for (const packet of packets.slice(at, at + 10)) conversion.push(packet);
    // What waits too long is dropped.
    await until(() => recordings[0]?.conversion.cost?.().queued === 0, 'the feed keeps up');
  }
}

function keyTimes({ packets }: Recording): number[] {
  return packets.filter(({ key }) => key).map(({ ptsUs }) => ptsUs);
}

function close(recordings: readonly Recording[]): void {
  for (const { conversion } of recordings) conversion.close();
}

describe('conversions of one feed', { timeout: 60_000 }, () => {
  test('are decoded once, each in its size and rate, with key frames where the source has them', async () => {
    const [first, ...rest] = SOURCE;
    const damaged = { ...(SOURCE[4] ?? never()), units: [Uint8Array.of(0x41, 1, 2, 3)] };
    const before = counters.of('engine_damaged_packets');
    const recordings = ladder({});
    await playAll(recordings, [first ?? never(), ...rest.slice(0, 3), damaged, ...rest.slice(4)]);
    for (const recording of recordings) await recording.reaches(END_US);
    expect(engine.stats()).toMatchObject({ conversions: 3, workers: [{ conversions: 1 }] });
    expect(counters.of('engine_damaged_packets') - before).toBe(1);
    const sizes = recordings.map(({ packets }) => packets[0] && videoSize(packets[0].track));
    expect(sizes).toMatchObject([
      { width: 640, height: 360 },
      { width: 426, height: 240 },
      { width: 160, height: 90 },
    ]);
    for (const recording of recordings) {
      expect(keyTimes(recording)).toEqual(KEY_TIMES_US);
      expect(recording.packets.every(({ ptsUs }) => TIMES_US.includes(ptsUs))).toBe(true);
    }
    const [full, , slow] = recordings.map(({ packets }) => packets.length);
    expect(full).toBeGreaterThan(TIMES_US.length - 8);
    expect(slow).toBeGreaterThan(36);
    expect(slow).toBeLessThan(44);
    // What comes out can be decoded as that: a picture for each packet.
    for (const { packets } of recordings) expect(decodedPictures(packets)).toBe(packets.length);
    close(recordings);
    expect(engine.stats().conversions).toBe(0);
  });

  test('begin with a key frame at the next picture when they join late, and nothing is replayed for the others', async () => {
    const feed = {};
    const early = new Recording(engine, TRACK, { ...LADDER[0], feed });
    await playAll([early], SOURCE.slice(0, 40));
    await early.reaches(TIMES_US[30] ?? 0);
    const late = new Recording(engine, TRACK, { ...LADDER[1], feed });
    // It begins with what its source keeps since the key frame.
    await playAll([late], SOURCE.slice(21, 45));
    await playAll([early, late], SOURCE.slice(40));
    await Promise.all([early.reaches(END_US), late.reaches(END_US)]);
    const times = early.packets.map(({ ptsUs }) => ptsUs);
    expect(times).toEqual(TIMES_US.slice(0, times.length));
    expect(late.packets[0]?.key).toBe(true);
    expect(late.packets[0]?.ptsUs).toBeGreaterThan(TIMES_US[30] ?? 0);
    expect(keyTimes(late).slice(1)).toEqual(KEY_TIMES_US.slice(2));
    expect(keyTimes(early)).toEqual(KEY_TIMES_US);
    close([early]);
    expect(engine.stats().conversions).toBe(1);
    close([late]);
  });

  test('get no pictures of the publisher before theirs, though these are in the decoder', async () => {
    const feed = {};
    const before = new Recording(engine, TRACK, { ...LADDER[0], feed });
    await playAll([before], SOURCE.slice(0, 30));
    const shifted = SOURCE.map((packet) => ({ ...packet, ptsUs: packet.ptsUs + 6e6, dtsUs: packet.dtsUs + 6e6 }));
    const after = new Recording(engine, TRACK, { ...LADDER[1], feed });
    for (const packet of SOURCE.slice(30, 40)) before.conversion.push(packet);
    await playAll([after], shifted.slice(0, 30));
    await after.reaches(6_700_000);
    expect(after.packets[0]).toMatchObject({ key: true, ptsUs: (KEY_TIMES_US[0] ?? 0) + 6e6 });
    close([before, after]);
  });

  test('get key frames that one of them asks for alone', async () => {
    const recordings = ladder({});
    await playAll(recordings, SOURCE.slice(0, 45));
    await until(() => recordings.every(({ lastUs }) => lastUs > 1_200_000), 'all have begun');
    recordings[1]?.conversion.requestKeyFrame();
    await playAll(recordings, SOURCE.slice(45));
    for (const recording of recordings) await recording.reaches(END_US);
    const counts = recordings.map((recording) => keyTimes(recording).length - KEY_TIMES_US.length);
    expect(counts).toEqual([0, 1, 0]);
    for (const recording of recordings) expect(keyTimes(recording)).toEqual(expect.arrayContaining(KEY_TIMES_US));
    close(recordings);
  });

  test('all go on at the next key frame when their worker is killed', async () => {
    const own = testEngine({ videoPreset: 'ultrafast', maxCores: 8 });
    const recordings = ladder({}, own.engine);
    await playAll(recordings, SOURCE.slice(0, 40));
    await until(() => recordings.every(({ lastUs }) => lastUs > 1_000_000), 'all have begun');
    process.kill(own.engine.stats().workers[0]?.pid ?? 0, 'SIGKILL');
    await until(() => own.counters.of('engine_worker_deaths') === 1, 'the death is noticed');
    expect(recordings.reduce((asks, { keyFrameAsks }) => asks + keyFrameAsks, 0)).toBe(1);
    await playAll(recordings, SOURCE.slice(40));
    for (const recording of recordings) await recording.reaches(END_US);
    expect(own.engine.stats().workers.filter(({ conversions }) => conversions > 0)).toHaveLength(1);
    for (const recording of recordings) {
      expect(recording.failures).toEqual([]);
      expect(keyTimes(recording)).toEqual(KEY_TIMES_US);
      expect(new Set(recording.packets.map(({ track }) => track)).size).toBe(1);
      const times = recording.packets.map(({ ptsUs }) => ptsUs);
      expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
    }
    await own.engine.close();
  });

  test('of a source that is all key frames have one in two seconds, at the same times', async () => {
    const source = ['-f', 'lavfi', '-i', 'testsrc2=s=160x120:r=15:d=5', '-pix_fmt', 'yuvj420p'];
    const packets = jpegClip(source, 15);
    const feed = {};
    const make = (height: number) => {
      const target = { codec: 'h264', picture: { height, keyFrameFrames: 300 }, feed } as const;
      return new Recording(engine, packets[0]?.track ?? never(), target);
    };
    const first = make(120);
    await playAll([first], packets.slice(0, 20));
    await first.reaches(1_000_000);
    const second = make(60);
    await playAll([first, second], packets.slice(20));
    await Promise.all([first.reaches(4_800_000), second.reaches(4_800_000)]);
    expect(keyTimes(first)).toEqual([0, 2_000_000, 4_000_000]);
    expect(keyTimes(second)).toEqual(expect.arrayContaining([2_000_000, 4_000_000]));
    expect(keyTimes(second).length).toBeLessThanOrEqual(3);
    close([first, second]);
  });

  test('keep to their bitrate, profile and preset', async () => {
    const noise = ['-f', 'lavfi', '-i', 'testsrc2=s=160x120:r=30:d=5,noise=alls=20:allf=t', '-pix_fmt', 'yuv420p'];
    const packets = vp8Clip([...noise, '-b:v', '600k', '-deadline', 'realtime', '-cpu-used', '8', '-g', '60']);
    const feed = {};
    const profiles = [66, 77, 100] as const;
    const recordings = profiles.map((profile) => {
      const picture = { bitrateBps: 150_000, profile, preset: 'superfast' };
      return new Recording(engine, packets[0]?.track ?? never(), { codec: 'h264', picture, feed });
    });
    await playAll(recordings, packets);
    for (const recording of recordings) await recording.reaches(4_800_000);
    const codecs = recordings.map(({ packets: [made] }) => made && codecString(made.track)?.slice(0, 9));
    expect(codecs).toEqual(['avc1.42E0', 'avc1.4D40', 'avc1.6400']);
    for (const { packets: made } of recordings) {
      const late = made.filter(({ ptsUs }) => ptsUs >= 2e6 && ptsUs < 5e6);
      const bits = 8 * late.reduce((sum, { byteLength }) => sum + byteLength, 0);
      expect(Math.abs(bits / (late.length / 30) / 150_000 - 1)).toBeLessThan(0.3);
    }
    close(recordings);
  });
});

describe('MPEG-1 video', { timeout: 60_000 }, () => {
  test.each([
    [30, undefined, '30/1'],
    [30, 25, '25/1'],
    [30, 12, '24000/1001'],
  ])(
    'of %i pictures a second, made %s, is one of %s with a sequence header in each key frame',
    async (_from, fps, rate) => {
      const target = { codec: 'mpeg1', picture: { height: 240, fps } } as const;
      const recording = new Recording(engine, TRACK, { ...target, feed: {} });
      await playAll([recording], SOURCE);
      await recording.reaches(END_US - 100_000);
      const { packets } = recording;
      recording.conversion.close();
      expect(packets[0]?.track).toMatchObject({ codec: 'mpeg1', kind: 'video' });
      expect(keyTimes(recording)).toEqual(expect.arrayContaining(KEY_TIMES_US));
      const startCodes = packets.map(({ units: [unit = never()] }) => codesOf(unit));
      for (const [index, codes] of startCodes.entries()) {
        expect(codes.filter((code) => code === PICTURE)).toHaveLength(1);
        expect(codes[0]).toBe(packets[index]?.key ? SEQUENCE : PICTURE);
        const {
          units: [unit = never()],
          key,
        } = packets[index] ?? never();
        expect(codingTypeOf(unit)).toBe(key ? INTRA : PREDICTED);
      }
      const bytes = Buffer.concat(packets.flatMap(({ units }) => units));
      const shown = ['-show_entries', 'stream=codec_name,width,height,r_frame_rate', '-of', 'csv=p=0'];
      // It stops to read when it knows enough.
      const told = spawnSync('ffprobe', ['-v', 'error', '-f', 'mpegvideo', ...shown, '-'], { input: bytes });
      expect(told.stdout.toString().trim()).toBe(`mpeg1video,426,240,${rate}`);
      const raw = [
        '-f',
        'mpegvideo',
        '-i',
        '-',
        '-vf',
        'scale=2:2,format=gray',
        '-vsync',
        'passthrough',
        '-f',
        'rawvideo',
      ];
      expect(ffmpeg([...raw, '-'], bytes).length / 4).toBe(packets.length);
      const gaps = keyTimes(recording).map((timeUs, index, all) => timeUs - (all[index - 1] ?? timeUs));
      expect(Math.max(...gaps)).toBeLessThan(1_100_000);
    },
  );
});

describe('encoders by priority', { timeout: 60_000 }, () => {
  test('are passed over where they can not be opened, which is told once', async () => {
    const encoderPriority = ['NVENC', 'VAAPI', 'QSV', 'V4L2M2M', 'AMF', 'VIDEOTOOLBOX', 'OPENH264', 'FF'];
    const own = testEngine({ videoPreset: 'ultrafast', encoderPriority, maxCores: 8 });
    const recordings = ladder({}, own.engine);
    await playAll(recordings, SOURCE);
    for (const recording of recordings) await recording.reaches(END_US);
    const told = own.log.lines.filter((line) => JSON.stringify(line).includes('pictures are encoded'));
    expect(told).toHaveLength(1);
    const passedOver = 'h264_nvenc,h264_vaapi,h264_qsv,h264_v4l2m2m,h264_amf,h264_videotoolbox,libopenh264';
    expect(recordings[0]?.conversion.cost?.().encoder).toBe(`libx264 (${passedOver} could not be opened)`);
    await own.engine.close();
  });

  test('can be wished for by a form', async () => {
    const target = { codec: 'h264', picture: { height: 120, encoder: 'nvenc' }, feed: {} } as const;
    const recording = new Recording(engine, TRACK, target);
    await playAll([recording], SOURCE.slice(0, 20));
    await until(() => recording.packets.length > 0, 'it is made');
    expect(recording.conversion.cost?.().encoder).toBe('libx264 (h264_nvenc could not be opened)');
    recording.conversion.close();
  });
});

describe('what a machine may convert', { timeout: 60_000 }, () => {
  test('is limited: a form that does not fit is refused with need, limit and a way out', async () => {
    const own = testEngine({ videoPreset: 'ultrafast', maxCores: 0.04 });
    const feed = {};
    const [fits, refused] = [LADDER[2], LADDER[0]].map(
      (target) => new Recording(own.engine, TRACK, { ...target, feed }),
    );
    expect(refused?.failures).toEqual([]);
    await until(() => refused?.failures.length === 1, 'it is refused');
    const pattern = /^it needs about 0\.\d\d processor cores, and 0\.\d\d of the 0\.04 .* transcoder_max_cores$/;
    expect(refused?.failures[0]).toMatch(pattern);
    expect(own.counters.of('engine_refused_conversions')).toBe(1);
    await playAll([fits ?? never()], SOURCE);
    await fits?.reaches(END_US - 100_000);
    expect(fits?.failures).toEqual([]);
    await own.engine.close();
  });

  test('does not concern what asks for no form, until it is exceeded already', async () => {
    const own = testEngine({ videoPreset: 'ultrafast', maxCores: 0.01 });
    const [plain, second] = [0, 1].map(() => new Recording(own.engine, TRACK, { codec: 'h264' }));
    await until(() => second?.failures.length === 1, 'the second is refused');
    await plain?.play(SOURCE);
    await plain?.reaches(END_US);
    expect(plain?.failures).toEqual([]);
    await own.engine.close();
  });

  test('is told, and what a form will cost: less for the second of a feed, by size, rate and preset', async () => {
    const own = testEngine({ maxCores: 1.5 });
    expect(own.engine.budget()).toEqual({ limitCores: 1.5, usedCores: 0, formsLeft: 36 });
    const cost = (picture: object, feed?: object) => own.engine.estimate(TRACK, { codec: 'h264', picture }, feed);
    expect(cost({ height: 240 })).toBeLessThan(cost({ height: 360 }));
    expect(cost({ height: 240, fps: 10 })).toBeLessThan(cost({ height: 240 }));
    expect(cost({ preset: 'ultrafast' })).toBeLessThan(cost({ preset: 'veryfast' }));
    expect(own.engine.estimate(TRACK, { codec: 'opus' })).toBe(0);
    const feed = {};
    const alone = cost({ height: 240 }, feed);
    const recording = new Recording(own.engine, TRACK, { ...LADDER[0], feed });
    expect(cost({ height: 240 }, feed)).toBeLessThan(alone);
    expect(own.engine.budget().usedCores).toBeCloseTo(cost(LADDER[0].picture), 5);
    recording.conversion.close();
    expect(own.engine.budget().usedCores).toBe(0);
    await own.engine.close();
  });

  test('gives memory back: 60 forms of a running feed need no more than the first 20', async () => {
    const own = testEngine({ videoPreset: 'ultrafast', maxCores: 8 });
    const feed = {};
    const keep = new Recording(own.engine, TRACK, { ...LADDER[2], feed });
    let pushed = 0;
    const churn = async (count: number) => {
      for (let index = 0; index < count; index++) {
        const shift = Math.floor(pushed / SOURCE.length) * 5e6;
        const at = pushed % SOURCE.length;
        pushed += 3;
        const one = new Recording(own.engine, TRACK, { ...(LADDER[index % 3] ?? LADDER[0]), feed });
        for (const packet of SOURCE.slice(at, at + 3)) {
          const times = { ptsUs: packet.ptsUs + shift, dtsUs: packet.dtsUs + shift };
          keep.conversion.push({ ...packet, ...times });
        }
        await until(() => (keep.conversion.cost?.().queued ?? 0) === 0, 'it is worked off');
        one.conversion.close();
      }
      const [{ pid } = never()] = own.engine.stats().workers;
      return 4096 * Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
    };
    const before = await churn(20);
    expect((await churn(60)) - before).toBeLessThan(12e6);
    expect(own.engine.stats()).toMatchObject({ conversions: 1, workers: [{ conversions: 1 }] });
    await own.engine.close();
  });
});

const PICTURE = 0x00;
const SEQUENCE = 0xb3;

/** Start codes of MPEG-1 in order, but for slices. */
function codesOf(bytes: Uint8Array): number[] {
  const codes: number[] = [];
  for (let at = 0; at + 3 < bytes.length; at++) {
    const code = bytes[at + 3] ?? 0;
    if (bytes[at] === 0 && bytes[at + 1] === 0 && bytes[at + 2] === 1 && (code === 0 || code > 0xaf)) codes.push(code);
  }
  return codes;
}

const INTRA = 1;
const PREDICTED = 2;

/** picture_coding_type of the picture header. */
function codingTypeOf(bytes: Uint8Array): number {
  const at = Buffer.from(bytes).indexOf(Buffer.of(0, 0, 1, PICTURE));
  return ((bytes[at + 5] ?? 0) >> 3) & 7;
}

function decodedPictures(packets: readonly MediaPacket[]): number {
  const output = ['-vf', 'scale=2:2,format=gray', '-vsync', 'passthrough', '-f', 'rawvideo', '-'];
  return ffmpeg(['-i', '-', ...output], mp4Of(packets)).length / 4;
}

function never(): never {
  throw new Error('the clip is empty');
}
