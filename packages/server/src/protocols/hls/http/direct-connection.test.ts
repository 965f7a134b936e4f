import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { fakeCounters, fakeLog } from '../testing/fakes.ts';
import { DirectExchange } from './direct-exchange.ts';
import { PlainDoor } from './doors.ts';
import type { Exchange } from './exchange.ts';

const HEAD = 'HTTP/1.1\r\nHost: a\r\n';
const BIG = Buffer.alloc(8 * 1024 * 1024, 'b');

let door: PlainDoor;
let sockets: Socket[] = [];
/** By path, what did not come to be answered at once. */
const held: Exchange[] = [];
/** Requests as they came, and whether Node's HTTP took them. */
const came: string[] = [];

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  held.length = 0;
  came.length = 0;
  await door.close();
});

function answer(exchange: Exchange): void {
  const { url, method } = exchange;
  came.push(`${method} ${url} ${exchange instanceof DirectExchange ? 'direct' : 'node'}`);
  if (url === '/held') held.push(exchange);
  else if (url === '/pieces') {
    exchange.header('Content-Length', 6);
    exchange.sendAll([Buffer.from('one'), Buffer.from('two')]);
  } else if (url === '/big') exchange.end(BIG);
  else if (url === '/grows') {
    for (const text of ['one', '', 'two']) exchange.write(Buffer.from(text));
    exchange.end(Buffer.from('three'));
  } else {
    exchange.header('Cache-Control', 'no-store');
    exchange.header('cache-control', 'max-age=1');
    exchange.header('Content-Length', url.length);
    exchange.end(Buffer.from(url));
  }
}

async function opened(options: { requestTimeoutMs?: number } = {}): Promise<void> {
  door = new PlainDoor({
    host: '127.0.0.1',
    port: 0,
    requestTimeoutMs: 10_000,
    idleMs: 60_000,
    ...options,
    onExchange: answer,
    log: fakeLog(),
    counters: fakeCounters(),
  });
  await door.start();
}

/** A client that writes what it likes, and what it has got. */
function client() {
  const socket = connect(door.port, '127.0.0.1');
  sockets.push(socket);
  const got = { text: '', closed: false, socket };
  socket.on('data', (data: Buffer) => {
    got.text += data.toString('latin1');
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    got.closed = true;
  });
  return got;
}

function bodies(text: string): string[] {
  return text.split(/HTTP\/1\.1 \d+ .*?\r\n\r\n/s).slice(1);
}

describe('a connection of a player', () => {
  it('is answered request after request', async () => {
    await opened();
    const { socket, ...rest } = client();
    expect(rest.text).toBe('');
    const got = client();
    for (const [i, path] of ['/a', '/pieces', '/b'].entries()) {
      got.socket.write(`GET ${path} ${HEAD}\r\n`);
      await expect.poll(() => bodies(got.text).length).toBe(i + 1);
    }
    expect(bodies(got.text)).toEqual(['/a', 'onetwo', '/b']);
    expect(came).toEqual(['GET /a direct', 'GET /pieces direct', 'GET /b direct']);
    const [head = ''] = got.text.split('\r\n\r\n');
    expect(head.split('\r\n')).toEqual([
      'HTTP/1.1 200 OK',
      'Cache-Control: max-age=1',
      'Content-Length: 2',
      expect.stringMatching(/^Date: .* GMT$/),
      'Connection: keep-alive',
      'Keep-Alive: timeout=30',
    ]);
    socket.destroy();
  });

  it('gets a body of unknown length in chunks', async () => {
    await opened();
    const got = client();
    got.socket.write(`GET /grows ${HEAD}\r\n`);
    await expect
      .poll(() => got.text)
      .toMatch(/Transfer-Encoding: chunked\r\n(?:.+\r\n)*\r\n3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n$/);
  });

  it('gets no body by HEAD', async () => {
    await opened();
    const got = client();
    for (const [i, path] of ['/abc', '/pieces', '/big', '/grows'].entries()) {
      got.socket.write(`HEAD ${path} ${HEAD}\r\n`);
      await expect.poll(() => bodies(got.text).length).toBe(i + 1);
    }
    expect(bodies(got.text)).toEqual(['', '', '', '']);
    expect(got.text.match(/Content-Length: \d+/g)).toEqual([
      'Content-Length: 4',
      'Content-Length: 6',
      `Content-Length: ${BIG.length}`,
    ]);
  });

  it('is ended after the answer when it wants that', async () => {
    await opened();
    const got = client();
    got.socket.write(`GET /a ${HEAD}Connection: close\r\n\r\n`);
    await once(got.socket, 'close');
    expect(got.text).toMatch(/Connection: close\r\n\r\n\/a$/);
  });

  it('that reads slowly gets all that it asked for, in order', async () => {
    await opened();
    const got = client();
    got.socket.pause();
    for (const path of ['/big', '/a']) {
      got.socket.write(`GET ${path} ${HEAD}\r\n`);
      await expect.poll(() => came.length).toBeGreaterThan(0);
    }
    got.socket.resume();
    await expect.poll(() => bodies(got.text).map((body) => body.length)).toEqual([BIG.length, 2]);
  });
});

describe('Node takes over', () => {
  it.each([
    ['a request that comes in pieces', ['GET /a HT', 'TP/1.1\r\nHo', 'st: a\r\n\r\n'], '/a'],
    ['a request of an older version', ['GET /a HTTP/1.0\r\n\r\n'], '/a'],
    ['a request with a body', [`GET /a ${HEAD}Content-Length: 1\r\n\r\n`, 'x'], '/a'],
    ['a request in chunks', [`GET /a ${HEAD}Transfer-Encoding: chunked\r\n\r\n`, '0\r\n\r\n'], '/a'],
  ])('%s', async (_, pieces, body) => {
    await opened();
    const got = client();
    for (const piece of pieces) {
      got.socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await expect.poll(() => bodies(got.text)).toEqual([body]);
    expect(came).toEqual(['GET /a node']);
  });

  it('after requests that were answered before, and keeps the order of several at once', async () => {
    await opened();
    const got = client();
    got.socket.write(`GET /a ${HEAD}\r\n`);
    await expect.poll(() => bodies(got.text).length).toBe(1);
    got.socket.write(['/b', '/c', '/pieces'].map((path) => `GET ${path} ${HEAD}\r\n`).join(''));
    await expect.poll(() => bodies(got.text)).toEqual(['/a', '/b', '/c', 'onetwo']);
    expect(came.map((line) => line.split(' ')[2])).toEqual(['direct', 'node', 'node', 'node']);
  });

  it.each([
    ['without a host', 'GET / HTTP/1.1\r\n\r\n'],
    ['that is none', 'hello\r\n\r\n'],
    ['with two lengths', `GET / ${HEAD}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`],
  ])('and refuses a request %s', async (_, text) => {
    await opened();
    const got = client();
    got.socket.write(text);
    await once(got.socket, 'close');
    expect(got.text).toMatch(/^HTTP\/1\.1 400 /);
    expect(came).toEqual([]);
  });
});

describe('a request that waits', () => {
  it('holds back those behind it', async () => {
    await opened();
    const got = client();
    got.socket.write(`GET /held ${HEAD}\r\n`);
    await expect.poll(() => held.length).toBe(1);
    got.socket.write(`GET /a ${HEAD}\r\n`);
    got.socket.write(`GET /b ${HEAD}\r\n`);
    const other = client();
    other.socket.write(`GET /c ${HEAD}\r\n`);
    await expect.poll(() => bodies(other.text)).toEqual(['/c']);
    expect(got.text).toBe('');
    held[0]?.end(Buffer.from('late'));
    await expect.poll(() => bodies(got.text)).toEqual(['late', '/a', '/b']);
  });

  it('is over when its client is gone, or sends no more', async () => {
    await opened();
    let gone = 0;
    for (const leave of ['destroy', 'end'] as const) {
      const got = client();
      got.socket.write(`GET /held ${HEAD}\r\n`);
      await expect.poll(() => held.length).toBe(1);
      const exchange = held.pop() as Exchange;
      exchange.onGone = () => gone++;
      got.socket[leave]();
      await expect.poll(() => exchange.gone).toBe(true);
      exchange.end(Buffer.from('nobody'));
      await expect.poll(() => got.closed).toBe(true);
      expect(got.text).toBe('');
    }
    expect(gone).toBe(2);
  });

  it('ends its connection when too much comes behind it', async () => {
    await opened();
    const got = client();
    got.socket.write(`GET /held ${HEAD}\r\n`);
    await expect.poll(() => held.length).toBe(1);
    got.socket.write(`GET /a ${HEAD}\r\n`.repeat(1000));
    await expect.poll(() => got.closed).toBe(true);
    expect(held[0]?.gone).toBe(true);
  });
});

it('a connection on which no request comes is ended, and one that has had some is not', async () => {
  await opened({ requestTimeoutMs: 300 });
  const busy = client();
  busy.socket.write(`GET /a ${HEAD}\r\n`);
  const idle = client();
  await expect.poll(() => idle.closed, { timeout: 5000 }).toBe(true);
  expect(idle.text).toBe('');
  busy.socket.write(`GET /b ${HEAD}\r\n`);
  await expect.poll(() => bodies(busy.text)).toEqual(['/a', '/b']);
});

it('closing the door ends connections, those of Node as well', async () => {
  await opened();
  const [one, other] = [client(), client()];
  one.socket.write(`GET /a ${HEAD}\r\n`);
  other.socket.write('GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  await expect.poll(() => bodies(one.text).length + bodies(other.text).length).toBe(2);
  await door.close();
  await expect.poll(() => [one.closed, other.closed]).toEqual([true, true]);
});
