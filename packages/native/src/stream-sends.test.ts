import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { loadReceiveFromAll, loadSendToAll } from './index.ts';
import type { ReceiveFromAll, SendToAll } from './native/addon.ts';

/** A busy machine takes its time. */
const PATIENT = { timeout: 20_000, interval: 5 };

let server: Server;
const accepted: Socket[] = [];
const clients: Socket[] = [];

beforeEach(async () => {
  // Nothing is read from what is accepted, but by what is tested.
  server = createServer({ pauseOnConnect: true }, (socket) => accepted.push(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(() => {
  for (const socket of [...accepted.splice(0), ...clients.splice(0)]) socket.destroy();
  server.close();
});

function send(): SendToAll {
  return loadSendToAll() ?? expect.fail('the addon is not built');
}

function receive(): ReceiveFromAll {
  return loadReceiveFromAll() ?? expect.fail('the addon is not built');
}

async function pair(): Promise<{ readonly here: Socket; readonly there: Socket; readonly fd: number }> {
  const before = accepted.length;
  const there = connect((server.address() as { port: number }).port, '127.0.0.1');
  clients.push(there);
  await once(there, 'connect');
  await vi.waitFor(() => expect(accepted.length).toBe(before + 1), PATIENT);
  const here = accepted[before] ?? expect.fail('nobody came');
  const { _handle: handle } = here as Socket & { _handle: { fd: number } };
  return { here, there, fd: handle.fd };
}

describe('one write to many sockets', () => {
  test('reaches all of them, whole and in the order of other writes', async () => {
    const pairs = [await pair(), await pair(), await pair()];
    const came = pairs.map(({ there }) => {
      const parts: Buffer[] = [];
      there.on('data', (bytes: Buffer) => parts.push(bytes));
      return () => Buffer.concat(parts).toString();
    });
    const taken = new Int32Array(8).fill(-1);
    send()(Int32Array.from(pairs.map(({ fd }) => fd)), 3, Buffer.from('one '), taken);
    expect([...taken]).toEqual([4, 4, 4, -1, -1, -1, -1, -1]);
    for (const { here } of pairs) here.write('two');
    await vi.waitFor(() => expect(came.map((all) => all())).toEqual(['one two', 'one two', 'one two']), PATIENT);
  });

  test('tells who took a part, who has no room and who is gone, and harms none of the others', async () => {
    const [full, gone, good] = [await pair(), await pair(), await pair()];
    full.there.pause();
    gone.there.resetAndDestroy();
    await once(gone.here.resume(), 'close').catch(() => {});
    const bytes = Buffer.alloc(64 * 1024 * 1024, 7);
    let received = 0;
    good.there.on('data', (data: Buffer) => {
      received += data.length;
    });
    const taken = new Int32Array(3);
    send()(Int32Array.of(full.fd), 1, bytes, taken);
    expect(taken[0]).toBeGreaterThan(0);
    expect(taken[0]).toBeLessThan(bytes.length);
    let sent = 0;
    // What the system took moves on to the reader's side, which makes room: until it has none there either.
    await vi.waitFor(() => {
      // The number of a socket that is closed is nobody's, or another file's, which is no socket.
      send()(Int32Array.of(full.fd, 1_000_000, good.fd), 3, bytes.subarray(0, 1000), taken);
      sent += 1000;
      expect(taken[1]).toBeLessThan(0);
      expect(taken[2]).toBe(1000);
      expect(taken[0]).toBe(0);
    }, PATIENT);
    await vi.waitFor(() => expect(received).toBe(sent), PATIENT);
  });

  test.each([
    ['no descriptors', () => send()([] as unknown as Int32Array, 0, Buffer.of(1), new Int32Array(1))],
    ['too many', () => send()(new Int32Array(1), 2, Buffer.of(1), new Int32Array(2))],
    ['no room for answers', () => send()(new Int32Array(2), 2, Buffer.of(1), new Int32Array(1))],
    ['no bytes', () => send()(new Int32Array(1), 1, Buffer.alloc(0), new Int32Array(1))],
    ['nothing', () => (send() as () => void)()],
  ])('throws for %s', (_, call) => {
    expect(call).toThrow(/not a typed array|more descriptors|four arguments/);
  });
});

describe('one read from many sockets', () => {
  test('gives what came for each, in its part of the bytes', async () => {
    const pairs = [await pair(), await pair(), await pair()];
    const descriptors = Int32Array.from(pairs.map(({ fd }) => fd));
    const bytes = Buffer.alloc(30);
    const given = new Int32Array(3);
    receive()(descriptors, 3, bytes, given);
    expect([...given]).toEqual([0, 0, 0]);
    pairs[0]?.there.write('first');
    pairs[2]?.there.write('more than ten');
    const came = ['', '', ''];
    await vi.waitFor(() => {
      receive()(descriptors, 3, bytes, given);
      for (let i = 0; i < 3; i++) came[i] += bytes.toString('latin1', i * 10, i * 10 + (given[i] ?? 0));
      expect(came).toEqual(['first', '', 'more than ten']);
    }, PATIENT);
  });

  test('tells who has ended and who is gone', async () => {
    const [ended, good] = [await pair(), await pair()];
    ended.there.end();
    const given = new Int32Array(3);
    await vi.waitFor(() => {
      receive()(Int32Array.of(ended.fd, 1_000_000, good.fd), 3, Buffer.alloc(30), given);
      expect([...given].map(Math.sign)).toEqual([-1, -1, 0]);
    }, PATIENT);
  });

  test.each([
    ['no descriptors', () => receive()([] as unknown as Int32Array, 0, Buffer.of(1), new Int32Array(1))],
    ['too many', () => receive()(new Int32Array(1), 2, Buffer.of(1), new Int32Array(2))],
    ['too few bytes', () => receive()(new Int32Array(2), 2, Buffer.of(1), new Int32Array(2))],
    ['nothing', () => (receive() as () => void)()],
  ])('throws for %s', (_, call) => {
    expect(call).toThrow(/not a typed array|descriptors|four arguments/);
  });
});
