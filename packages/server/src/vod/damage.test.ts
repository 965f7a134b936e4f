import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { mutate, prng } from '../../../media/src/testing/mutate.ts';
import { MediaServerError } from '../core/index.ts';
import { LocalFile } from './folder-store.ts';
import { PatientFile } from './patient-file.ts';
import { ClipFolder, H264_AAC, H264_B_FRAMES, VP8_OPUS } from './testing/clips.ts';
import { ScriptedStore, VodRig } from './testing/vod-rig.ts';

let clips: ClipFolder;
let rig: VodRig;

beforeAll(() => {
  clips = new ClipFolder();
  // Heavy, so that it is not read at once.
  const noise = ['-vf', 'noise=alls=100:allf=t', '-crf', '10'];
  clips.make('heavy.mp4', 4, ...H264_B_FRAMES, '-movflags', '+faststart', ...noise);
  clips.make('clip.mp4', 1, ...H264_AAC);
  clips.make('clip.webm', 1, ...VP8_OPUS);
  clips.make('fragments.mp4', 1, ...H264_AAC, '-movflags', '+frag_keyframe+empty_moov');
}, 60_000);

afterAll(() => clips[Symbol.dispose]());

afterEach(() => rig.close());

const never = (): Promise<never> => new Promise(() => {});

describe('a storage that fails', () => {
  function start(): ScriptedStore {
    const store = new ScriptedStore(readFileSync(join(clips.path, 'heavy.mp4')));
    rig = new VodRig(store, { readTimeoutMs: 150 });
    return store;
  }

  it('before the file plays is told as FILE_UNREADABLE, in time', async () => {
    const store = start();
    store.onRead = never;
    await expect(rig.resolver.resolve('vod://a.mp4')).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringContaining('vod_read_timeout'),
    });
    store.onRead = () => Promise.reject(Object.assign(new Error('broken disk'), { code: 'EIO' }));
    await expect(rig.resolver.resolve('vod-live://a.mp4')).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: 'a.mp4 can not be read: EIO',
    });
    expect(store.openCount).toBe(0);
    expect(rig.hub.counters.of('vod_bad_files')).toBe(2);
  });

  it.each(['vod', 'vod-live'])('while it plays by %s ends the stream when what was read is played', async (scheme) => {
    const store = start();
    const viewer = await rig.view(`${scheme}://a.mp4`);
    await viewer.has(1);
    store.onRead = never;
    expect(await viewer.end()).toBe('Failed to read file');
    expect(viewer.times('video').length).toBeGreaterThan(10);
    await expect.poll(() => store.openCount).toBe(0);
  });

  it('is not blamed for a pause of the whole process', async () => {
    rig = new VodRig(clips.path);
    const local = await LocalFile.open('clip.mp4', join(clips.path, 'clip.mp4'));
    if (local === undefined) throw new Error('there is no clip');
    const file = new PatientFile(local, 50);
    const reading = file.read(0, 1000);
    for (const endMs = performance.now() + 200; performance.now() < endMs; );
    expect((await reading).length).toBe(1000);
    await file.close();
    await expect(file.read(0, 1)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  });

  it('does not hold up the end of the server', async () => {
    const store = start();
    store.onRead = never;
    const asked = rig.resolver.resolve('vod://a.mp4').catch((error: MediaServerError) => error.code);
    await expect.poll(() => store.openCount).toBe(1);
    await rig.resolver.close();
    expect(await asked).toBe('FILE_UNREADABLE');
    expect(await rig.resolver.resolve('vod://a.mp4')).toBeUndefined();
  });
});

describe('a file that is no media file', () => {
  it.each(['this is not an MP4 file at all', '', 'ftyp', '\0\0\0\x08free\0\0\0\x08moov'])(
    'is refused: %j',
    async (text) => {
      rig = new VodRig(clips.path);
      writeFileSync(join(clips.path, 'bad.mp4'), text, 'latin1');
      for (const scheme of ['vod', 'vod-live'])
        await expect(rig.resolver.resolve(`${scheme}://bad.mp4`)).rejects.toMatchObject({ code: 'FILE_INVALID' });
      expect(rig.hub.streams.size).toBe(0);
    },
  );
});

describe('a file that is damaged behind its head', () => {
  it('plays to the damage and ends as a failure', async () => {
    rig = new VodRig(clips.path);
    const bytes = readFileSync(join(clips.path, 'heavy.mp4'));
    // Lengths of NAL units that lie.
    const half = bytes.length >> 1;
    bytes.fill(0xff, half, half + 100_000);
    writeFileSync(join(clips.path, 'torn.mp4'), bytes);
    const viewer = await rig.view('vod://torn.mp4?start=1');
    expect(await viewer.end()).toBe('Got exception while streaming file');
    expect(viewer.packets.length).toBeGreaterThan(0);
  });
});

describe('mutated files', () => {
  it.each(['clip.mp4', 'fragments.mp4', 'clip.webm'])(
    'of %s play or are refused, 100 of them',
    async (name) => {
      rig = new VodRig(clips.path, { readTimeoutMs: 2000 });
      const random = prng(20_26);
      const whole = readFileSync(join(clips.path, name));
      const outcomes = { played: 0, refused: 0 };
      const tryOne = async (i: number): Promise<void> => {
        writeFileSync(join(clips.path, `m${i}.mp4`), mutate(whole, random));
        try {
          const viewer = await rig.view(`vod://m${i}.mp4`);
          await Promise.race([viewer.end(), new Promise((resolve) => setTimeout(resolve, 3000))]);
          // It plays on, or it has ended.
          if (viewer.ended === undefined) expect(viewer.packets.length).toBeGreaterThan(0);
          outcomes.played++;
        } catch (error) {
          expect(error).toBeInstanceOf(MediaServerError);
          expect((error as MediaServerError).code).toBe('FILE_INVALID');
          outcomes.refused++;
        }
      };
      await Promise.all(Array.from({ length: 100 }, (_, i) => tryOne(i)));
      expect(outcomes.played).toBeGreaterThan(10);
      expect(outcomes.refused).toBeGreaterThan(2);
    },
    30_000,
  );
});
