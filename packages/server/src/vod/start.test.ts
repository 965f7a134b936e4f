import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { writeBigFile } from './testing/big-file.ts';
import { ClipFolder, H264_B_FRAMES, VP8_OPUS } from './testing/clips.ts';
import { VodRig } from './testing/vod-rig.ts';

let clips: ClipFolder;
let rig: VodRig;

const FORMS = ['last.mp4', 'first.mp4', 'fragments.mp4', 'h264.mkv', 'vp8.webm', 'live.webm'];

beforeAll(() => {
  clips = new ClipFolder();
  clips.make('first.mp4', 6, ...H264_B_FRAMES, '-movflags', '+faststart');
  clips.copy('first.mp4', 'last.mp4');
  clips.copy('first.mp4', 'fragments.mp4', '-movflags', '+frag_keyframe+empty_moov');
  clips.copy('first.mp4', 'h264.mkv');
  clips.make('vp8.webm', 6, ...VP8_OPUS);
  // As it is while it is being written: without an index and without a length.
  clips.copy('vp8.webm', 'live.webm', '-live', '1');
}, 60_000);

afterAll(() => clips[Symbol.dispose]());

beforeEach(() => {
  rig = new VodRig(clips.path);
});

afterEach(() => rig.close());

/** Picture times in the file as FFmpeg sees them, seconds, in the order of decoding. */
function picturesOf(name: string): { ptsS: number; key: boolean }[] {
  const path = join(clips.path, name);
  const fields = ['-show_entries', 'packet=pts_time,flags', '-select_streams', 'v', '-of', 'csv=p=0'];
  const text = execFileSync('ffprobe', ['-v', 'error', ...fields, path], { encoding: 'utf8' });
  return text
    .trim()
    .split('\n')
    .map((line) => line.split(','))
    .map(([pts, flags]) => ({ ptsS: Number(pts), key: flags?.startsWith('K') === true }));
}

it.each(FORMS)('%s begins at the key frame before the place that is asked for, at time zero', async (name) => {
  const all = picturesOf(name);
  for (const [asked, startUs, seconds] of [
    [`vod://${name}?start=2.5`, undefined, 2.5],
    [`vod://${name}`, 4_500_000, 4.5],
    // The name has the last word.
    [`vod://${name}?start=3.999`, 1_000_000, 3.999],
    [`vod://${name}?start=1000`, undefined, 1000],
  ] as const) {
    const viewer = await rig.view(asked, startUs);
    await viewer.has(12);
    await viewer.has(12, 'audio');
    const pictures = viewer.packets.filter(({ track }) => track.kind === 'video');
    const first = all.findLastIndex(({ ptsS, key }) => key && ptsS <= seconds);
    const firstS = all[first]?.ptsS ?? 0;
    expect(pictures[0]?.key, asked).toBe(true);
    const expected = all.slice(first, first + 12);
    const steps = pictures.slice(0, 12).map(({ ptsUs }) => (ptsUs - (pictures[0]?.ptsUs ?? 0)) / 1000);
    for (const [i, step] of steps.entries())
      expect(Math.abs(step - ((expected[i]?.ptsS ?? 0) - firstS) * 1000), asked).toBeLessThan(1);
    expect(Math.min(viewer.times('video')[0] ?? -1, viewer.times('audio')[0] ?? -1), asked).toBe(0);
    // Sound begins with the picture, a frame of it more or less.
    const apartMs = (viewer.times('audio')[0] ?? 0) - (pictures[0]?.ptsUs ?? 0) / 1000;
    expect(Math.abs(apartMs), asked).toBeLessThan(110);
    viewer.leave();
  }
});

it('a live stream that others share may begin at a place of its own', async () => {
  const viewer = await rig.view('vod-live://first.mp4?start=2.5');
  await viewer.has(3);
  expect([...rig.hub.streams.all()].map(({ name }) => name)).toEqual(['vod-live://first.mp4?start=2.5']);
  expect(rig.resolver.all()[0]?.positionMs).toBeGreaterThanOrEqual(1900);
});

it('a start that is no number of seconds is refused', async () => {
  await expect(rig.resolver.resolve('vod://first.mp4?start=soon')).rejects.toMatchObject({
    code: 'STREAM_NAME_INVALID',
  });
});

it('a file of ten hours and 4 GB begins at once anywhere and takes little memory', async () => {
  const filled = [
    { fromSeconds: 0, seconds: 2 },
    { fromSeconds: 32_400, seconds: 4 },
  ];
  writeBigFile(join(clips.path, 'big.mp4'), join(clips.path, 'first.mp4'), { hours: 10, filled });
  // Once, so that what is compiled and allocated for any file is there.
  (await rig.view('vod://first.mp4')).leave();
  const before = process.memoryUsage().arrayBuffers;
  const began = performance.now();
  const first = await rig.resolver.resolve('vod://big.mp4');
  const openedMs = performance.now() - began;
  const second = await rig.resolver.resolve('vod://big.mp4?start=32402');
  const soughtMs = performance.now() - began - openedMs;
  const viewers = [await rig.view(first), await rig.view(second)];
  for (const viewer of viewers) await viewer.has(10);
  for (const tookMs of [openedMs, soughtMs]) expect(tookMs).toBeLessThan(5000);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(40 * 2 ** 20);
  const positions = rig.resolver.all().map(({ positionMs }) => positionMs);
  expect(positions.some((ms) => ms >= 32_402_000 && ms < 32_404_000)).toBe(true);
  expect(rig.resolver.all().map(({ durationMs }) => durationMs)).toContain(36_000_000);
}, 60_000);
