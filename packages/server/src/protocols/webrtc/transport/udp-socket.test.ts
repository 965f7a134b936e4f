import { Socket } from 'node:dgram';
import { afterEach, expect, test, vi } from 'vitest';
import { resolveTransportOptions, zeroCounters } from './options.ts';
import { UdpSocket } from './udp-socket.ts';

let socket: UdpSocket | undefined;

async function opened(options: { receiveBufferBytes?: number; sendBufferBytes?: number } = {}) {
  const counters = zeroCounters();
  const transport = resolveTransportOptions({ port: 0, ...options });
  socket = new UdpSocket({ family: 'IPv4', transport, counters, onDatagram() {} });
  await socket.bind('127.0.0.1', 0);
  return { counters, send: (datagram: Buffer) => socket?.send(datagram, 9, '127.0.0.1') };
}

afterEach(async () => {
  vi.restoreAllMocks();
  await socket?.close();
});

test('leaves the memory alone while the network is busy, copies what must wait, and drops what is too much', async () => {
  const { counters, send } = await opened();
  const sent: unknown[] = [];
  let queuedBytes = 0;
  vi.spyOn(Socket.prototype, 'getSendQueueSize').mockImplementation(() => queuedBytes);
  vi.spyOn(Socket.prototype, 'send').mockImplementation((datagram: unknown) => {
    sent.push(datagram);
    queuedBytes += 10_000_000;
  });
  const [first, second, third, last] = ['1', '2', '3', '4'].map((text) => Buffer.from(text)) as Buffer[];
  expect(send(first as Buffer)).toBe(false);
  expect(send(second as Buffer)).toBe(true);
  expect(send(third as Buffer)).toBe(true);
  expect(sent).toEqual([first, second]);
  expect([sent[0] === first, sent[1] === second]).toEqual([true, false]);
  expect(counters.overflowed).toBe(1);
  queuedBytes = -10_000_000;
  expect(send(last as Buffer)).toBe(true);
  expect(sent[2]).toBe(last);
});

test('sets the sizes of its buffers, and starts with whatever the system allows', async () => {
  const [receive, send] = [
    vi.spyOn(Socket.prototype, 'setRecvBufferSize'),
    vi.spyOn(Socket.prototype, 'setSendBufferSize'),
  ];
  await opened({ receiveBufferBytes: 131_072, sendBufferBytes: 2 ** 31 - 1 });
  expect([receive.mock.calls, send.mock.calls]).toEqual([[[131_072]], [[2 ** 31 - 1]]]);
});
