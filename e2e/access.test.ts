import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BrowserPlayers } from './support/browser.ts';
import { ROOT, TestServer } from './support/server.ts';

/** Of Chromium. */
const OFFER = readFileSync(join(ROOT, 'packages/media/src/sdp/testing/offer-publishStream-pub1.sdp'), 'utf8');
const SECRET = 'a secret of thirty-two bytes, or more';

let server: TestServer;
beforeAll(async () => {
  server = await TestServer.start({
    args: ['--demo'],
    settings: { stream_token_required: 'both', stream_token_secret: SECRET },
  });
  await server.untilLive('demo');
});
afterAll(() => server.stop());

/** Runs a program to its end with that standard input. */
async function run(
  command: string,
  args: readonly string[],
  input = '',
): Promise<{ code: number | null; out: string }> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let out = '';
  child.stdout.on('data', (text) => (out += String(text)));
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  child.stderr.resume();
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out: out.trim() };
}

function sluice(args: readonly string[], input?: string) {
  return run(process.execPath, [join(ROOT, 'packages/server/bin/sluice.mjs'), ...args], input);
}

async function token(stream: string, role: string): Promise<string> {
  const secret = `stream_token_secret=${SECRET}`;
  const { code, out } = await sluice(['token', '--stream', stream, '--role', role, '--expires', '1m', '--set', secret]);
  expect(code).toBe(0);
  return out;
}

async function status(url: string): Promise<number> {
  const ended = new AbortController();
  const response = await fetch(url, { signal: ended.signal });
  ended.abort();
  return response.status;
}

/** As from another machine, which calls the server by its name. */
function remote(path: string, password?: string): Promise<number> {
  const auth = password === undefined ? undefined : `admin:${password}`;
  const headers = { host: 'media.example.com' };
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: server.httpPort, path, headers, ...(auth ? { auth } : {}) });
    sent.on('error', reject);
    sent.on('response', (response) => resolve(response.resume().statusCode ?? 0));
    sent.end();
  });
}

describe.concurrent('stream tokens', () => {
  it('are asked for by HLS and FLV, each for its stream and role', async () => {
    const [good, other, publisher] = await Promise.all([
      token('demo', 'play'),
      token('other', 'both'),
      token('demo', 'publish'),
    ]);
    for (const url of [server.hls('demo'), server.flv('demo')]) {
      expect(await status(url), url).toBe(401);
      expect(await status(`${url}?token=${good}`), url).toBe(200);
      for (const wrong of [other, publisher]) expect([401, 403]).toContain(await status(`${url}?token=${wrong}`));
    }
  });

  it('are asked for by WHIP and WHEP, as bearer of the request', async () => {
    const send = async (path: string, bearer?: string) => {
      const headers = { 'content-type': 'application/sdp', ...(bearer && { authorization: `Bearer ${bearer}` }) };
      const response = await fetch(server.http(path), { method: 'POST', headers, body: OFFER });
      return response.status;
    };
    const both = await token('door', 'both');
    for (const path of ['/whip/door', '/whep/door']) {
      expect(await send(path), path).toBe(401);
      expect(await send(path, 'forged'), path).toBe(401);
    }
    expect(await send('/whip/other', both)).toBe(403);
    expect(await send('/whip/door', both)).toBe(201);
  });

  it('are taken along by hls.js from playlist to segments', async () => {
    const browser = await BrowserPlayers.start();
    const until = { video: true, audio: false, seconds: 2, timeoutMs: 30_000 };
    try {
      const seen = await browser.watch('hls.js', {
        url: `${server.hls('demo')}?token=${await token('demo', 'play')}`,
        until,
      });
      expect(seen.pictures.length, seen.log).toBeGreaterThan(30);
      const refused = await browser.watch('hls.js', { url: server.hls('demo'), until: { ...until, timeoutMs: 3000 } });
      expect(refused.pictures).toHaveLength(0);
    } finally {
      await browser.close();
    }
  });

  it('are asked for by RTMP of who publishes', async () => {
    const publish = (name: string) =>
      run('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc=s=64x48:r=10:d=2', '-f', 'flv', server.rtmp(name)]);
    expect((await publish('room')).code).not.toBe(0);
    expect((await publish(`room?token=${await token('room', 'play')}`)).code).not.toBe(0);
    expect((await publish(`room?token=${await token('room', 'publish')}`)).code).toBe(0);
  });
});

describe('the password of the first start', () => {
  it('is printed once and never logged; a new one counts at once, while the server runs', async () => {
    const [, password = ''] = /with the password (\S+)/.exec(server.output) ?? [];
    expect(password).not.toBe('');
    expect(server.output.split(password)).toHaveLength(2);
    expect(await remote('/rest-api/stream/find_all')).toBe(401);
    expect(await remote('/rest-api/stream/find_all', password)).toBe(200);
    const changed = await sluice(['users', 'passwd', 'admin', '--data-dir', server.folder], 'another password\n');
    expect(changed.code).toBe(0);
    expect(await remote('/metrics', password)).toBe(401);
    expect(await remote('/metrics', 'another password')).toBe(200);
    expect(await status(server.http('/metrics'))).toBe(200);
  });
});
