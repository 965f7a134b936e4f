import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { constants } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { feed, PUBLISHER } from '../testing/fakes.ts';
import {
  type Answer,
  get,
  get2,
  http2Session,
  makeRig,
  PICTURE,
  type Rig,
  type Sending,
  testIdentity,
} from '../testing/rig.ts';
import { PlainDoor, SecureDoor } from './doors.ts';
import type { Exchange } from './exchange.ts';

let rig: Rig;

afterEach(async () => {
  expect(await rig.close()).toEqual([0, 0, 0, 0]);
  expect(rig.log.problems).toEqual([]);
});

async function start(options: Parameters<typeof makeRig>[0] = {}): Promise<void> {
  rig = await makeRig({ lowLatency: false, ...options });
  feed(rig.streams.publish('cam', PUBLISHER), { fromMs: 0, toMs: 9000, video: PICTURE, videoBytes: 20_000 });
}

async function segmentPath(): Promise<string> {
  const playlist = (await get(`${rig.plain}/cam/cam.m3u8`)).body.toString();
  return `/cam/${/^cam_\d+\.m4s$/m.exec(playlist)?.[0]}`;
}

/** The same request by all that can be spoken. */
async function everyWay(path: string, sending: Sending = {}): Promise<readonly Answer[]> {
  const session = http2Session(rig);
  try {
    return [
      await get(rig.plain + path, sending),
      await get(rig.secure + path, sending),
      await get2(session, path, sending),
    ];
  } finally {
    session.close();
  }
}

/** What players and pages see of an answer. */
function seen({ status, headers, body }: Answer): object {
  const { date: _date, connection: _connection, ...rest } = headers;
  delete rest['keep-alive'];
  const hash = createHash('sha1').update(body).digest('hex');
  return { status, hash, ...Object.fromEntries(Object.entries(rest).filter(([name]) => !name.startsWith(':'))) };
}

describe('HTTP/1.1, the same over TLS, and HTTP/2', () => {
  test.each<[string, number, Sending]>([
    ['/cam/cam.m3u8', 200, {}],
    ['/cam/cam.m3u8', 200, { method: 'HEAD' }],
    ['/cam/index.m3u8?token=1', 200, {}],
    ['SEGMENT', 200, {}],
    ['SEGMENT', 200, { method: 'HEAD' }],
    ['SEGMENT', 206, { headers: { range: 'bytes=70000-140000' } }],
    ['SEGMENT', 206, { headers: { range: 'bytes=-5' } }],
    ['SEGMENT', 416, { headers: { range: 'bytes=99999999-' } }],
    ['/cam/cam.m3u8', 204, { method: 'OPTIONS' }],
    ['/cam/cam.m3u8', 405, { method: 'POST' }],
    ['/none/none.m3u8', 404, {}],
    ['/%/x', 400, {}],
    ['/cam/cam.m3u8?_HLS_msn=x', 400, {}],
    ['LONG', 414, {}],
  ])('answer %s alike, with %i and CORS', async (name, status, sending) => {
    await start({ extraHeaders: [['Keep-Alive', 'timeout=9']] });
    const path = name === 'SEGMENT' ? await segmentPath() : name.replace('LONG', `/${'a'.repeat(9000)}/x`);
    const [one, two, three] = (await everyWay(path, sending)).map(seen);
    expect(one).toMatchObject({ status, 'access-control-allow-origin': '*' });
    expect(two).toEqual(one);
    expect(three).toEqual(one);
  });

  test('share one port, where the client chooses by ALPN', async () => {
    await start();
    for (const [offered, chosen] of [
      [['h2', 'http/1.1'], 'h2'],
      [['http/1.1'], 'http/1.1'],
      [undefined, false],
    ] as const) {
      const socket = connectTls({
        port: rig.server.securePort,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        ...(offered && { ALPNProtocols: [...offered] }),
      });
      await once(socket, 'secureConnect');
      expect(socket.alpnProtocol).toBe(chosen);
      socket.destroy();
    }
  });

  test('serve a hundred segments at the same time on one connection', async () => {
    await start();
    const path = await segmentPath();
    const session = http2Session(rig);
    const answers = await Promise.all(Array.from({ length: 100 }, () => get2(session, path)));
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.length}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(200);
    session.close();
  });

  test('tell viewers apart by address and user agent whatever they speak', async () => {
    await start();
    await everyWay('/cam/cam.m3u8', { headers: { 'user-agent': 'one' } });
    expect(rig.sessions.size).toBe(1);
    const [session] = [...rig.sessions.all()].map((s) => s.describe());
    expect(session).toMatchObject({ remoteAddress: '127.0.0.1', protocol: 'hls' });
  });
});

describe('the door with TLS', () => {
  test('is off without options, and so is the one without', async () => {
    rig = await makeRig({ secure: undefined });
    expect([rig.server.port > 0, rig.server.securePort]).toEqual([true, 0]);
    await rig.close();
    rig = await makeRig({ port: undefined });
    expect([rig.server.port, rig.server.securePort > 0]).toEqual([0, true]);
  });

  test('tells a port that is taken with its setting, and gives back the other', async () => {
    await start();
    const secure = { port: rig.server.securePort, identity: { cert: '', key: '' } };
    const failing = makeRig({ secure });
    await expect(failing).rejects.toMatchObject({ code: 'PORT_IN_USE', message: /hls\.https\.port/ });
  });

  test('keeps its certificate when it is given one that can not be used', async () => {
    await start();
    expect(() => rig.server.setIdentity({ cert: 'x', key: 'y' })).toThrow();
    expect((await get(`${rig.secure}/cam/cam.m3u8`)).status).toBe(200);
  });
});

/** Resolves when a connection was ended by the server. */
async function ended(port: number, text: string, tls: boolean): Promise<void> {
  const socket = tls
    ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
    : connectTcp(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  socket.write(text);
  await once(socket, 'close');
}

describe('clients that stop in the middle', () => {
  test('of a request are let go on both doors, with and without TLS', async () => {
    await start();
    const options = {
      ...rig,
      host: '127.0.0.1',
      port: 0,
      requestTimeoutMs: 500,
      idleMs: 60_000,
      onExchange: (exchange: Exchange) => exchange.end(),
    };
    const doors = [new PlainDoor(options), new SecureDoor(options, { identity: await testIdentity() })] as const;
    for (const door of doors) await door.start();
    const [plain, secure] = doors.map((door) => door.port) as [number, number];
    const half = 'GET /cam/cam.m3u8 HTTP/1.1\r\nHost: a\r\n';
    await Promise.all([
      ended(plain, half, false),
      ended(secure, half, true),
      ended(plain, '', false),
      // Never begins its handshake.
      ended(secure, '', false),
    ]);
    await Promise.all(doors.map((door) => door.close()));
  });

  test('of an answer are let go while others are served, and what they hold is bounded', async () => {
    await start();
    const path = await segmentPath();
    const session = http2Session(rig);
    const stuck = Array.from({ length: 20 }, () => {
      const stream = session.request({ ':path': path });
      stream.on('error', () => {});
      stream.pause();
      return stream;
    });
    await once(stuck[19] as (typeof stuck)[number], 'response');
    expect((await get2(session, '/cam/cam.m3u8')).status).toBe(200);
    // A slow one that moves is not ended.
    rig.ticker.tickIn(1000);
    rig.ticker.tickIn(20_000);
    expect(rig.counters.counts['hls_slow_viewers']).toBeUndefined();
    rig.ticker.tickIn(22_000);
    expect(rig.counters.counts['hls_slow_viewers']).toBe(20);
    await expect.poll(() => stuck.filter((stream) => stream.closed || stream.rstCode !== 0).length).toBe(20);
    expect((await get2(session, '/cam/cam.m3u8')).status).toBe(200);
    session.destroy();
  });

  test('asking are let go after two minutes, also when they send pings', async () => {
    await start();
    const session = http2Session(rig);
    await get2(session, '/cam/cam.m3u8');
    await new Promise<void>((resolve) => session.ping(() => resolve()));
    rig.ticker.tickIn(100_000);
    expect((await get2(session, '/cam/cam.m3u8')).status).toBe(200);
    rig.ticker.tickIn(130_000);
    await once(session, 'close');
  });
});

describe('floods', () => {
  test('of requests that are taken back at once end their connection, not others', async () => {
    await start({ maxWaiting: 100_000 });
    rig.streams.publish('late', PUBLISHER);
    const other = http2Session(rig);
    expect((await get2(other, '/cam/cam.m3u8')).status).toBe(200);
    const session = http2Session(rig);
    const closed = once(session, 'close');
    await once(session, 'connect');
    while (!session.closed && !session.destroyed) {
      const streams = Array.from({ length: 50 }, () => session.request({ ':path': '/late/late.m3u8' }));
      for (const stream of streams) stream.on('error', () => {});
      // Answered by the server: it has seen the requests.
      await new Promise<void>((resolve) => !session.ping(() => resolve()) && resolve());
      for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
    }
    await closed;
    await expect.poll(() => rig.server.heldRequests).toBe(0);
    expect(rig.counters.counts['hls_http2_floods']).toBeGreaterThan(0);
    expect((await get2(other, '/cam/cam.m3u8')).status).toBe(200);
    other.close();
  });

  test.each([
    ['pings', 6, 0, Buffer.alloc(8)],
    ['settings', 4, 0, Buffer.alloc(0)],
  ])('of %s whose answers nobody reads end their connection', async (_name, type, flags, payload) => {
    await start();
    const socket = connectTls({
      port: rig.server.securePort,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
    });
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    const frame = Buffer.concat([Buffer.of(0, 0, payload.length, type, flags, 0, 0, 0, 0), payload]);
    const many = Buffer.concat(Array.from({ length: 500 }, () => frame));
    socket.pause();
    let over = false;
    socket.on('close', () => {
      over = true;
    });
    for (let i = 0; i < 4000 && !over; i++) {
      if (!socket.write(many)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => {});
    }
    socket.resume();
    await expect.poll(() => over).toBe(true);
  });
});
