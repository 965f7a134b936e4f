import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Ffmpeg, makeClip } from './support/ffmpeg.ts';
import { freePort, TestServer } from './support/server.ts';

let server: TestServer;
let port: number;

beforeAll(async () => {
  port = await freePort();
  server = await TestServer.start({ settings: { 'rtmps.port': port } });
});

afterAll(() => server.stop());

describe('RTMPS with the certificate that the server makes', () => {
  it('takes a stream from ffmpeg and plays it in ffmpeg, beside plain RTMP', async () => {
    const clip = join(server.folder, 'clip.flv');
    makeClip(clip, { seconds: 12, gop: 25 });
    const secure = `rtmps://127.0.0.1:${port}/live/safe`;
    const publisher = new Ffmpeg(['-v', 'error', '-re', '-i', clip, '-c', 'copy', '-f', 'flv', secure]);
    await server.untilLive('safe');
    for (const url of [secure, server.rtmp('safe')]) {
      const player = new Ffmpeg(['-v', 'error', '-xerror', '-i', url, '-t', '2', '-f', 'null', '-']);
      expect(await player.exited, player.stderr).toBe(0);
    }
    await publisher.stop();
    expect(server.output).toContain('Publish by RTMPS');
  });
});
