import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MediaPlaylistLinter } from '@sluice/media';
import { afterEach, describe, expect, test } from 'vitest';
import type { Stream } from '../../../core/index.ts';
import { Clips } from '../preloader/clip.ts';
import { feed, PUBLISHER } from '../testing/fakes.ts';
import { get, makeRig, PICTURE, type Rig } from '../testing/rig.ts';

const CLIPS = fileURLToPath(new URL('../../../../../../assets/preloader', import.meta.url));

let rig: Rig | undefined;
let stream: Stream;

async function start(options: Parameters<typeof makeRig>[0] = {}): Promise<Rig> {
  const made = await makeRig({ preloader: { dir: CLIPS, segmentMinMs: 2000 }, startWaitMs: 60_000, ...options });
  rig = made;
  stream = made.streams.publish('cam', PUBLISHER);
  return made;
}

afterEach(async () => {
  expect(await rig?.close()).toEqual(rig && [0, 0, 0, 0]);
  rig = undefined;
});

async function playlist(name = 'cam.m3u8'): Promise<string> {
  const answer = await get(`${rig?.plain}/cam/${name}`);
  expect([name, answer.status]).toEqual([name, 200]);
  return answer.body.toString();
}

const segments = (text: string): readonly string[] => text.match(/^cam_\d+\.(m4s|ts)$/gm) ?? [];
const firstOf = (text: string): number => Number(/MEDIA-SEQUENCE:(\d+)/.exec(text)?.[1]);

describe.each([
  ['fmp4 with parts', {}],
  ['fmp4', { lowLatency: false }],
  ['ts', { container: 'ts' }],
] as const)('the clip before the first segment, %s', (_name, options) => {
  test('is listed at once, goes on as time does, and is followed by the stream after a discontinuity', async () => {
    const { ticker, counters } = await start(options);
    const before = await playlist();
    expect(segments(before)).toHaveLength(2);
    expect(before).not.toContain('EXT-X-PART:');
    ticker.tickIn(4500);
    const later = await playlist();
    expect(segments(later)).toHaveLength(4);
    expect([firstOf(later), segments(later).slice(0, 2)]).toEqual([firstOf(before), segments(before)]);
    feed(stream, { fromMs: 0, toMs: 5000, video: PICTURE });
    ticker.tickIn(20_000);
    const live = await playlist();
    expect(live.split('#EXT-X-DISCONTINUITY\n')).toHaveLength(2);
    expect(segments(live)).toHaveLength(6);
    expect(segments(live.split('#EXT-X-DISCONTINUITY\n')[0] ?? '')).toEqual(segments(later));
    expect(live.match(/EXT-X-MAP/g)?.length ?? 0).toBe('container' in options ? 0 : 2);
    // None of the clip is told of by parts.
    expect(live.indexOf('EXT-X-PART:') === -1 || live.indexOf('EXT-X-PART:') > live.indexOf('DISCONTINUITY\n')).toBe(
      true,
    );
    expect(counters.counts['hls_preloaders']).toBe(1);
    const linter = new MediaPlaylistLinter();
    const findings = [before, later, live].flatMap((text) => linter.check(text));
    // How long parts are is known when the stream is: before that there are none, and nothing is said of them.
    expect(findings.filter(({ rule }) => rule !== 'part-target-changed')).toEqual([]);
    for (const name of segments(live)) expect((await get(`${rig?.plain}/cam/${name}`)).status).toBe(200);
  });

  test('is decoded by FFmpeg over its end and beginning', { timeout: 20_000 }, async () => {
    const { ticker } = await start({ ...options, listSize: 20, lowLatencyListSize: 20 });
    await playlist();
    ticker.tickIn(9500);
    const text = await playlist();
    const maps = [...text.matchAll(/EXT-X-MAP:URI="([^"]+)"/g)].map((match) => match[1]);
    const bytes: Buffer[] = [];
    for (const name of [...maps, ...segments(text)]) bytes.push((await get(`${rig?.plain}/cam/${name}`)).body);
    const { warnings, frames } = await decode(Buffer.concat(bytes));
    expect(warnings).toBe('');
    expect(frames).toBe(segments(text).length * 50);
  });
});

test('a master playlist tells of the clip until the stream is known', async () => {
  await start();
  expect(await playlist('index.m3u8')).toMatch(/CODECS="avc1\.42C0[0-9A-F]{2},mp4a\.40\.2",RESOLUTION=640x360/i);
});

test('a stream that ends or can not be played is not played by a clip', async () => {
  const { streams, ticker, plain } = await start();
  await playlist();
  streams.unpublish(stream, PUBLISHER, 'over');
  expect((await get(`${plain}/cam/cam.m3u8`)).status).toBe(404);
  stream = streams.publish('cam', PUBLISHER);
  await playlist();
  const vp8 = { id: 0, kind: 'video', codec: 'vp8', clockRate: 90_000, parameters: [] } as const;
  feed(stream, { fromMs: 0, toMs: 600, video: vp8, audio: undefined });
  ticker.tickIn(40_000);
  expect((await get(`${plain}/cam/cam.m3u8`)).status).toBe(415);
});

describe('clips', () => {
  const bad: string[] = [];
  const load = (dir: string): Promise<Clips> => Clips.load(dir, (shape) => void bad.push(shape));

  test('fit the shape of the picture, or are 16:9', async () => {
    const clips = await load(CLIPS);
    expect([clips.size, Math.round((clips.fit(undefined)?.durationUs ?? 0) / 1e5)]).toEqual([3, 40]);
    expect(clips.fit(PICTURE)).toBe(clips.fit(undefined));
    const size = (sps: string) => ({ ...PICTURE, parameters: [Buffer.from(sps, 'hex')] });
    // 320x240 and 480x240, by x264.
    expect(clips.fit(size(SPS_4X3))).not.toBe(clips.fit(undefined));
    expect(clips.fit(size(SPS_2X1))).not.toBe(clips.fit(undefined));
    expect(clips.fit(size(SPS_2X1))).not.toBe(clips.fit(size(SPS_4X3)));
  });

  test('are read from transport streams as WCS has them; what can not be used is told and left out', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'sluice-clips-'));
    mkdirSync(join(dir, '16x9'));
    const path = join(dir, '16x9', 'index0.ts');
    await run(['-i', join(CLIPS, '16x9.mp4'), '-c', 'copy', '-f', 'mpegts', path]);
    await run([
      '-i',
      join(CLIPS, '16x9.mp4'),
      '-c',
      'copy',
      '-output_ts_offset',
      '4',
      '-f',
      'mpegts',
      join(dir, '16x9', 'index1.ts'),
    ]);
    writeFileSync(join(dir, '4x3.mp4'), 'no film');
    copyFileSync(join(CLIPS, '2x1.mp4'), join(dir, '2x1.mp4'));
    bad.length = 0;
    const clips = await load(dir);
    rmSync(dir, { recursive: true });
    expect([clips.size, bad]).toEqual([2, ['4x3']]);
    const clip = clips.fit(undefined);
    expect(Math.round((clip?.durationUs ?? 0) / 100_000)).toBe(80);
    expect((await load(join(dir, 'none'))).size).toBe(0);
  });
});

const SPS_4X3 = '6742c00dd90141fb011000000300100000030320f142a480';
const SPS_2X1 = '6742c015d901e1fb011000000300100000030320f162e480';

function run(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    spawn('ffmpeg', ['-v', 'error', '-y', ...args]).on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${code}`)),
    );
  });
}

/** Decodes all of a file; everything that FFmpeg finds worth a warning comes back. */
function decode(bytes: Buffer): Promise<{ warnings: string; frames: number }> {
  return new Promise((resolve) => {
    const child = spawn('ffmpeg', [
      '-v',
      'warning',
      '-nostats',
      '-progress',
      'pipe:1',
      '-i',
      'pipe:0',
      '-f',
      'null',
      '-',
    ]);
    let warnings = '';
    let progress = '';
    child.stderr.on('data', (chunk: Buffer) => {
      warnings += chunk.toString();
    });
    child.stdout.on('data', (chunk: Buffer) => {
      progress += chunk.toString();
    });
    child.on('close', () => resolve({ warnings, frames: Number([...progress.matchAll(/frame=(\d+)/g)].at(-1)?.[1]) }));
    child.stdin.on('error', () => {});
    child.stdin.end(bytes);
  });
}
