import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { testHub } from '../core/testing/hub.ts';
import { Ticker } from '../io/index.ts';
import { VodResolver } from './vod-resolver.ts';

let folder: string;
let mediaDir: string;
let hub: ReturnType<typeof testHub>;
let resolver: VodResolver;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-vod-'));
  mediaDir = join(folder, 'media');
  mkdirSync(mediaDir);
  const inputs = ['-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=25', '-f', 'lavfi', '-i', 'sine=440:r=48000'];
  const clip = join(mediaDir, 'clip.mp4');
  const output = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-c:a', 'aac', '-t', '1', clip];
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...inputs, ...output]);
  copyFileSync(clip, join(folder, 'secret.mp4'));
  symlinkSync(join(folder, 'secret.mp4'), join(mediaDir, 'link.mp4'));
  writeFileSync(join(mediaDir, 'broken.mp4'), 'this is not an MP4 file');
});

afterAll(() => rmSync(folder, { recursive: true }));

beforeEach(() => {
  hub = testHub();
  resolver = new VodResolver({ ...hub, ticker: new Ticker() }, { mediaDir, idleTimeoutMs: 200 });
});

afterEach(async () => {
  await resolver.close();
  expect(hub.sessions.size).toBe(0);
  expect(hub.streams.size).toBe(0);
});

describe('vod-live', () => {
  it('plays a file in real time and goes on after its end without a break in time', async () => {
    const stream = await resolver.resolve('vod-live://clip.mp4');
    const times: number[] = [];
    const started = performance.now();
    await new Promise<void>((resolve) => {
      const reader = stream?.attach({
        startAt: 'gop',
        onEnd: () => {},
        onReadable: () => {
          for (let entry = reader?.read(); entry !== undefined; entry = reader?.read()) {
            if (entry.packet.track.kind === 'video') times.push(Math.round(entry.dtsUs / 1000));
          }
          if (times.length > 60) resolve();
        },
      });
    });
    const steps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    expect(Math.min(...steps)).toBeGreaterThan(0);
    expect(Math.max(...steps)).toBeLessThan(80);
    // 61 frames at 25 a second last 2.4 s, whatever the machine: a burst would be over at once.
    expect(performance.now() - started).toBeGreaterThan(2000);
  });

  it('shares one source among those who ask at the same time, and ends it when nobody watches', async () => {
    const [a, b] = await Promise.all([
      resolver.resolve('vod-live://clip.mp4'),
      resolver.resolve('vod-live://clip.mp4'),
    ]);
    expect(a).toBe(b);
    expect(hub.sessions.size).toBe(1);
    await expect.poll(() => hub.streams.size, { timeout: 5000 }).toBe(0);
  });

  it('gives nothing outside of its folder, nor through links or odd names', async () => {
    for (const file of ['none.mp4', '../secret.mp4', 'link.mp4', '/etc/passwd', '..', '', '.', 'a\0b', 'clip.mp4/x']) {
      expect(await resolver.resolve(`vod-live://${file}`), file).toBeUndefined();
    }
  });

  it('says what is wrong with a file that can not be played', async () => {
    await expect(resolver.resolve('vod-live://broken.mp4')).rejects.toThrow(/broken\.mp4 can not be played/);
  });
});
