import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ConsoleSessions } from './console-sessions.ts';
import { type Answer, GuardedServer, PASSWORD } from './testing/guarded-server.ts';

const OWN = 'http://media.example:8081';

const cookieOf = (answer: Answer): string => answer.headers['set-cookie']?.[0]?.split(';')[0] ?? '';

describe('logging in at the console', () => {
  const server = new GuardedServer();
  let cookie = '';
  // Checking passwords is slow by design: one server serves all these tests.
  beforeAll(() => server.start());
  afterAll(() => server.close());
  beforeEach(async () => {
    cookie = cookieOf(await server.login());
  });

  const read = (headers: Record<string, string>) => server.remote('/api/overview', { headers });
  const write = (headers: Record<string, string>) =>
    server.remote('/rest-api/stream/find_all', { method: 'POST', headers });

  test('gives a cookie that scripts can not read and other sites can not send', async () => {
    const answer = await server.login();
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.text)).toEqual({ user: 'admin', needed: true });
    expect(answer.headers['set-cookie']?.[0]).toMatch(/^sluice-\d+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
    expect((await read({ cookie: cookieOf(answer) })).status).toBe(200);
  });

  test('behind a proxy with HTTPS, the cookie goes by HTTPS only', async () => {
    const proxied = { 'x-forwarded-proto': 'https' };
    const answer = await server.login(PASSWORD, proxied);
    expect(answer.headers['set-cookie']?.[0]).toMatch(/^__Host-sluice-\d+=[\w-]{43}; .*; Secure$/);
    expect((await read({ ...proxied, cookie: cookieOf(answer) })).status).toBe(200);
  });

  test('is told by the session', async () => {
    const session = async (headers: Record<string, string>) =>
      JSON.parse((await server.remote('/api/session', { headers })).text) as unknown;
    expect(await session({})).toEqual({ user: null, needed: true });
    expect(await session({ cookie })).toEqual({ user: 'admin', needed: true });
    expect(JSON.parse((await server.call('/api/session')).text)).toEqual({ user: null, needed: false });
  });

  test('ends with logging out', async () => {
    const out = await server.remote('/api/logout', { method: 'POST', headers: { cookie, origin: OWN } });
    expect(out.status).toBe(200);
    expect(out.headers['set-cookie']?.[0]).toMatch(/=; .*Max-Age=0/);
    expect((await read({ cookie })).status).toBe(401);
  });

  test('of a user who gets a new password ends', async () => {
    const admin = server.users.get('admin');
    if (admin === undefined) throw new Error('no admin');
    server.users.set('admin', { ...admin, passwordHash: admin.passwordHash.replace(/.$/, 'x') });
    expect((await read({ cookie })).status).toBe(401);
    server.users.set('admin', admin);
    expect((await read({ cookie })).status).toBe(401);
  });

  test('does not let other pages change things in its name', async () => {
    expect((await write({ cookie, origin: OWN })).status).toBe(200);
    expect((await write({ cookie, 'sec-fetch-site': 'same-origin', origin: 'http://inner:1' })).status).toBe(200);
    expect((await write({ cookie })).status).toBe(403);
    expect((await write({ cookie, origin: 'https://evil.example' })).status).toBe(403);
    expect((await write({ cookie, origin: 'http://media.example' })).status).toBe(403);
    expect((await write({ cookie, origin: 'null' })).status).toBe(403);
    expect((await read({ cookie, origin: 'http://media.example:3000' })).status).toBe(403);
    expect((await read({ cookie, 'sec-fetch-site': 'same-site' })).status).toBe(403);
    expect((await read({ cookie })).status).toBe(200);
  });

  test('can not be done by other pages', async () => {
    expect((await server.login(PASSWORD, { origin: 'https://evil.example' })).status).toBe(403);
    const out = { method: 'POST', headers: { cookie, origin: 'https://evil.example' } };
    expect((await server.remote('/api/logout', out)).status).toBe(403);
    expect((await read({ cookie })).status).toBe(200);
  });

  test.each([
    'sluice-1=x',
    '=',
    ';;;;',
    `${'a'.repeat(9000)}=1`,
    'sluice-PORT=',
    `sluice-PORT=${'A'.repeat(43)}`,
    'sluice-PORT=__proto__',
    `__Host-sluice-PORT=${'A'.repeat(43)}`,
  ])('is not done by the cookie %j', async (text) => {
    expect((await read({ cookie: text.replace('PORT', String(server.port)) })).status).toBe(401);
  });

  test.each([
    ['', 400],
    ['{', 400],
    ['null', 400],
    ['[]', 400],
    ['{"user":"admin"}', 400],
    ['{"user":"admin","password":{"$ne":1}}', 400],
    [JSON.stringify({ user: 'admin', password: 'x'.repeat(257) }), 400],
    [JSON.stringify({ user: 'admin', password: 'x'.repeat(5000) }), 413],
    ['{"user":"admin","password":"wrong"}', 401],
    ['{"user":"guest","password":"wrong"}', 401],
    ['{"user":"__proto__","password":"wrong"}', 401],
  ])('with %j is answered with %i', async (body, status) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await server.remote('/api/login', { method: 'POST', headers, body });
    expect(answer.status).toBe(status);
    expect(answer.headers['set-cookie']).toBeUndefined();
    expect(answer.text).not.toContain('xxx');
  });

  test('takes JSON only, which no form of another page can send', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      const body = JSON.stringify({ user: 'admin', password: PASSWORD });
      const answer = await server.remote('/api/login', { method: 'POST', headers: { 'content-type': type }, body });
      expect([400, 415]).toContain(answer.status);
    }
  });
});

describe('sessions of the console', () => {
  const user = { name: 'admin', passwordHash: 'h', active: true };
  const find = async () => user;

  test('end after twelve hours without use, and go on with use', async () => {
    let ms = 0;
    const sessions = new ConsoleSessions(() => ms);
    const token = sessions.begin(user);
    for (let i = 0; i < 3; i++) {
      ms += 11 * 3_600_000;
      expect(await sessions.userOf(token, find)).toBe(user);
    }
    ms += 12 * 3_600_000;
    expect(await sessions.userOf(token, find)).toBeUndefined();
    expect(sessions.size).toBe(0);
  });

  test('are a thousand at most: the one that was not used for longest ends', async () => {
    const sessions = new ConsoleSessions();
    const first = sessions.begin(user);
    const second = sessions.begin(user);
    for (let i = 2; i < 1000; i++) sessions.begin(user);
    expect(await sessions.userOf(first, find)).toBe(user);
    sessions.begin(user);
    expect(sessions.size).toBe(1000);
    expect(await sessions.userOf(first, find)).toBe(user);
    expect(await sessions.userOf(second, find)).toBeUndefined();
  });

  test('that end while their user is looked up stay ended', async () => {
    const sessions = new ConsoleSessions();
    const token = sessions.begin(user);
    const looking = sessions.userOf(token, find);
    sessions.end(token);
    expect(await looking).toBeUndefined();
    expect(sessions.size).toBe(0);
  });
});
