import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Ffmpeg, makeClip, type PacketSum, readPacketSums } from './support/ffmpeg.ts';
import { Program } from './support/program.ts';
import { TestServer } from './support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await TestServer.start({ settings: { publisher_reconnect_wait: 500 } });
  // All before the first one is published, for making a clip holds up what else the tests do.
  for (const bframes of [0, 3]) makeClip(clipOf(`exact${bframes}`), { seconds: 10, bframes });
  makeClip(clipOf('second'), { seconds: 12 });
});

function clipOf(name: string): string {
  return join(server.folder, `${name}.flv`);
}

afterAll(async () => {
  await server.stop();
});

describe('a stream that ffmpeg publishes and plays with -c copy', () => {
  it.concurrent.each([
    ['without B-frames', 0],
    ['with B-frames', 3],
  ])('keeps every packet, byte and time, from the first key frame on, %s', async (_, bframes) => {
    const name = `exact${bframes}`;
    const clip = clipOf(name);
    const publisher = new Ffmpeg(['-v', 'error', '-re', '-i', clip, '-c', 'copy', '-f', 'flv', server.rtmp(name)]);
    await server.untilLive(name);
    const sums = join(server.folder, `${name}.md5`);
    const player = new Ffmpeg([
      '-v',
      'warning',
      '-y',
      '-copyts',
      '-i',
      server.rtmp(name),
      '-c',
      'copy',
      '-f',
      'framemd5',
      sums,
    ]);
    expect(await publisher.exited, publisher.stderr).toBe(0);
    expect(await player.exited, player.stderr).toBe(0);
    const source = join(server.folder, `${name}.source.md5`);
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-copyts', '-i', clip, '-c', 'copy', '-f', 'framemd5', source]);
    const expected = readPacketSums(source);
    const played = readPacketSums(sums);
    for (const stream of [0, 1]) {
      const got = played.filter((p) => p.stream === stream);
      const want = expected.filter((p) => p.stream === stream);
      const from = want.findIndex((p) => same(p, got[0]));
      expect(from).toBeGreaterThanOrEqual(0);
      expect(got.length).toBeGreaterThan(100);
      expect(got).toEqual(want.slice(from));
    }
  });

  it.concurrent('plays in rtmpdump, which signs its handshake', async () => {
    const input = ['-re', '-i', clipOf('second')];
    const publisher = new Ffmpeg(['-v', 'error', ...input, '-c', 'copy', '-f', 'flv', server.rtmp('second')]);
    await server.untilLive('second');
    const dump = join(server.folder, 'dump.flv');
    const args = ['-q', '--live', '--stop', '4', '-r', server.rtmp('second'), '-o', dump];
    const player = new Program('rtmpdump', args);
    await player.runUntil(() => false, 20_000);
    await player.stop('SIGKILL');
    expect(await player.exited, player.stderr).toBe(0);
    execFileSync('ffmpeg', ['-v', 'error', '-xerror', '-i', dump, '-f', 'null', '-']);
    expect(statSync(dump).size).toBeGreaterThan(50_000);
    await publisher.stop();
  });

  it('ends cleanly, with the stream away from the listing', async () => {
    await expect.poll(() => server.streamNames()).toEqual([]);
    expect(server.output).not.toMatch(/error|fatal/i);
  });
});

function same(a: PacketSum, b: PacketSum | undefined): boolean {
  return b !== undefined && a.hash === b.hash && a.dts === b.dts && a.pts === b.pts;
}
