import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { RtcClient, sourcesOf } from '../packages/server/src/protocols/webrtc/testing/rtc-client.ts';
import {
  ecdsaIdentity,
  type OwnIdentity,
} from '../packages/server/src/protocols/webrtc/wire/dtls/testing/identities.ts';
import { Ffmpeg } from './support/ffmpeg.ts';
import { TestServer } from './support/server.ts';
import { FLASH_INPUT } from './support/webrtc/flashes.ts';

const PLAYERS = 300;
const AT_ONCE = 10;

let server: TestServer;
let publisher: Ffmpeg;
let identity: OwnIdentity;

beforeAll(async () => {
  identity = await ecdsaIdentity();
  server = await TestServer.start({ settings: { transcoder_idle_time: 1 } });
  const video = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '25', '-bf', '0'];
  publisher = new Ffmpeg(['-v', 'error', ...FLASH_INPUT, ...video, '-c:a', 'aac', '-f', 'flv', server.rtmp('life')]);
  await server.untilLive('life');
});

afterAll(async () => {
  await publisher.stop();
  await server.stop();
});

/** Joins by WHEP, waits for picture and sound, and leaves: by DELETE, by a goodbye of DTLS, or by both. */
async function joinAndLeave(turn: number): Promise<void> {
  const client = new RtcClient({ identity, direction: 'recvonly', video: 'H264' });
  const response = await fetch(server.http('/whep/life'), {
    method: 'POST',
    headers: { 'content-type': 'application/sdp' },
    body: client.offer,
  });
  expect(response.status).toBe(201);
  const answer = await response.text();
  await client.connect(answer);
  const sources = sourcesOf(answer);
  await vi.waitFor(
    () => {
      for (const kind of ['video', 'audio']) expect(client.rtp.some(({ ssrc }) => ssrc === sources[kind])).toBe(true);
    },
    { timeout: 15_000, interval: 20 },
  );
  const resource = new URL(response.headers.get('location') ?? '', server.http('/'));
  if (turn % 3 !== 0) client.dtls?.close();
  if (turn % 3 !== 1) await fetch(resource, { method: 'DELETE' });
  await vi.waitFor(async () => expect((await fetch(resource, { method: 'DELETE' })).status).toBe(404), 10_000);
  await client.close();
}

/** What the server's process holds: open files, child processes, and memory. */
function holdings() {
  const proc = `/proc/${server.pid}`;
  const children = readFileSync(`${proc}/task/${server.pid}/children`, 'utf8').trim();
  return {
    files: readdirSync(`${proc}/fd`).length,
    children: children === '' ? 0 : children.split(' ').length,
    rssMib: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`${proc}/status`, 'utf8'))?.[1]) / 1024,
  };
}

async function joinMany(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += AT_ONCE)
    await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => joinAndLeave(turn + i)));
}

describe('three hundred players of a stream whose sound is converted', () => {
  it('leave no socket, no child process and no memory behind', async () => {
    const quiet = holdings();
    await joinMany(30);
    const warm = holdings();
    expect(warm.children).toBeGreaterThan(0);
    await joinMany(PLAYERS);
    const after = holdings();
    expect(after.rssMib - warm.rssMib, JSON.stringify({ quiet, warm, after })).toBeLessThan(48);
    // The conversion and its process end some seconds after the last player.
    await vi.waitFor(() => expect(holdings()).toMatchObject({ children: 0 }), { timeout: 30_000, interval: 200 });
    // Connections for HTTP are kept by both sides for a while, so what was open after the first players is the measure.
    await vi.waitFor(() => expect(holdings().files).toBeLessThan(warm.files), 20_000);
    const sessions = (await (await fetch(server.http('/rest-api/stream/find_all'))).json()) as { name: string }[];
    expect(sessions.map(({ name }) => name)).toEqual(['life']);
  });
});
