import { execFileSync } from 'node:child_process';
import { get } from 'node:http';
import { join } from 'node:path';
import { FlvDemuxer } from '@sluice/media';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type CopiedPacket, Copier, ofKind, stepsMs } from './support/copied.ts';
import { Ffmpeg, makeClip } from './support/ffmpeg.ts';
import { TcpRelay } from './support/impairment/tcp-relay.ts';
import { pause } from './support/program.ts';
import { TestServer } from './support/server.ts';

let server: TestServer;

/** A clip for each of the tests, which go on beside each other: making one takes all of the machine. */
let far: string;
let huge: string;

beforeAll(async () => {
  server = await TestServer.start({ settings: { publisher_reconnect_wait: 200 } });
  far = join(server.folder, 'far.flv');
  const rate = ['-b:v', '250k', '-maxrate', '250k', '-bufsize', '250k'];
  makeClip(far, { seconds: 32, gop: 50, size: '320x180', args: rate });
  huge = join(server.folder, 'huge.flv');
  const picture = ['-f', 'lavfi', '-i', 'testsrc2=s=1920x1080:r=25,noise=alls=40:allf=t'];
  const video = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '1', '-b:v', '160M', '-pix_fmt', 'yuv420p'];
  const inputs = [...picture, '-f', 'lavfi', '-i', 'sine=440:r=48000'];
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...inputs, ...video, '-c:a', 'aac', '-t', '4', huge]);
});

afterAll(() => server.stop());

afterEach(async () => {
  expect((await fetch(server.http('/health'))).status).toBe(200);
  expect(server.output).not.toMatch(/"level":[56]0|fatal/i);
});

function expectNoGap(packets: readonly CopiedPacket[], leastSeconds: number): void {
  for (const [kind, rate] of [
    ['video', 25],
    ['audio', 46],
  ] as const) {
    const own = ofKind(packets, kind);
    expect(own.length).toBeGreaterThan(leastSeconds * rate);
    for (const step of stepsMs(own)) expect(step).toBeGreaterThan(0);
    expect(Math.max(...stepsMs(own))).toBeLessThan(75);
  }
}

/** How late each tag of an HTTP-FLV stream arrives, against the one that came with the least delay, in ms. */
async function lagsMs(url: string, seconds: number): Promise<number[]> {
  const demuxer = new FlvDemuxer();
  const offsets: number[] = [];
  const request = get(url, (response) => {
    response.on('data', (bytes: Buffer) => {
      for (const tag of demuxer.push(bytes)) {
        if (tag.type !== 18 && tag.data[1] !== 0) offsets.push(performance.now() - tag.timestampMs);
      }
    });
    response.on('error', () => {});
  });
  request.on('error', () => {});
  // What is sent at once for a quick start is older than what follows.
  await pause(2000);
  offsets.length = 0;
  await pause(seconds * 1000);
  request.destroy();
  const least = Math.min(...offsets);
  return offsets.map((offset) => offset - least);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** How much later the last third came than the first. */
function growthMs(lags: readonly number[]): number {
  const third = Math.floor(lags.length / 3);
  return median(lags.slice(-third)) - median(lags.slice(0, third));
}

describe.concurrent('a publisher behind a line of 300 ms round trip that loses 2 % of its packets', () => {
  it('is played without a gap, and without delay that grows', async () => {
    const line = await TcpRelay.open(server.rtmpPort);
    line.change({ delayMs: 150, loss: 0.02 });
    const publish = (url: string) => new Ffmpeg(['-v', 'error', '-re', '-i', far, '-c', 'copy', '-f', 'flv', url]);
    const publisher = publish(`rtmp://127.0.0.1:${line.port}/live/far`);
    // What this machine itself adds, which is busy with other tests as well.
    const neighbour = publish(server.rtmp('near'));
    await Promise.all([server.untilLive('far'), server.untilLive('near')]);
    const copier = new Copier(server.rtmp('far'), join(server.folder, 'far.md5'));
    const [lags, ofMachine] = await Promise.all([lagsMs(server.flv('far'), 21), lagsMs(server.flv('near'), 21)]);
    await neighbour.stop();
    expect(await publisher.exited, publisher.stderr).toBe(0);
    expectNoGap(await copier.finish(5000), 24);
    expect(line.counters('up').lost).toBeGreaterThan(8);
    expect(lags.length).toBeGreaterThan(600);
    expect(Math.abs(growthMs(lags) - growthMs(ofMachine))).toBeLessThan(150);
    // A lost packet costs a round trip, and what is sent again may be lost as well, more than once.
    expect(Math.max(...lags) - Math.max(...ofMachine)).toBeLessThan(3500);
    await line.close();
  });
});

describe.concurrent('a stream of 20 MB/s of key frames only', () => {
  it('reaches a player that keeps up byte for byte', async () => {
    const loop = ['-re', '-stream_loop', '2', '-i', huge];
    const publisher = new Ffmpeg(['-v', 'error', ...loop, '-c', 'copy', '-f', 'flv', server.rtmp('huge')]);
    await server.untilLive('huge');
    const copier = new Copier(server.rtmp('huge'), join(server.folder, 'huge.md5'));
    const original = new Copier(huge, join(server.folder, 'original.md5'));
    const pictures = ofKind(await original.finish(20_000), 'video').map(({ hash }) => hash);
    expect(await publisher.exited, publisher.stderr).toBe(0);
    const played = ofKind(await copier.finish(5000), 'video');
    const bytes = played.reduce((sum, { size }) => sum + size, 0);
    expect(bytes / (played.length / 25)).toBeGreaterThan(19e6);
    expect(played.length).toBeGreaterThan(8 * 25);
    const start = pictures.indexOf(played[0]?.hash ?? '');
    expect(start).toBeGreaterThanOrEqual(0);
    expect(played.map(({ hash }) => hash)).toEqual(played.map((_, i) => pictures[(start + i) % pictures.length]));
  });
});
