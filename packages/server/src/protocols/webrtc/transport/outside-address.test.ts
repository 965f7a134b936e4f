import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readStun, StunWriter } from '../wire/stun/index.ts';
import { MediaTransport } from './media-transport.ts';

let transport: MediaTransport;
let server: Socket;

beforeEach(async () => {
  transport = new MediaTransport({ port: 0, bindAddress: '127.0.0.1' });
  await transport.start();
  server = createSocket('udp4');
  await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  await transport.close();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

function answerTo(request: Buffer, address: string): Buffer {
  const id = readStun(request)?.transactionId ?? Buffer.alloc(12);
  return new StunWriter('success', id).xorMappedAddress({ address, port: 4711 }).finishUnsigned();
}

const ask = (timeoutMs: number) =>
  transport.askOutside({ address: '127.0.0.1', port: server.address().port }, timeoutMs);

test('a STUN server is asked from the media port, again when a datagram was lost, and believed alone', async () => {
  const stranger = createSocket('udp4');
  const requests: RemoteInfo[] = [];
  server.on('message', (request, from) => {
    requests.push(from);
    expect(readStun(request)).toMatchObject({ class: 'request', hasFingerprint: true, integrityAt: -1 });
    stranger.send(answerTo(request, '192.0.2.66'), from.port, '127.0.0.1');
    server.send(answerTo(Buffer.alloc(0), '192.0.2.67'), from.port, '127.0.0.1');
    if (requests.length > 1) server.send(answerTo(request, '203.0.113.44'), from.port, '127.0.0.1');
  });
  expect(await ask(10_000)).toEqual({ address: '203.0.113.44', port: 4711 });
  expect(requests.map(({ port }) => port)).toEqual([transport.port, transport.port]);
  await new Promise<void>((resolve) => stranger.close(() => resolve()));
});

test('one that says nothing is waited for no longer than told; its answer after that is nothing', async () => {
  let late: (() => void) | undefined;
  server.on('message', (request, from) => {
    late ??= () => server.send(answerTo(request, '203.0.113.44'), from.port, '127.0.0.1');
  });
  expect(await ask(100)).toBeUndefined();
  late?.();
  await vi.waitFor(() => expect(transport.counters.unknownUfrag).toBe(1));
});

test('one of a family that is not listened on is not asked', async () => {
  expect(await transport.askOutside({ address: '2001:db8::1', port: 3478 }, 10_000)).toBeUndefined();
  expect(transport.counters.sent).toBe(0);
});
