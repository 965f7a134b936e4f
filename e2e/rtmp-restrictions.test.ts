import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Ffmpeg, makeClip } from './support/ffmpeg.ts';
import { freePort, TestServer } from './support/server.ts';

let folder: string;
let clip: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-sdp-'));
  clip = join(folder, 'clip.flv');
  makeClip(clip, { seconds: 30, gop: 25 });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function publish(server: TestServer, url: string, args: readonly string[] = ['-c', 'copy']): Promise<Ffmpeg> {
  const publisher = new Ffmpeg(['-v', 'error', '-re', '-i', clip, ...args, '-f', 'flv', url]);
  await server.untilLive('cam');
  return publisher;
}

async function rest(server: TestServer, path: string, body: object): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(server.http(`/rest-api${path}`), { method: 'POST', body: JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
}

describe('restrictions of RTMP', () => {
  it("leaves the sound out that WCS's SDP file has no section for, and lets nobody play by RTMP", async () => {
    const sdp = join(folder, 'flash_handler_publish.sdp');
    writeFileSync(sdp, 'v=0\r\nm=video 0 RTP/AVP 119\r\na=rtpmap:119 H264/90000\r\na=sendonly\r\n');
    const settings = { flash_handler_publish: sdp, rtmp_playback_enabled: 'false' };
    const server = await TestServer.start({ settings });
    const publisher = await publish(server, server.rtmp('cam'));
    const find = async (): Promise<unknown> => (await rest(server, '/stream/find', { name: 'cam' })).body;
    await expect.poll(find).toMatchObject([{ hasVideo: true, hasAudio: false }]);
    const player = new Ffmpeg(['-v', 'error', '-i', server.rtmp('cam'), '-t', '1', '-f', 'null', '-']);
    expect(await player.exited).not.toBe(0);
    expect(server.output).toContain('rtmp_playback_enabled');
    const byHls = new Ffmpeg(['-v', 'info', '-i', server.hls('cam'), '-t', '1', '-f', 'null', '-']);
    expect(await byHls.exited, byHls.stderr).toBe(0);
    expect(byHls.stderr).toMatch(/Video: h264/);
    expect(byHls.stderr).not.toMatch(/Audio:/);
    await publisher.stop();
    await server.stop();
  });

  it('disconnects an encoder with MP3, and says which codec it was and which would do', async () => {
    const server = await TestServer.start();
    const args = ['-c:v', 'copy', '-c:a', 'libmp3lame', '-ar', '44100'];
    const publisher = new Ffmpeg(['-v', 'info', '-re', '-i', clip, ...args, '-f', 'flv', server.rtmp('cam')]);
    expect(await publisher.exited).not.toBe(0);
    await server.until(/audio codec MP3 is not supported; set the encoder to one of AAC/, 5000);
    await server.stop();
  });
});

describe('connections of RTMP clients by REST', () => {
  it('are listed with what they said, on every address, and end with all that they carry', async () => {
    const second = await freePort();
    const settings = { rtmp_listen: `127.0.0.1:${second}`, publisher_reconnect_wait: 20_000 };
    const server = await TestServer.start({ settings });
    const publisher = await publish(server, `rtmp://127.0.0.1:${second}/live?user=ann&token=abc/cam?x=1`);
    const { body } = await rest(server, '/connection/find_all', {});
    expect(body).toMatchObject([
      { appKey: 'flashStreamingApp', status: 'ESTABLISHED', custom: { user: 'ann', token: '***' } },
    ]);
    const [connection] = body as { sessionId: string }[];
    const { body: streams } = await rest(server, '/stream/find', { sessionId: connection?.sessionId });
    expect(streams).toMatchObject([{ name: 'cam', published: true, custom: { x: '1' } }]);
    const player = new Ffmpeg(['-v', 'error', '-i', server.rtmp('cam'), '-c', 'copy', '-f', 'null', '-']);
    await expect.poll(async () => (await rest(server, '/stream/find', { mediaType: 'play' })).status).toBe(200);
    const ended = await rest(server, '/connection/terminate', { sessionId: connection?.sessionId });
    expect(ended).toEqual({ status: 200, body: undefined });
    expect(await publisher.exited).not.toBe(0);
    // Its player is told as well and does not wait for the publisher to come back.
    expect(await player.exited, player.stderr).toBe(0);
    expect((await rest(server, '/connection/find_all', {})).status).toBe(404);
    await server.stop();
  });
});
