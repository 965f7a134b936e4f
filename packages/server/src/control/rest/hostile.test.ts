import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ControlFixture } from '../testing/control-fixture.ts';
import { exchange, parseAnswer } from '../testing/raw-http.ts';

let fixture: ControlFixture;
let port: number;

beforeEach(async () => {
  fixture = new ControlFixture();
  fixture.publish('room', { mediaSessionId: 'p' });
  await fixture.start({}, { requestTimeoutMs: 600 });
  port = fixture.server?.port ?? 0;
});

afterEach(async () => {
  // Whatever came: the others are served as before, nothing was ended, and no error of ours was logged.
  const response = await fetch(`http://127.0.0.1:${port}/rest-api/stream/find`, {
    method: 'POST',
    body: '{"name":"room"}',
  });
  expect(response.status).toBe(200);
  expect(fixture.closed).toEqual([]);
  expect(fixture.errors).toEqual([]);
  await fixture.close();
});

function request(body: string | Buffer, headers: readonly string[] = []): Buffer {
  const head = ['POST /rest-api/stream/find HTTP/1.1', 'host: localhost', 'connection: close', ...headers];
  return Buffer.concat([
    Buffer.from(`${head.join('\r\n')}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`),
    Buffer.from(body),
  ]);
}

function counted(): number {
  return fixture.counters.snapshot().rest_bad_requests;
}

/** The status of the answer to these bytes, and how many bad requests were counted for it. */
async function answerTo(bytes: string | Buffer): Promise<readonly [status: number, counted: number, message: string]> {
  const before = counted();
  const { status, body } = parseAnswer(await exchange(port, bytes));
  return [status, counted() - before, (JSON.parse(body) as { message: string }).message];
}

describe('bad requests', () => {
  it.each([
    ['cut off JSON', '{"name":"ro', 'not JSON'],
    ['100 000 brackets', '['.repeat(100_000), 'nested deeper'],
    ['100 000 objects in each other', '{"a":'.repeat(100_000), 'nested deeper'],
    ['a deep value that is closed again', `{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`, 'nested deeper'],
    ['a wrong type', '{"name":{"a":1}}', 'name is a text'],
    ['a long text', JSON.stringify({ name: 'x'.repeat(100_000) }), 'name has at most 4096'],
    ['a long list', JSON.stringify({ display: Array(100_000).fill('') }), 'display has at most 1000'],
    ['a huge list of wrong types', JSON.stringify({ display: Array(200_000).fill({}) }), 'display'],
    ['bytes that are no text', Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0x80]), 'not JSON'],
    ['zeros', Buffer.alloc(1000), 'not JSON'],
  ])('are answered with 400 and counted: %s', async (_what, body, message) => {
    const [status, count, said] = await answerTo(request(body));
    expect([status, count]).toEqual([400, 1]);
    expect(said).toContain(message);
  });

  it('of two megabytes are answered with 413, announced or in pieces', async () => {
    expect((await answerTo(request(Buffer.alloc(2_000_000, 0x20)))).slice(0, 2)).toEqual([413, 1]);
    const head =
      'POST /rest-api/stream/find HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n';
    const piece = `10000\r\n${' '.repeat(0x10000)}\r\n`;
    expect((await answerTo(head + piece.repeat(32))).slice(0, 2)).toEqual([413, 1]);
  });

  it('with names of every object’s own fields change nothing', async () => {
    const body = '{"__proto__":{"name":"room","published":true},"constructor":{"prototype":{"x":1}},"name":"room"}';
    const answer = parseAnswer(await exchange(port, request(body)));
    expect(answer.status).toBe(200);
    expect(({} as { name?: string; x?: number }).name).toBeUndefined();
    expect(({} as { name?: string; x?: number }).x).toBeUndefined();
  });

  it.each([
    ['what is not HTTP', 'hello\r\n\r\n', 400],
    ['a TLS handshake', Buffer.from([22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]), 400],
    [
      'two lengths',
      'POST /rest-api/stream/find HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}',
      400,
    ],
    [
      'a length and pieces',
      'POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}',
      400,
    ],
    ['no host', 'GET /rest-api/stream/find HTTP/1.1\r\n\r\n', 400],
    ['a flood of headers', `GET / HTTP/1.1\r\n${'a: b\r\n'.repeat(10_000)}\r\n`, 431],
    ['a header without end', `GET / HTTP/1.1\r\na: ${'b'.repeat(40_000)}`, 431],
    ['an address without end', `GET /${'b'.repeat(40_000)}`, 431],
    [
      'a percent sign that means nothing',
      'GET /rest-api/%zz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
      400,
    ],
  ])('that are %s are refused and counted', async (_what, bytes, expected) => {
    const before = counted();
    expect(parseAnswer(await exchange(port, bytes)).status).toBe(expected);
    // Node answers a request without host by itself.
    if (!String(bytes).startsWith('GET /rest-api/stream/find')) expect(counted() - before).toBe(1);
  });
});

describe('slow and greedy clients', () => {
  it('that send a byte at a time are cut off with 408, headers and bodies alike', async () => {
    for (const start of [
      'GET / HTTP/1.1\r\n',
      'POST /rest-api/stream/find HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n\r\n{',
    ]) {
      const socket = connect({ host: '127.0.0.1', port });
      let text = '';
      socket.setEncoding('latin1').on('data', (chunk) => {
        text += String(chunk);
      });
      socket.on('error', () => {});
      socket.write(start);
      const dripping = setInterval(() => socket.write('x'), 50);
      await once(socket, 'close');
      clearInterval(dripping);
      expect(text).toMatch(/^HTTP\/1.1 408 /);
    }
    expect(counted()).toBeGreaterThanOrEqual(2);
  }, 20_000);

  it('that send many requests at once get their answers in order', async () => {
    const one = (name: string): string => {
      const body = JSON.stringify({ name });
      return `POST /rest-api/stream/find HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    };
    const requests = Array.from({ length: 200 }, (_, i) => one(i % 2 === 0 ? 'room' : 'hall'));
    const text = await exchange(
      port,
      `${requests.join('')}GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
    );
    const statuses = [...text.matchAll(/HTTP\/1.1 (\d{3}) /g)].map(([, status]) => status);
    expect(statuses.slice(0, 200)).toEqual(requests.map((_, i) => (i % 2 === 0 ? '200' : '404')));
  });

  it('that leave before their answer, by the hundred, leave nothing behind', async () => {
    const sockets: Socket[] = [];
    for (let i = 0; i < 200; i++) {
      const socket = connect({ host: '127.0.0.1', port });
      socket.on('error', () => {});
      socket.write(request('{"name":"room"}').subarray(0, i % 2 === 0 ? 60 : 200));
      sockets.push(socket);
    }
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    for (const socket of sockets) socket.destroy();
    await vi.waitFor(() => expect(sockets.every(({ closed }) => closed)).toBe(true));
  });
});
