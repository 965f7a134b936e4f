import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { END_OF_FILE } from '../core/index.ts';
import { ClipFolder, H264_AAC, H264_B_FRAMES } from './testing/clips.ts';
import { Viewer } from './testing/viewer.ts';
import { openFiles, VodRig } from './testing/vod-rig.ts';

let clips: ClipFolder;
let rig: VodRig;

/** The sound begins first, because encoders of AAC begin with a frame of nothing (1024 samples). */
const PICTURES = Array.from({ length: 25 }, (_, i) => (21_333 + i * 40_000) / 1000);

beforeAll(() => {
  clips = new ClipFolder();
  clips.make('clip.mp4', 1, ...H264_AAC);
  clips.make('long.mp4', 8, ...H264_B_FRAMES, '-movflags', '+faststart');
});

afterAll(() => clips[Symbol.dispose]());

beforeEach(() => {
  rig = new VodRig(clips.path);
});

afterEach(() => rig.close());

function steps(times: readonly number[]): number[] {
  return times.slice(1).map((time, i) => time - (times[i] ?? 0));
}

describe('vod-live', () => {
  it('plays a file at the speed of its clock and ends with it', async () => {
    const began = performance.now();
    const viewer = await rig.view('vod-live://clip.mp4');
    expect(await viewer.end()).toBe(END_OF_FILE);
    // A second and the time that players get to show the last picture; a burst would be over at once.
    expect(performance.now() - began).toBeGreaterThan(1400);
    expect(viewer.times('video')).toEqual(PICTURES);
    expect(viewer.times('audio').length).toBeGreaterThanOrEqual(47);
    expect(rig.hub.streams.size).toBe(0);
  });

  it('goes on after its end without a break in time where it is to loop', async () => {
    rig = new VodRig(clips.path, { loop: true });
    const began = performance.now();
    const viewer = await rig.view('vod-live://clip.mp4');
    await viewer.has(61);
    for (const kind of ['video', 'audio'] as const) {
      const between = steps(viewer.times(kind));
      expect(Math.min(...between)).toBeGreaterThan(0);
      expect(Math.max(...between)).toBeLessThan(80);
    }
    expect(performance.now() - began).toBeGreaterThan(2000);
    const [file] = rig.resolver.all();
    expect(file).toMatchObject({ loop: true, hasVideo: true, hasAudio: true, uri: 'vod-live://clip.mp4' });
    expect(file?.durationMs).toBeGreaterThanOrEqual(1000);
    expect(file?.positionMs).toBeLessThan(1100);
  });

  it('shares one source among those who ask at the same time, and ends it when nobody watches', async () => {
    const [a, b] = await Promise.all([rig.view('vod-live://long.mp4'), rig.view('vod-live://long.mp4')]);
    await a.has(3);
    expect(rig.hub.sessions.size).toBe(1);
    expect(a.packets[0]).toBe(b.packets[0]);
    a.leave();
    await b.has(10);
    b.leave();
    await expect.poll(() => rig.hub.streams.size, { timeout: 5000 }).toBe(0);
    expect(rig.hub.log.lines.at(-1)).toMatchObject({ fields: { reason: 'nobody watches' } });
  });

  it('is started, listed and ended by request, under any name', async () => {
    await rig.resolver.startup('vod-live://long.mp4', { streamName: 'film', loop: true });
    const viewer = await rig.view(rig.hub.streams.get('film'));
    await viewer.has(5);
    expect(rig.resolver.all()).toMatchObject([{ streamName: 'film', uri: 'vod-live://long.mp4', loop: true }]);
    expect(rig.resolver.terminate({ streamName: 'other' })).toBe(false);
    await expect(rig.resolver.startup('vod-live://long.mp4', { streamName: 'film' })).rejects.toMatchObject({
      code: 'STREAM_NAME_BUSY',
    });
    await expect(rig.resolver.startup('vod://long.mp4', { streamName: 'x' })).rejects.toMatchObject({
      code: 'STREAM_NAME_INVALID',
    });
    expect(rig.resolver.terminate({ uri: 'vod-live://long.mp4', streamName: 'film' })).toBe(true);
    expect(await viewer.end()).toBe('terminated');
  });
});

describe('vod', () => {
  it('gives each viewer a stream of its own, whole and from its first packet on', async () => {
    const early = await rig.resolver.resolve('vod://clip.mp4');
    const first = await rig.view('vod://clip.mp4');
    await first.has(20);
    // The one that was not ready yet has missed nothing.
    const second = await rig.view(early);
    expect(rig.hub.streams.size).toBe(0);
    expect(rig.resolver.all()).toHaveLength(2);
    expect(await Promise.all([first.end(), second.end()])).toEqual([END_OF_FILE, END_OF_FILE]);
    for (const viewer of [first, second]) expect(viewer.times('video')).toEqual(PICTURES);
    expect(first.times('audio')).toEqual(second.times('audio'));
  });

  it('ends with its viewer, whatever the others do', async () => {
    const [first, second] = [await rig.view('vod://long.mp4'), await rig.view('vod://long.mp4')];
    await first.has(5);
    first.leave();
    await expect.poll(() => rig.resolver.all().length).toBe(1);
    await second.has(second.times('video').length + 5);
  });

  it('ends when its viewer goes before it begins', async () => {
    const search = new AbortController();
    await rig.resolver.resolve('vod://long.mp4', { signal: search.signal });
    expect(rig.resolver.all()).toHaveLength(1);
    search.abort();
    await expect.poll(() => rig.resolver.all().length).toBe(0);
  });

  it('can not be had more often than the settings allow', async () => {
    rig = new VodRig(clips.path, { maxFiles: 2 });
    await Promise.all([rig.view('vod://long.mp4'), rig.view('vod-live://long.mp4')]);
    await expect(rig.resolver.resolve('vod://clip.mp4')).rejects.toMatchObject({
      code: 'STREAM_LIMIT',
      message: expect.stringContaining('vod_max_files'),
    });
    // One that is there already costs no file.
    await rig.view('vod-live://long.mp4');
  });

  it('leaves no file open after many viewers that leave whenever they like', async () => {
    const before = openFiles();
    const random = () => Math.random();
    const visit = async (i: number): Promise<void> => {
      const name = i % 3 === 0 ? 'vod-live://clip.mp4' : random() < 0.5 ? 'vod://clip.mp4' : 'vod://long.mp4';
      const search = new AbortController();
      if (random() < 0.2) setTimeout(() => search.abort(), random() * 30);
      const stream = await rig.resolver.resolve(name, { signal: search.signal }).catch(() => undefined);
      if (stream === undefined || stream.ended) return;
      const viewer = new Viewer(stream);
      setTimeout(() => viewer.leave(), random() * 800);
    };
    for (let i = 0; i < 200; i++) {
      void visit(i);
      if (i % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await expect.poll(() => rig.resolver.all().length, { timeout: 10_000 }).toBe(0);
    await expect.poll(openFiles).toBe(before);
    expect(rig.hub.counters.of('vod_files_opened')).toBeGreaterThan(100);
  }, 20_000);
});

describe('a sound file', () => {
  it('plays like any other, and over and over where that is asked for', async () => {
    const sine = ['-f', 'lavfi', '-i', 'sine=440:r=8000:d=0.3', '-c:a', 'pcm_alaw'];
    execFileSync('ffmpeg', ['-v', 'error', ...sine, join(clips.path, 'tone.wav')]);
    const viewer = await rig.view('vod://tone.wav');
    expect(await viewer.end()).toBe(END_OF_FILE);
    expect(viewer.packets[0]?.track).toMatchObject({ codec: 'pcma', clockRate: 8000 });
    expect(viewer.times('audio')).toEqual(Array.from({ length: 15 }, (_, i) => i * 20));
    const endless = await rig.view(await rig.resolver.resolve('vod://tone.wav', { loop: true }));
    await endless.has(40, 'audio');
    expect(endless.times('audio').slice(0, 40)).toEqual(Array.from({ length: 40 }, (_, i) => i * 20));
  });
});
