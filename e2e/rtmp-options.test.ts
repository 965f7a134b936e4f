import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Ffmpeg, makeClip } from './support/ffmpeg.ts';
import { freePort, TestServer } from './support/server.ts';

let server: TestServer;
let securePort: number;
let publisher: Ffmpeg;
let secure: string;

beforeAll(async () => {
  securePort = await freePort();
  server = await TestServer.start({
    settings: { 'rtmps.port': securePort, h264_sps_max_dec_frame_buffering: 9 },
  });
  const clip = join(server.folder, 'clip.flv');
  makeClip(clip, { seconds: 40, gop: 25 });
  secure = `rtmps://127.0.0.1:${securePort}/live/safe`;
  publisher = new Ffmpeg(['-v', 'error', '-re', '-i', clip, '-c', 'copy', '-f', 'flv', secure]);
  await server.untilLive('safe');
});

afterAll(async () => {
  await publisher.stop();
  await server.stop();
});

/** Plays for two seconds with a filter that reports on standard error, and gives that report. */
async function report(url: string, ...args: string[]): Promise<string> {
  const player = new Ffmpeg(['-v', 'info', '-xerror', '-i', url, '-t', '2', ...args, '-f', 'null', '-']);
  expect(await player.exited, player.stderr).toBe(0);
  return player.stderr;
}

function loudest(text: string): number {
  return Number(/max_volume: (-?[\d.]+|-inf) dB/.exec(text)?.[1]?.replace('inf', 'Infinity'));
}

describe('RTMPS with the certificate that the server makes', () => {
  it('takes a stream from ffmpeg and plays it in ffmpeg, beside plain RTMP', async () => {
    for (const url of [secure, server.rtmp('safe')]) expect(await report(url)).toMatch(/frame= +\d{2}/);
    expect(server.output).toContain('Publish by RTMPS');
  });
});

describe('suppress_sound=true', () => {
  it('gives that player a silent track of full length, and leaves the sound to others', async () => {
    const silent = `rtmp://127.0.0.1:${server.rtmpPort}/live?suppress_sound=true/safe`;
    const quiet = await report(silent, '-af', 'volumedetect');
    expect(loudest(quiet)).toBeLessThan(-80);
    expect(Number(/n_samples: (\d+)/.exec(quiet)?.[1])).toBeGreaterThan(80_000);
    expect(loudest(await report(server.rtmp('safe'), '-af', 'volumedetect'))).toBeGreaterThan(-30);
  });
});

describe('h264_sps_max_dec_frame_buffering', () => {
  it('is what players read in the SPS, and the stream still decodes', async () => {
    const trace = await report(server.rtmp('safe'), '-c:v', 'copy', '-bsf:v', 'trace_headers', '-an');
    expect(trace).toMatch(/max_dec_frame_buffering\s+\d+ = 9/);
  });
});
