import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { basic, GuardedServer, PASSWORD, REMOTE } from './testing/guarded-server.ts';

const ADMIN = basic('admin', PASSWORD);
const GUARDED = [
  '/rest-api',
  '/rest-api/stream/find_all',
  '/rest-api/nothing',
  '/api/overview',
  '/api/streams/other/history',
  '/metrics',
  '/?action=stat',
  '/?x=1&action=stat&format=json',
];

let server: GuardedServer;

/** One server for all tests of a group, which do not change it. */
function shareServer(): void {
  beforeAll(async () => {
    server = new GuardedServer();
    await server.start();
  });
  afterAll(() => server.close());
}

/** A server for each test, which the test starts. */
function ownServers(): void {
  beforeEach(() => {
    server = new GuardedServer();
  });
  afterEach(() => server.close());
}

describe('calls from other machines', () => {
  shareServer();

  test.each(GUARDED)('%s needs a password', async (path) => {
    const refused = await server.remote(path);
    expect(refused.status).toBe(401);
    expect(refused.text).not.toContain('secret-room');
    const admitted = await server.remote(path, { headers: { authorization: ADMIN } });
    expect(admitted.status).not.toBe(401);
    const local = await server.call(path);
    expect(local.status).toBe(admitted.status);
  });

  test.each(['HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('%s gets no further than GET', async (method) => {
    for (const path of GUARDED) {
      const { status, text } = await server.remote(path, { method });
      expect([401, 404, ...(method === 'OPTIONS' ? [200] : [])]).toContain(status);
      expect(text).not.toContain('secret-room');
      if (method === 'OPTIONS' && status === 200) expect(text).toBe('');
    }
  });

  test.each([
    ['/health', 200],
    ['/', 200],
    ['/nothing', 404],
    ['/api/session', 200],
  ])('%s needs none', async (path, status) => {
    expect((await server.remote(path)).status).toBe(status);
  });

  test("WCS's sample back end needs none, as back ends are called without the server's passwords", async () => {
    const body = '{"status":"NEW"}';
    const headers = { 'content-type': 'application/json' };
    const answer = await server.remote('/apps/EchoApp/connect', { method: 'POST', headers, body });
    expect(answer).toMatchObject({ status: 200, text: body });
  });

  test.each([
    '//rest-api/stream/find_all',
    '/rest-api//stream/find_all',
    '/./rest-api/stream/find_all',
    '/rest-api/../api/overview',
    '/health/../rest-api/stream/find_all',
    '/health/..;/api/overview',
    '/api/session/../overview',
    '/flv/../api/overview',
    '/assets/../api/overview',
    '/%2e%2e/api/overview',
    '/%61pi/overview',
    '/rest%2Dapi/stream/find_all',
    '/rest-api%2fstream%2ffind_all',
    '/rest-api/stream%2Ffind_all',
    '/%72est-api/stream/find_all',
    '/REST-API/stream/find_all',
    '/Api/Overview',
    '/api/overview/',
    '/api/overview?',
    '/api/overview#/health',
    '/api/overview;/health',
    '/metrics/',
    '/metrics%00',
    '/%6detrics',
    '\\rest-api\\stream\\find_all',
    'http://127.0.0.1/rest-api/stream/find_all',
    'http://x/api/overview',
    '/?action=stat&action=x',
    '/?action=x&action=stat',
    '/?%61ction=stat',
    '//?action=stat',
    '/index.html?action=stat',
    '/?action=stat#',
    'http://x/?action=stat',
    '*',
    '/%',
    '/%ff%fe',
  ])('no way of writing a path gets round it: %s', async (path) => {
    for (const method of ['GET', 'POST']) {
      const answer = await server.raw(
        `${method} ${path} HTTP/1.1\r\nhost: media.example\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 (400|401|404|405)|^HTTP\/1\.1 200 OK[\s\S]*Sluice is running/);
      expect(answer).not.toMatch(/secret-room|uptime|process_/);
    }
  });

  test('are admitted with curl as an independent client', async () => {
    const run = promisify(execFile);
    const url = `http://media.example:${server.port}/rest-api/stream/find_all`;
    const common = [
      '-sS',
      '--noproxy',
      '*',
      '--resolve',
      `media.example:${server.port}:127.0.0.1`,
      '-w',
      '%{http_code}',
    ];
    expect((await run('curl', [...common, url])).stdout).toMatch(/401$/);
    const { stdout } = await run('curl', [...common, '--user', `admin:${PASSWORD}`, url]);
    expect(stdout).toMatch(/secret-room[\s\S]*200$/);
  });
});

describe('a request is of this machine', () => {
  shareServer();

  test.each([
    { headers: { host: 'localhost' } },
    { headers: { host: 'LOCALHOST:8081' } },
    { headers: { host: '127.0.0.1:8081' } },
    { headers: { host: '[::1]:8081' } },
    { headers: { origin: 'http://localhost:3000' } },
    { headers: { origin: 'https://127.0.0.1:8444', 'sec-fetch-site': 'cross-site' } },
    { headers: { 'sec-fetch-site': 'same-origin' } },
    { headers: { 'sec-fetch-site': 'none' } },
  ])('with $headers', async ({ headers }) => {
    expect((await server.call('/api/overview', { headers })).status).toBe(200);
  });

  test.each([
    { headers: { host: 'rebound.example' } },
    { headers: { host: 'localhost.evil.example' } },
    { headers: { host: 'localhost@evil.example' } },
    { headers: { host: '127.0.0.1.evil.example' } },
    { headers: { host: 'evil.example#localhost' } },
    { headers: { 'x-forwarded-for': '127.0.0.1' } },
    { headers: { 'x-original-forwarded-for': '127.0.0.1' } },
    { headers: { x_forwarded_for: '127.0.0.1' } },
    { headers: { 'X-Forwarded-Proto': 'https' } },
    { headers: { 'x-forwarded-host': 'localhost' } },
    { headers: { forwarded: 'for=127.0.0.1' } },
    { headers: { 'x-real-ip': '127.0.0.1' } },
    { headers: { via: '1.1 proxy' } },
    { headers: { origin: 'https://evil.example' } },
    { headers: { origin: 'null' } },
    { headers: { origin: 'http://localhost.evil.example' } },
    { headers: { origin: '' } },
    { headers: { 'sec-fetch-site': 'cross-site' } },
    { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' } },
    { headers: { 'sec-fetch-site': 'same-site' } },
  ])('not with $headers', async ({ headers }) => {
    expect((await server.call('/api/overview', { headers })).status).toBe(401);
  });

  test('not by HTTP/1.0, which nginx speaks by itself', async () => {
    const head = 'host: 127.0.0.1:8081\r\nconnection: close\r\n\r\n';
    expect(await server.raw(`GET /api/overview HTTP/1.0\r\n${head}`)).toMatch(/^HTTP\/1\.1 401/);
    expect(await server.raw(`GET /api/overview HTTP/1.1\r\n${head}`)).toMatch(/^HTTP\/1\.1 200/);
  });

  test('not with two hosts, and not without one', async () => {
    const tail = 'connection: close\r\n\r\n';
    for (const head of ['HTTP/1.1\r\nhost: localhost\r\nhost: evil.example', 'HTTP/1.1\r\nhost:', 'HTTP/1.0']) {
      expect(await server.raw(`GET /api/overview ${head}\r\n${tail}`)).toMatch(/^HTTP\/1\.1 40[01]/);
    }
  });
});

describe('disable_rest_auth', () => {
  ownServers();
  test('=true lets everybody in', async () => {
    await server.start({ disableRestAuth: 'true' });
    for (const headers of [REMOTE, { ...REMOTE, authorization: 'Basic nonsense' }, { origin: 'https://any.example' }])
      expect((await server.call('/rest-api/stream/find_all', { headers })).status).toBe(200);
    expect(JSON.parse((await server.remote('/api/session')).text)).toEqual({ user: null, needed: false });
  });

  test('=false asks this machine as well', async () => {
    await server.start({ disableRestAuth: 'false' });
    expect((await server.call('/api/overview')).status).toBe(401);
    expect((await server.call('/api/overview', { headers: { authorization: ADMIN } })).status).toBe(200);
    expect(JSON.parse((await server.call('/api/session')).text)).toEqual({ user: null, needed: true });
  });

  test('=false leaves the sample back end open, which the server itself calls', async () => {
    await server.start({ disableRestAuth: 'false' });
    const headers = { 'content-type': 'application/json' };
    const answer = await server.remote('/apps/EchoApp/connect', { method: 'POST', headers, body: '{"a":1}' });
    expect(answer).toMatchObject({ status: 200, text: '{"a":1}' });
  });

  test('=auto without any users keeps the others out', async () => {
    const { fixture } = server;
    const url = await fixture.start();
    expect((await fetch(`${url}/metrics`)).status).toBe(200);
    expect((await fetch(`${url}/metrics`, { headers: { via: '1.1 x', authorization: ADMIN } })).status).toBe(401);
  });
});

describe('HTTP Basic', () => {
  ownServers();
  beforeEach(() => server.start());
  const status = async (authorization: string): Promise<number> =>
    (await server.remote('/api/overview', { headers: { authorization } })).status;

  test.each([
    ['another password', basic('admin', 'wrong')],
    ['another name', basic('root', PASSWORD)],
    ['a user who is not active', basic('guest', PASSWORD)],
    ['an empty password', basic('admin', '')],
    ['an empty name', basic('', PASSWORD)],
    ['no colon', `Basic ${Buffer.from('admin').toString('base64')}`],
    ['broken base64', 'Basic !!!!'],
    ['cut base64', `${ADMIN.slice(0, -3)}`],
    ['bytes that are not UTF-8', `Basic ${Buffer.from([0x61, 0x3a, 0xff, 0xfe]).toString('base64')}`],
    ['a zero byte', basic('admin', `${PASSWORD}\0`)],
    ['a name with a zero byte', basic('admin\0', PASSWORD)],
    ['another scheme', ADMIN.replace('Basic', 'Bearer')],
    ['no scheme', ADMIN.replace('Basic ', '')],
    ['only the scheme', 'Basic'],
    ['something behind', `${ADMIN} x`],
    ['ten kilobytes', basic('admin', 'x'.repeat(10_000))],
    ['a name of Object', basic('__proto__', 'x')],
  ])('with %s is refused', async (_what, authorization) => {
    expect(await status(authorization)).toBe(401);
    expect(server.fixture.errors).toEqual([]);
  });

  test('takes any case of the scheme, and colons in the password', async () => {
    expect(await status(ADMIN.replace('Basic', 'bAsIc'))).toBe(200);
  });

  test('challenges programs, but not scripts: their browser would ask in a window of its own', async () => {
    const challenge = async (path: string, headers: Record<string, string> = {}) =>
      (await server.remote(path, { headers })).headers['www-authenticate'];
    expect(await challenge('/rest-api/stream/find_all')).toBe('Basic realm="Sluice", charset="UTF-8"');
    expect(await challenge('/?action=stat')).toMatch(/^Basic /);
    expect(await challenge('/api/overview')).toBe('Session realm="Sluice"');
    expect(await challenge('/rest-api/stream/find_all', { 'x-requested-with': 'console' })).toMatch(/^Session /);
  });

  test('of a user who is removed, deactivated or has a new password counts no longer', async () => {
    expect(await status(ADMIN)).toBe(200);
    const admin = server.users.get('admin');
    if (admin === undefined) throw new Error('no admin');
    server.users.set('admin', { ...admin, active: false });
    expect(await status(ADMIN)).toBe(401);
    server.users.set('admin', admin);
    expect(await status(ADMIN)).toBe(200);
    server.users.delete('admin');
    expect(await status(ADMIN)).toBe(401);
  });

  test('that a browser adds for a foreign page does not count', async () => {
    const from = async (headers: Record<string, string>) =>
      (
        await server.remote('/rest-api/stream/find_all', {
          method: 'POST',
          headers: { authorization: ADMIN, ...headers },
        })
      ).status;
    expect(await from({ origin: 'https://evil.example' })).toBe(403);
    expect(await from({ origin: 'http://media.example:9999' })).toBe(403);
    expect(await from({ origin: 'null' })).toBe(403);
    expect(await from({ 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await from({ origin: 'http://media.example:8081' })).toBe(200);
    expect(await from({})).toBe(200);
  });

  test('that is wrong again and again must wait, and who is known need not', async () => {
    const { fixture } = server;
    expect(await status(ADMIN)).toBe(200);
    let slowed = 0;
    for (let i = 0; i < 24; i++) if ((await status(basic('admin', `guess ${i}`))) === 429) slowed++;
    expect(slowed).toBeGreaterThan(0);
    const refused = await server.remote('/api/overview', { headers: { authorization: basic('admin', 'again') } });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(await status(ADMIN)).toBe(200);
    const metrics = (await server.call('/metrics')).text;
    expect(metrics).toMatch(/auth_failed\S* 20\b/);
    expect(metrics).toMatch(/auth_slowed\S* 5\b/);
    expect(fixture.errors).toEqual([]);
  }, 20_000);
});

describe('floods of headers', () => {
  ownServers();
  beforeEach(() => server.start());

  test.each([
    ['many', Array.from({ length: 5000 }, (_, i) => `x-${i}: 1\r\n`).join('')],
    ['a long one', `x-long: ${'a'.repeat(1_000_000)}\r\n`],
    ['a long password', `authorization: Basic ${'QUFB'.repeat(50_000)}\r\n`],
    ['a long cookie', `cookie: ${'a=b;'.repeat(50_000)}\r\n`],
    ['without an end', `${'x-a: b\r\n'.repeat(20_000)}`],
  ])('are answered with 431, and others are served: %s', async (_what, headers) => {
    const answer = await server.raw(`GET /api/overview HTTP/1.1\r\nhost: media.example\r\n${headers}\r\n`);
    expect(answer === '' || answer.startsWith('HTTP/1.1 431')).toBe(true);
    expect((await server.call('/api/overview')).status).toBe(200);
  });

  test('that fit into what is allowed do not get in', async () => {
    for (const value of ['Basic', 'Basic ', `Basic ${'QUFB'.repeat(2000)}`, ','.repeat(8000), ': :'.repeat(1000)]) {
      const head = `host: media.example\r\nauthorization: ${value}\r\nconnection: close`;
      expect(await server.raw(`GET /api/overview HTTP/1.1\r\n${head}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 401/);
    }
    expect(server.fixture.errors).toEqual([]);
  });
});

describe('connections', () => {
  ownServers();
  test('beyond the limit are closed, and those that say nothing end by themselves', async () => {
    await server.start({ maxConnections: 3, requestTimeoutMs: 600 });
    const idle = Array.from({ length: 3 }, () => connect(server.port, '127.0.0.1'));
    const ends = idle.map((socket) => once(socket.resume(), 'close'));
    await Promise.all(idle.map((socket) => once(socket, 'connect')));
    await vi.waitFor(() => expect(server.call('/health')).rejects.toThrow());
    await Promise.all(ends);
    await vi.waitFor(async () => expect((await server.call('/health')).status).toBe(200));
  }, 15_000);
});

describe('CORS', () => {
  ownServers();
  test('preflights need no password, and refusals can be read', async () => {
    await server.start();
    const preflight = await server.remote('/rest-api/stream/find_all', {
      method: 'OPTIONS',
      headers: { origin: 'https://shop.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.status).toBe(200);
    expect(preflight.text).toBe('');
    expect(preflight.headers['access-control-allow-origin']).toBe('*');
    const refused = await server.remote('/rest-api/stream/find_all');
    expect(refused.status).toBe(401);
    expect(refused.headers['access-control-allow-origin']).toBe('*');
  });

  test('settings can let the pages of one origin send a password', async () => {
    const accessControlHeaders =
      'Access-Control-Allow-Origin: https://shop.example; Access-Control-Allow-Headers: Content-Type, Authorization';
    await server.start({ accessControlHeaders });
    const from = async (origin: string) =>
      (await server.remote('/rest-api/stream/find_all', { headers: { authorization: ADMIN, origin } })).status;
    expect(await from('https://shop.example')).toBe(200);
    expect(await from('https://evil.example')).toBe(403);
  });
});
