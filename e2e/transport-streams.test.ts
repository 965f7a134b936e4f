import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext, vi } from 'vitest';
import { Ffmpeg } from './support/ffmpeg.ts';
import { Program } from './support/program.ts';
import { freeUdpPort, TestServer } from './support/server.ts';
import { FLASH_INPUT, offsetMs, onsetsOf } from './support/webrtc/flashes.ts';

const MOST_OFFSET_MS = 80;
const PASSPHRASE = 'a-long-passphrase';
const CODECS = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', '-g', '25', '-bf', '0', '-c:a', 'aac'];

let server: TestServer;

/** Has something closed after the test. */
type Finally = TestContext['onTestFinished'];

beforeAll(async () => {
  server = await TestServer.start({ args: ['--no-demo'], settings: { srt_passphrase: PASSPHRASE } });
});

afterAll(() => server.stop());

function send(to: string, atEnd: Finally): Ffmpeg {
  const encoder = new Ffmpeg(['-v', 'error', ...FLASH_INPUT, ...CODECS, '-f', 'mpegts', to]);
  atEnd(() => encoder.stop());
  return encoder;
}

function srt(streamId: string, passphrase = PASSPHRASE): string {
  const query = `streamid=${streamId}&passphrase=${passphrase}&pkt_size=1316`;
  return `srt://127.0.0.1:${server.ports.srt}?${query}`;
}

/** Plays for some seconds with ffmpeg and checks that picture and sound are there, together. */
async function expectInSync(url: string, name: string): Promise<void> {
  const file = join(server.folder, `${name}.mkv`);
  const recorder = new Ffmpeg(['-v', 'error', '-i', url, '-t', '6', '-c', 'copy', '-y', file]);
  expect(await recorder.exited, recorder.stderr).toBe(0);
  const onsets = await onsetsOf(file);
  expect(onsets.flashes.length, JSON.stringify(onsets)).toBeGreaterThan(2);
  expect(Math.abs(offsetMs(onsets)), JSON.stringify(onsets)).toBeLessThanOrEqual(MOST_OFFSET_MS);
}

interface Input {
  readonly uri: string;
  readonly status: string;
}

async function untilEnded(name: string): Promise<void> {
  await vi.waitFor(async () => expect(await server.streamNames()).not.toContain(name), { timeout: 20_000 });
}

describe.concurrent('SRT', () => {
  it('is published and played by its stream id, and RTMP players get it too', async ({ onTestFinished }) => {
    const encoder = send(srt('publish:far'), onTestFinished);
    await server.untilLive('far');
    await Promise.all([expectInSync(srt('read:far'), 'srt'), expectInSync(server.rtmp('far'), 'rtmp')]);
    await encoder.stop();
    await untilEnded('far');
  });

  it('lets nobody in without the passphrase', async ({ onTestFinished }) => {
    const encoder = send(srt('publish:stranger', 'another-passphrase'), onTestFinished);
    expect(await encoder.exited).not.toBe(0);
    expect(await server.streamNames()).not.toContain('stranger');
  });

  it('is taken on a port of its own, which ends with its encoder', async ({ onTestFinished }) => {
    const input = await server.rest<Input>('/mpegts/startup', { localStreamName: 'field', transport: 'srt' });
    expect(input.status).toBe('CONNECTED');
    const { port } = new URL(input.uri);
    // A program of libsrt's own takes what ffmpeg sends by UDP, and sends it on.
    const between = await freeUdpPort();
    const args = [`udp://:${between}`, `srt://127.0.0.1:${port}?mode=caller`];
    const relay = new Program('srt-live-transmit', args);
    onTestFinished(() => relay.stop());
    send(`udp://127.0.0.1:${between}?pkt_size=1316`, onTestFinished);
    await server.untilLive('field');
    await expectInSync(server.rtmp('field'), 'field');
    const inputs = await server.rest<Input[]>('/mpegts/find_all');
    expect(inputs.filter(({ uri }) => uri === input.uri)).toMatchObject([{ status: 'PROCESSED_LOCAL' }]);
    await relay.stop();
    await untilEnded('field');
  });
});

describe.concurrent('a transport stream by UDP', () => {
  it('is taken from senders that are allowed, and ends when nothing comes', async ({ onTestFinished }) => {
    const start = { localStreamName: 'plain', transport: 'udp', timeout: 2000, allowedList: ['127.0.0.1'] };
    const { uri } = await server.rest<Input>('/mpegts/startup', start);
    const encoder = send(`udp://127.0.0.1:${new URL(uri).port}?pkt_size=1316`, onTestFinished);
    await server.untilLive('plain');
    await expectInSync(server.rtmp('plain'), 'plain');
    await encoder.stop();
    await untilEnded('plain');
  });
});
