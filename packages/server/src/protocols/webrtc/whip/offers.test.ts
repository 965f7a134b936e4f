import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MediaServerError } from '../../../core/index.ts';
import { ANSWER, OFFER, sessionOf, WhipFixture } from './testing/whip-fixture.ts';

let fixture: WhipFixture;

beforeEach(async () => {
  fixture = await WhipFixture.start();
});

afterEach(() => fixture.close());

async function restart(...args: Parameters<typeof WhipFixture.start>): Promise<void> {
  await fixture.close();
  fixture = await WhipFixture.start(...args);
}

describe('a player by WHEP that asks for a picture of its own', () => {
  it('reaches the gateway with what it asks for, in bits a second', async () => {
    await fixture.offer('/whep/cam?width=640&height=360&bitrate=500');
    await fixture.offer('/whep/cam?height=240&width=0');
    await fixture.offer('/whep/cam?width=0&token=x');
    await fixture.offer('/whip/cam?width=640');
    expect(fixture.gateway.requests.map(({ picture }) => picture)).toEqual([
      { width: 640, height: 360, bitrateBps: 500_000 },
      { height: 240 },
      undefined,
      undefined,
    ]);
  });

  it.each(['width=x', 'height=-1', 'bitrate=1e9', 'width=640.5', 'height=99999', 'bitrate='])(
    'is told what is allowed when it asks for %s',
    async (query) => {
      const response = await fixture.offer(`/whep/cam?${query}`);
      expect(response.status).toBe(400);
      expect(await response.text()).toContain('is a whole number from 0 to');
      expect(fixture.gateway.requests).toEqual([]);
    },
  );
});

describe('an offer by WHIP', () => {
  it('is answered with the session and its address, which can not be guessed', async () => {
    const response = await fixture.offer('/whip/cam');
    expect(response.status).toBe(201);
    expect(await response.text()).toBe(ANSWER);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/sdp',
      location: expect.stringMatching(/^\/whip\/cam\/[\w-]{22}$/),
      etag: expect.stringMatching(/^"[0-9a-f]{16}"$/),
      'accept-patch': 'application/trickle-ice-sdpfrag',
      'cache-control': 'no-store',
      'access-control-allow-origin': '*',
      'access-control-expose-headers': expect.stringContaining('Location, ETag, Link'),
    });
    expect(response.headers.has('link')).toBe(false);
    expect(fixture.whip.sessionCount).toBe(1);
  });

  it('reaches the gateway with all that is known of the client', async () => {
    await fixture.offer('/whip/cam?appKey=x&a=1&token=fromUrl', {
      headers: { authorization: 'Bearer fromHeader', 'content-type': 'Application/SDP; charset=utf-8' },
    });
    const [request] = fixture.gateway.requests;
    expect(request).toMatchObject({
      streamName: 'cam',
      offer: OFFER,
      mediaProvider: 'WebRTC',
      remoteAddress: '127.0.0.1',
      localAddress: '127.0.0.1',
      sessionId: expect.stringMatching(
        new RegExp(`^/127\\.0\\.0\\.1:\\d+/127\\.0\\.0\\.1:${fixture.port}/[0-9a-f]{8}$`),
      ),
      mediaSessionId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      custom: { appKey: 'x', a: '1', token: 'fromHeader' },
      waitMs: undefined,
    });
  });

  it.each([
    ['/whip/room/1/cam', 'room/1/cam', '/whip/room/1/cam/'],
    ['/whip/room%2Fcam', 'room/cam', '/whip/room/cam/'],
    ['/whip/caf%C3%A9%20%3F', 'café ?', '/whip/caf%C3%A9%20%3F/'],
    ['/whip/cam/', 'cam', '/whip/cam/'],
  ])('to %s is for stream "%s"', async (path, name, location) => {
    const response = await fixture.offer(path);
    expect(fixture.gateway.requests[0]?.streamName).toBe(name);
    expect(sessionOf(response).location.slice(0, -22)).toBe(location);
    expect((await fetch(fixture.url(sessionOf(response).location), { method: 'DELETE' })).status).toBe(200);
  });

  it('gets 409 when the name is taken, until its session has ended', async () => {
    const { location } = sessionOf(await fixture.offer('/whip/cam'));
    const busy = await fixture.offer('/whip/cam');
    expect(busy.status).toBe(409);
    expect(await busy.json()).toEqual({
      timestamp: expect.any(Number),
      status: 409,
      error: 'Conflict',
      message: 'stream "cam" is already being published',
      path: '/whip/cam',
    });
    await fetch(fixture.url(location), { method: 'DELETE' });
    expect((await fixture.offer('/whip/cam')).status).toBe(201);
  });

  it('names the ICE servers of the options only, for pages of other origins too', async () => {
    await restart({
      iceServers: () => [
        { url: 'stun:stun.example.net' },
        { url: 'turn:turn.example.net?transport=udp', username: 'u"', credential: 'c\\' },
        { url: 'stun:what\nno header can hold' },
      ],
    });
    const link =
      '<stun:stun.example.net>; rel="ice-server", <turn:turn.example.net?transport=udp>; rel="ice-server"; username="u\\""; credential="c\\\\"; credential-type="password"';
    expect((await fixture.offer('/whip/cam')).headers.get('link')).toBe(link);
    const options = await fetch(fixture.url('/whip/cam'), { method: 'OPTIONS' });
    expect(options.headers.get('link')).toBe(link);
    expect(options.headers.get('access-control-expose-headers')).toContain('Link');
    expect((await fixture.offer('/whip/cam')).headers.get('link')).toBeNull();
  });

  it.each([
    ['media.example.net:8081', 'media.example.net'],
    ['media.example.net', 'media.example.net'],
    ['203.0.113.7:8081', '203.0.113.7'],
    ['[2001:db8::7]:8444', '2001:db8::7'],
    ['evil>; rel="x"', '127.0.0.1'],
    ['', '127.0.0.1'],
  ])('names the ICE servers of the host that the client asked: %j', async (host, expected) => {
    const asked: string[] = [];
    await restart({
      iceServers: (name) => {
        asked.push(name);
        return [{ url: `stun:${name}:3478` }];
      },
    });
    const socket = connect(fixture.port, '127.0.0.1');
    socket.end(`OPTIONS /whep/cam HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    const answer = await text(socket);
    expect(asked).toEqual([expected]);
    expect(answer).toContain(`Link: <stun:${expected}:3478>; rel="ice-server"\r\n`);
  });
});

describe('an offer by WHEP', () => {
  it('plays what is published, and waits as long as the options say', async () => {
    await restart({ playWaitMs: 3000 });
    await fixture.offer('/whip/cam');
    const response = await fixture.offer('/whep/cam?viewer=7');
    expect(response.status).toBe(201);
    expect(sessionOf(response).location).toMatch(/^\/whep\/cam\//);
    expect(fixture.gateway.requests[1]).toMatchObject({ streamName: 'cam', custom: { viewer: '7' }, waitMs: 3000 });
    expect(fixture.whep.sessionCount).toBe(1);
  });

  it('gets 404 for what is not', async () => {
    const response = await fixture.offer('/whep/nobody');
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ message: 'there is no stream "nobody"', path: '/whep/nobody' });
    expect(fixture.whep.sessionCount).toBe(0);
  });
});

describe('an offer that is refused', () => {
  it.each([
    ['SDP_INVALID', 400],
    ['NO_COMMON_CODECS', 406],
    ['TRANSCODING_DISABLED', 406],
    ['STREAM_NAME_INVALID', 400],
    ['PEER_LIMIT', 503],
    ['STREAM_LIMIT', 503],
  ] as const)('because of %s gets %i', async (code, status) => {
    fixture.gateway.fails = new MediaServerError(code, 'so it is');
    const response = await fixture.offer('/whip/cam');
    expect(response.status).toBe(status);
    expect(response.headers.get('retry-after')).toBe(status === 503 ? '2' : null);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(await response.json()).toMatchObject({ status, message: 'so it is' });
    expect(fixture.counters.of('whip_refused')).toBe(1);
    expect(fixture.whip.sessionCount).toBe(0);
  });

  it('for a fault of ours gets 500 without details, which are in the log', async () => {
    fixture.gateway.fails = new Error('secret');
    const response = await fixture.offer('/whip/cam');
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ message: 'internal error' });
    expect(fixture.log.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  it.each([
    ['/whip/', 404],
    ['/whip/%', 400],
    ['/whip/%00', 400],
    [`/whip/${'x'.repeat(1025)}`, 400],
  ])('at %s gets %i', async (path, status) => {
    expect((await fixture.offer(path)).status).toBe(status);
    expect(fixture.gateway.requests).toHaveLength(0);
  });

  it.each([{ 'content-type': 'text/plain' }, { 'content-type': 'application/sdpx' }, { 'content-encoding': 'gzip' }])(
    'with %o gets 415 and learns what to send',
    async (headers) => {
      const response = await fixture.offer('/whip/cam', { headers: headers as Record<string, string> });
      expect(response.status).toBe(415);
      expect(response.headers.get('accept-post')).toBe('application/sdp');
    },
  );

  it('gets 413 beyond the size that is allowed, and is read up to it', async () => {
    await restart({ maxBodyBytes: 1000 });
    expect((await fixture.offer('/whip/a', { body: 'x'.repeat(1001) })).status).toBe(413);
    expect((await fixture.offer('/whip/b', { body: 'x'.repeat(1000) })).status).toBe(201);
    expect((await fixture.offer('/whip/c', { body: 'x'.repeat(100_000) })).status).toBe(413);
    expect(fixture.gateway.requests.map(({ offer }) => offer.length)).toEqual([1000]);
  });

  it('gets 413 for a body in chunks that never ends', async () => {
    await restart({ maxBodyBytes: 1000 });
    const socket = connect(fixture.port, '127.0.0.1');
    socket.write(
      'POST /whip/cam HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    const chunk = `400\r\n${'x'.repeat(1024)}\r\n`;
    for (let i = 0; i < 20; i++) socket.write(chunk);
    const [head] = (await once(socket, 'data')) as [Buffer];
    expect(head.toString()).toMatch(/^HTTP\/1\.1 413 .*[\s\S]*connection: close/i);
    socket.destroy();
  });

  it('gets 408 when it does not come', async () => {
    await restart({ bodyTimeoutMs: 50 });
    const socket = connect(fixture.port, '127.0.0.1');
    socket.write(
      'POST /whip/cam HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nContent-Length: 50\r\n\r\nv=0',
    );
    const [head] = (await once(socket, 'data')) as [Buffer];
    expect(head.toString()).toMatch(/^HTTP\/1\.1 408 /);
    socket.destroy();
  });

  it('gets 503 when there are as many sessions as are allowed', async () => {
    await restart({ maxSessions: 2 });
    const { location } = sessionOf(await fixture.offer('/whip/a'));
    await fixture.offer('/whip/b');
    const response = await fixture.offer('/whip/c');
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2']);
    await fetch(fixture.url(location), { method: 'DELETE' });
    expect((await fixture.offer('/whip/c')).status).toBe(201);
  });
});

describe('other methods', () => {
  it('OPTIONS tells what is allowed, to pages of other origins as well', async () => {
    const endpoint = await fetch(fixture.url('/whip/cam'), { method: 'OPTIONS' });
    expect(endpoint.status).toBe(204);
    expect(Object.fromEntries(endpoint.headers)).toMatchObject({
      allow: 'POST, OPTIONS',
      'accept-post': 'application/sdp',
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'POST, PATCH, DELETE, OPTIONS',
      'access-control-allow-headers': 'Authorization, Content-Type, If-Match',
      'access-control-max-age': '86400',
    });
    const { location } = sessionOf(await fixture.offer('/whip/cam'));
    const session = await fetch(fixture.url(location), { method: 'OPTIONS' });
    expect(session.headers.get('allow')).toBe('PATCH, DELETE, OPTIONS');
    expect(session.headers.get('accept-patch')).toBe('application/trickle-ice-sdpfrag');
  });

  it('OPTIONS completes the lists that the settings have for the whole web port', async () => {
    const headers = [
      ['access-control-allow-origin', 'https://app.example.net'],
      ['access-control-allow-headers', 'content-type,x-requested-with'],
      ['access-control-allow-methods', 'POST'],
      ['access-control-expose-headers', 'X-Own'],
    ] as const;
    await restart({ headers });
    const preflight = await fetch(fixture.url('/whip/cam'), { method: 'OPTIONS' });
    expect(Object.fromEntries(preflight.headers)).toMatchObject({
      'access-control-allow-origin': 'https://app.example.net',
      'access-control-allow-headers': 'Content-Type, x-requested-with, Authorization, If-Match',
      'access-control-allow-methods': 'POST, PATCH, DELETE, OPTIONS',
    });
    const made = await fixture.offer('/whip/cam');
    expect(made.headers.get('access-control-expose-headers')).toBe(
      'X-Own, Location, ETag, Link, Accept-Patch, Retry-After, WWW-Authenticate',
    );
  });

  it.each(['GET', 'HEAD', 'PUT'])('%s gets 405 for streams and sessions', async (method) => {
    const { location } = sessionOf(await fixture.offer('/whip/cam'));
    const endpoint = await fetch(fixture.url('/whep/cam'), { method });
    expect([endpoint.status, endpoint.headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
    expect((await endpoint.text()) === '').toBe(method === 'HEAD');
    const session = await fetch(fixture.url(location), { method });
    expect([session.status, session.headers.get('allow')]).toEqual([405, 'PATCH, DELETE, OPTIONS']);
  });

  it('POST to a session gets 405', async () => {
    const { location } = sessionOf(await fixture.offer('/whip/cam'));
    expect((await fixture.offer(location)).status).toBe(405);
  });

  it('DELETE of a stream gets 404', async () => {
    await fixture.offer('/whip/cam');
    expect((await fetch(fixture.url('/whip/cam'), { method: 'DELETE' })).status).toBe(404);
    expect(fixture.whip.sessionCount).toBe(1);
  });

  it('a WebSocket is refused', async () => {
    const socket = connect(fixture.port, '127.0.0.1');
    socket.write('GET /whip/cam HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    const [head] = (await once(socket, 'data')) as [Buffer];
    expect(head.toString()).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*"status":400/);
    socket.destroy();
  });
});
