import { createSocket, type Socket } from 'node:dgram';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DEFAULT_ICE_TCP } from '../options.ts';
import { createIceCredentials } from '../wire/ice/index.ts';
import { readStun, StunWriter } from '../wire/stun/index.ts';
import { OutgoingTransport, type OutgoingTransportOptions } from './outgoing-transport.ts';

const remote = createIceCredentials();
const NOBODY = { onDtls: () => {}, onSrtp: () => {}, onPathChanged: () => {} };

let transport: OutgoingTransport;
let peer: Socket;
let heard: Buffer[];
let asked: string[];

beforeEach(async () => {
  heard = [];
  asked = [];
  peer = createSocket('udp4');
  peer.on('message', (datagram) => heard.push(datagram));
  await new Promise<void>((resolve) => peer.bind(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  await transport.close();
  await new Promise<void>((resolve) => peer.close(() => resolve()));
});

async function open(admit: OutgoingTransportOptions['admit'], options: Partial<OutgoingTransportOptions> = {}) {
  transport = new OutgoingTransport({
    bindAddress: '127.0.0.1',
    admit: (host, port) => {
      asked.push(`${host} ${port}`);
      return admit(host, port);
    },
    ...options,
  });
  await transport.start();
}

const ownPort = () => Number(transport.candidates()[0]?.split(' ')[5]);

function check(name: string, password: string, transaction = 1): void {
  const datagram = new StunWriter('request', Buffer.alloc(12, transaction)).username(name).finish(password);
  peer.send(datagram, ownPort(), '127.0.0.1');
}

const arrived = (count: number) => vi.waitFor(() => expect(transport.counters.received).toBeGreaterThanOrEqual(count));

describe('a peer that is heard from where nobody told', () => {
  test('is answered once its address was admitted, and checked back', async () => {
    await open((host) => Promise.resolve(host));
    transport.register(NOBODY, remote);
    const { ufrag, pwd } = transport.local;
    await vi.waitFor(() => {
      check(`${ufrag}:${remote.ufrag}`, pwd);
      expect(heard.length).toBeGreaterThan(0);
    });
    expect(asked).toEqual([`127.0.0.1 ${peer.address().port}`]);
    transport.tick(performance.now());
    await vi.waitFor(() => expect(heard.map((datagram) => readStun(datagram)?.class)).toContain('request'));
  });

  test('is not answered, nor sent anything, when its address is denied', async () => {
    await open(() => Promise.resolve(undefined));
    transport.register(NOBODY, remote);
    for (let i = 0; i < 200; i++) check(`${transport.local.ufrag}:x`, transport.local.pwd, i);
    await arrived(200);
    transport.tick(performance.now());
    expect(asked.length).toBeLessThanOrEqual(64);
    expect([heard, transport.counters.sent]).toEqual([[], 0]);
  });

  test('is nobody without the right name and password: its address is not even looked at', async () => {
    await open((host) => Promise.resolve(host));
    check(`${transport.local.ufrag}:x`, transport.local.pwd);
    await arrived(1);
    transport.register(NOBODY, remote);
    check(`${transport.local.ufrag}:x`, remote.pwd);
    check('other:x', transport.local.pwd);
    peer.send(Buffer.from([0x80, 0x60, 0, 0]), ownPort(), '127.0.0.1');
    peer.send(Buffer.from([0x16, 0xfe, 0xfd]), ownPort(), '127.0.0.1');
    peer.send('x', ownPort(), '127.0.0.1');
    await arrived(6);
    expect([asked, heard]).toEqual([[], []]);
  });
});

test('no connection is made to an address for TCP that is denied, nor to one that is not passive', async () => {
  let connections = 0;
  const listener = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  await open((host) => Promise.resolve(host === '127.0.0.2' ? '127.0.0.1' : undefined), { tcp: DEFAULT_ICE_TCP });
  transport.register(NOBODY, remote);
  const host = { foundation: '1', component: 1, transport: 'tcp', priority: 1, port, type: 'host' } as const;
  await transport.addCandidate({ ...host, address: '127.0.0.1', tcpType: 'passive' });
  await transport.addCandidate({ ...host, address: '127.0.0.2', tcpType: 'active' });
  transport.tick(performance.now());
  transport.tick(performance.now() + 3000);
  expect([transport.triedAddresses, asked]).toEqual([0, [`127.0.0.1 ${port}`]]);
  await transport.addCandidate({ ...host, address: '127.0.0.2', tcpType: 'passive' });
  transport.tick(performance.now() + 3000);
  await vi.waitFor(() => expect(connections).toBe(1));
  await new Promise<void>((resolve) => listener.close(() => resolve()));
});

test('an error of the peer itself is told and costs nobody else anything', async () => {
  const errors: unknown[] = [];
  await open((host) => Promise.resolve(host), { onPeerError: (_, error) => errors.push(error) });
  const broken = (): never => {
    throw new Error('broken');
  };
  transport.register({ ...NOBODY, onDtls: broken }, remote);
  const { port } = peer.address();
  await transport.addCandidate({
    foundation: '1',
    component: 1,
    transport: 'udp',
    priority: 1,
    address: '127.0.0.1',
    port,
    type: 'host',
  });
  peer.send(Buffer.from([0x16, 0xfe, 0xfd]), ownPort(), '127.0.0.1');
  await vi.waitFor(() => expect(errors).toMatchObject([{ message: 'broken' }]));
});

test('it can be closed before it is open, and twice', async () => {
  transport = new OutgoingTransport({ bindAddress: '127.0.0.1', admit: () => Promise.resolve(undefined) });
  const opening = transport.start();
  await transport.close();
  await opening;
  const port = ownPort();
  await new Promise<void>((resolve, reject) => {
    const again = createSocket('udp4');
    again.once('error', reject);
    again.bind(port, '127.0.0.1', () => again.close(() => resolve()));
  });
});
