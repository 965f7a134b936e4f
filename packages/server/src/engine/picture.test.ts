import { type MediaPacket, vp8Track } from '@sluice/media';
import { afterEach, describe, expect, test } from 'vitest';
import type { PictureForm } from '../core/index.ts';
import type { Engine } from './index.ts';
import { flvClip, mp4Clip, packetOf, vp8Clip } from './testing/clips.ts';
import { BLUE, type Colour, decodePicture, distance, GREEN, quarters, RED, WHITE } from './testing/pictures.ts';
import { isAlive, testEngine, until } from './testing/run.ts';

const open: Engine[] = [];
afterEach(async () => {
  const pids = open.flatMap(pidsOf);
  await Promise.all(open.splice(0).map((engine) => engine.close()));
  expect(pids.filter(isAlive)).toEqual([]);
});

function start(options: Parameters<typeof testEngine>[0] = {}) {
  const parts = testEngine(options);
  open.push(parts.engine);
  const picture = (packets: readonly MediaPacket[], form: PictureForm, signal = new AbortController().signal) =>
    parts.engine.pictures.picture(packets, form, signal);
  return { ...parts, picture };
}

function pidsOf(engine: Engine): number[] {
  return engine.stats().workers.flatMap(({ pid }) => pid ?? []);
}

/** Input of ffmpeg with these pixels, in YUV as players take it. */
function input(filter: string, rest: readonly string[] = []): string[] {
  return ['-f', 'lavfi', '-i', `${filter},scale=out_color_matrix=bt601:out_range=tv,format=yuv420p`, ...rest];
}

const FOUR = input(quarters('320x240', 10, 1));
const H264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '2', '-g', '100', '-crf', '10'];
const H265 = ['-c:v', 'libx265', '-preset', 'ultrafast', '-tag:v', 'hvc1', '-crf', '10', '-x265-params'];
const AV1 = ['-c:v', 'libaom-av1', '-cpu-used', '8', '-lag-in-frames', '0', '-usage', 'realtime', '-crf', '10'];

const SOURCES: readonly (readonly [string, () => MediaPacket[] | Promise<MediaPacket[]>])[] = [
  ['H.264 with B-frames', () => mp4Clip([...FOUR, ...H264])],
  ['H.265 with B-frames', () => mp4Clip([...FOUR, ...H265, 'log-level=none:bframes=3'])],
  ['H.265 with 10 bits', () => mp4Clip([...FOUR, '-pix_fmt', 'yuv420p10le', ...H265, 'log-level=none'])],
  ['VP8', () => vp8Clip([...FOUR, '-b:v', '2M'])],
  ['VP9', () => mp4Clip([...FOUR, '-c:v', 'libvpx-vp9', '-b:v', '2M', '-cpu-used', '8', '-deadline', 'realtime'])],
  ['AV1', () => mp4Clip([...FOUR, ...AV1])],
  ['Sorenson Spark', () => flvClip([...FOUR, '-c:v', 'flv1', '-q:v', '2'])],
];

const MOVING = ['-f', 'lavfi', '-i', 'testsrc2=s=640x360:r=30:d=3', '-pix_fmt', 'yuv420p'];
/** One colour for each second: red, green, blue. */
const CHANGING = input(
  'color=0xff0000:s=320x240:r=10:d=1[a];color=0x00ff00:s=320x240:r=10:d=1[b];color=0x0000ff:s=320x240:r=10:d=1[c];[a][b][c]concat=n=3,format=rgb24',
);

function expectQuarters(file: Uint8Array): void {
  const picture = decodePicture(file);
  expectColour(picture.at(0.25, 0.25), RED);
  expectColour(picture.at(0.75, 0.25), GREEN);
  expectColour(picture.at(0.25, 0.75), BLUE);
  expectColour(picture.at(0.75, 0.75), WHITE);
}

function expectColour(seen: Colour, wanted: Colour): void {
  expect({ seen, near: distance(seen, wanted) < 25 }).toEqual({ seen, near: true });
}

describe('a picture', { timeout: 60_000 }, () => {
  test.each(SOURCES)('of %s has the colours of what was published, as PNG and as JPEG', async (_name, clip) => {
    const { picture } = start();
    const packets = await clip();
    for (const format of ['png', 'jpeg'] as const) {
      for (const given of [packets, packets.slice(0, 1)]) {
        const file = await picture(given, { format });
        expectQuarters(file);
        expect(decodePicture(file)).toMatchObject({
          format: format === 'png' ? 'png' : 'mjpeg',
          width: 320,
          height: 240,
        });
      }
    }
  });

  test('takes large pictures that do not say it for BT.709, and believes those that say it', async () => {
    const { picture } = start();
    const hd = quarters('1280x720', 5, 0.2);
    for (const matrix of ['bt709', 'bt601'] as const) {
      const yuv = ['-f', 'lavfi', '-i', `${hd},scale=out_color_matrix=${matrix}:out_range=tv,format=yuv420p`];
      const told =
        matrix === 'bt601' ? ['-x264-params', 'colormatrix=smpte170m'] : ['-x264-params', 'colormatrix=undef'];
      const packets = await mp4Clip([...yuv, ...H264, ...told]);
      expectQuarters(await picture(packets, { format: 'png' }));
      expectQuarters(await picture(packets, { format: 'jpeg' }));
    }
  });

  test('is the last one of the packets in the order of showing', async () => {
    const { picture } = start();
    const packets = await mp4Clip([...CHANGING, ...H264]);
    const shown = async (count: number) => decodePicture(await picture(packets.slice(0, count), { format: 'png' }));
    expectColour((await shown(1)).at(0.5, 0.5), RED);
    expectColour((await shown(16)).at(0.5, 0.5), GREEN);
    expectColour((await shown(packets.length)).at(0.5, 0.5), BLUE);
  });

  test('follows a source into new parameters', async () => {
    const { picture } = start();
    const small = await mp4Clip([...FOUR, ...H264]);
    const large = await mp4Clip([...input('color=0x0000ff:s=640x480:r=10:d=0.5,format=rgb24'), ...H264]);
    const seen = decodePicture(await picture([...small, ...large], { format: 'png' }));
    expect([seen.width, seen.height]).toEqual([640, 480]);
    expectColour(seen.at(0.5, 0.5), BLUE);
  });

  test.each([
    [{ width: 160 }, [160, 120]],
    [{ height: 60 }, [80, 60]],
    [{ width: 100, height: 100 }, [100, 75]],
    [{ width: 640, height: 240 }, [320, 240]],
    [{ width: 640 }, [640, 480]],
    [{ width: 1 }, [1, 1]],
  ] as const)('keeps its shape in %j', async (box, size) => {
    const { picture } = start();
    const packets = vp8Clip([...FOUR, '-b:v', '2M']);
    for (const format of ['png', 'jpeg'] as const) {
      const seen = decodePicture(await picture(packets.slice(0, 1), { format, ...box }));
      expect([seen.width, seen.height]).toEqual(size);
    }
  });

  test('is shown with square pixels, whatever those of the source are', async () => {
    const { picture } = start();
    const wide = await mp4Clip([...FOUR, '-vf', 'setsar=4/3', ...H264]);
    const seen = decodePicture(await picture(wide, { format: 'png' }));
    expect([seen.width, seen.height]).toEqual([427, 240]);
    expectQuarters(await picture(wide, { format: 'png' }));
  });

  test('of JPEG is smaller with less quality', async () => {
    const { picture } = start();
    const packets = (await mp4Clip([...MOVING, ...H264])).slice(0, 1);
    const sizes: number[] = [];
    for (const quality of [10, 50, 85, 100]) sizes.push((await picture(packets, { format: 'jpeg', quality })).length);
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
    expect(sizes[3]).toBeGreaterThan(3 * (sizes[0] ?? 0));
  });

  test('can not be taken of what is damaged, is not decodable or begins without a key frame', async () => {
    const { picture, counters } = start();
    const packets = await mp4Clip([...FOUR, ...H264]);
    const [key] = packets as [MediaPacket];
    const broken = key.units.map((unit) => unit.map((byte, index) => (index > 20 ? byte ^ 0x5a : byte)));
    const bad: MediaPacket[][] = [
      [],
      packets.slice(1),
      [packetOf(key.track, broken, { ptsUs: 0, dtsUs: 0, key: true })],
      [packetOf(key.track, [new Uint8Array(0)], { ptsUs: 0, dtsUs: 0, key: true })],
      [packetOf(vp8Track(0), [Uint8Array.of(1, 2, 3)], { ptsUs: 0, dtsUs: 0, key: true })],
      [packetOf({ ...key.track, parameters: [] }, key.units, { ptsUs: 0, dtsUs: 0, key: true })],
      [packetOf({ ...key.track, codec: 'opus' }, key.units, { ptsUs: 0, dtsUs: 0, key: true })],
    ];
    for (const given of bad)
      await expect(picture(given, { format: 'png' })).rejects.toMatchObject({ code: 'SNAPSHOT_FAILED' });
    expectQuarters(await picture(packets, { format: 'png' }));
    expect(counters.of('engine_worker_deaths')).toBe(0);
  });

  test('shows the last undamaged one of a source with damage', async () => {
    const { picture } = start();
    const packets = await mp4Clip([...MOVING, ...H264, '-bf', '0']);
    const torn = packets.map((packet, index) => {
      const units = packet.units.map((unit) => unit.slice(0, Math.ceil(unit.length / 2)));
      return index < 15 ? packet : { ...packet, units };
    });
    const [seen, good, earlier] = await Promise.all(
      [torn, packets.slice(0, 15), packets.slice(0, 14)].map((given) => picture(given, { format: 'png' })),
    );
    expect(Buffer.from(seen ?? []).equals(good ?? new Uint8Array())).toBe(true);
    expect(Buffer.from(seen ?? []).equals(earlier ?? new Uint8Array())).toBe(false);
  });
});

describe('the making of pictures', { timeout: 60_000 }, () => {
  /** Seconds of work, made once. */
  let clip: Promise<MediaPacket[]> | undefined;
  const many = () => {
    clip ??= mp4Clip([...MOVING, ...H264]);
    return clip;
  };

  test('goes on in another worker when one is killed at it', async () => {
    const { engine, picture, counters } = start();
    const packets = await many();
    const made = picture(packets, { format: 'jpeg', width: 320 });
    await until(() => engine.stats().workers.some(({ ready }) => ready), 'the worker is up');
    process.kill(pidsOf(engine)[0] ?? 0, 'SIGKILL');
    expect(decodePicture(await made).width).toBe(320);
    expect(counters.of('engine_worker_deaths')).toBe(1);
  });

  test('fails only the picture whose workers die, and then goes on', async () => {
    const { engine, picture, counters } = start({ pictureWorkers: 1 });
    const packets = await many();
    const killed = picture(packets, { format: 'png' });
    const next = picture(packets.slice(0, 1), { format: 'jpeg' });
    const failure = expect(killed).rejects.toMatchObject({ code: 'SNAPSHOT_FAILED' });
    for (let death = 1; death <= 2; death += 1) {
      await until(() => engine.stats().workers.some(({ ready }) => ready), 'a worker is up');
      process.kill(pidsOf(engine)[0] ?? 0, 'SIGKILL');
      await until(() => counters.of('engine_worker_deaths') === death, `death ${death}`);
    }
    await failure;
    expect(decodePicture(await next).format).toBe('mjpeg');
    // Nothing of that source is tried for a while, as each death makes others wait.
    await expect(picture(packets, { format: 'png' })).rejects.toMatchObject({ code: 'SNAPSHOT_FAILED' });
    expectQuarters(await picture(vp8Clip([...FOUR, '-b:v', '2M']), { format: 'png' }));
    expect(counters.of('engine_worker_deaths')).toBe(2);
  });

  test('kills a worker that hangs and takes the picture in another', async () => {
    const { engine, picture, counters } = start({ silenceMs: 1500 });
    const packets = await many();
    const made = picture(packets, { format: 'jpeg' });
    await until(() => engine.stats().workers.some(({ ready }) => ready), 'the worker is up');
    process.kill(pidsOf(engine)[0] ?? 0, 'SIGSTOP');
    expect(decodePicture(await made).width).toBe(640);
    expect(counters.of('engine_worker_deaths')).toBe(1);
  });

  test('gives up what takes too long, and what is not wanted any more', async () => {
    const { engine, picture } = start({ pictureTimeoutMs: 300, pictureWorkers: 1 });
    const packets = await many();
    const long = Array.from({ length: 20 }, () => packets).flat();
    await expect(picture(long, { format: 'png' })).rejects.toMatchObject({ message: 'it took longer than 300 ms' });
    const controller = new AbortController();
    const unwanted = picture(packets, { format: 'png' }, controller.signal);
    controller.abort();
    await expect(unwanted).rejects.toMatchObject({ code: 'SNAPSHOT_FAILED' });
    expect(engine.stats().workers).toHaveLength(1);
  });

  test('takes hundreds in turn with two workers that stay small and end when they rest', async () => {
    const { engine, picture } = start({ idleMs: 300 });
    const key = (await many()).slice(0, 1);
    const make = (count: number) =>
      Promise.all(Array.from({ length: count }, () => picture(key, { format: 'jpeg', width: 320 })));
    await make(500);
    const rss = () => Math.max(...engine.stats().workers.map(({ rssBytes }) => rssBytes));
    await until(() => rss() > 0, 'the workers tell their memory');
    const pids = pidsOf(engine);
    expect(pids).toHaveLength(2);
    const before = rss();
    await make(400);
    expect(pidsOf(engine)).toEqual(pids);
    expect(rss() - before).toBeLessThan(60 * 1024 * 1024);
    await until(() => pidsOf(engine).length === 0, 'the workers end');
  });

  test('fails what waits when the engine closes', async () => {
    const { engine, picture } = start();
    const packets = await many();
    const waiting = Array.from({ length: 5 }, () => picture(packets, { format: 'png' }));
    const failures = Promise.allSettled(waiting);
    await engine.close();
    expect((await failures).map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => 'rejected'));
    await expect(picture(packets, { format: 'png' })).rejects.toMatchObject({ code: 'SNAPSHOT_FAILED' });
  });
});
