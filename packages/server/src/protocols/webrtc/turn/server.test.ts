import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { mutate, prng } from '../../../../../media/src/testing/mutate.ts';
import type { TlsIdentity } from '../../../io/index.ts';
import type { TurnLimits } from './options.ts';
import { TurnServer } from './server.ts';
import { MEDIA_PORT } from './testing/scripted-port.ts';
import { HOST, selfSigned, TurnRig } from './testing/turn-rig.ts';
import { ATTRIBUTE, METHOD } from './wire/constants.ts';
import { readTurnMessage } from './wire/read.ts';
import { TurnWriter, writeChannelData } from './wire/write.ts';

const PACKET = Buffer.from('a datagram');
const BINDING = new TurnWriter(METHOD.binding, 'request', Buffer.alloc(12, 1)).finish();

let identity: TlsIdentity;
let rig: TurnRig;

beforeAll(async () => {
  identity = await selfSigned();
});

afterEach(async () => {
  await rig.close();
  expect(rig.server.sizes).toEqual({ allocations: 0, connections: 0, udpClients: 0 });
});

async function start(limits: Partial<TurnLimits> = {}): Promise<void> {
  rig = await TurnRig.start(identity, limits);
}

/** Does something and gives what comes by UDP. */
async function udp(...datagrams: readonly Buffer[]): Promise<Buffer> {
  const socket = createSocket('udp4');
  try {
    for (const datagram of datagrams) socket.send(datagram, rig.server.port, HOST);
    const [answer] = (await once(socket, 'message')) as [Buffer];
    return answer;
  } finally {
    socket.close();
  }
}

const gone = { timeout: 10_000, interval: 20 };

describe('the TURN server', () => {
  it.each(['tcp', 'tls'] as const)('relays between a client by %s and the media', async (transport) => {
    await start();
    const client = await rig.connect(transport);
    const made = await client.allocate(MEDIA_PORT);
    expect(made.mappedAddress).toEqual({ address: HOST, port: client.socket.localPort });
    const packets = [PACKET, Buffer.alloc(0), Buffer.alloc(1400, 7)];
    client.socket.write(Buffer.concat(packets.map((packet) => writeChannelData(0x4000, packet, true))));
    for (const packet of packets) expect((await client.next()).subarray(4)).toEqual(packet);
    expect(rig.port.received.map(({ datagram }) => datagram)).toEqual(packets);
    client.socket.destroy();
    await vi.waitFor(() => expect(rig.server.sizes.allocations).toBe(0), gone);
    expect(rig.port.forgotten).toEqual([rig.port.received[0]?.source]);
  });

  it('tells a client by UDP its address', async () => {
    await start();
    expect(readTurnMessage(await udp(BINDING))).toMatchObject({ class: 'success', mappedAddress: { address: HOST } });
  });

  it('answers no garbage by UDP, and what comes after it', async () => {
    await start();
    const random = prng(3478);
    const request = new TurnWriter(METHOD.allocate, 'request', Buffer.alloc(12, 2))
      .text(ATTRIBUTE.username, 'x')
      .finish();
    const garbage = Array.from({ length: 60 }, () => Buffer.from(mutate(new Uint8Array(request), random)).subarray(1));
    const answer = await udp(Buffer.alloc(0), Buffer.from([0x40]), Buffer.from([0x40, 0, 0, 9]), ...garbage, BINDING);
    expect(readTurnMessage(answer)).toMatchObject({ method: METHOD.binding, class: 'success' });
  });

  it.each(['tcp', 'tls'] as const)('closes a connection by %s at its first garbage', async (transport) => {
    await start();
    for (const garbage of [
      'GET / HTTP/1.1\r\n\r\n',
      '\x80abcdefghijklmnopqrstuvw',
      '\x00\x01\x00\x00not the cookie..',
    ]) {
      const client = await rig.connect(transport);
      client.socket.write(garbage, 'latin1');
      await expect(client.next()).rejects.toThrow('closed');
    }
    await vi.waitFor(() => expect(rig.counters.of('turn_malformed')).toBe(3), gone);
  });

  it('lives on, whatever comes by a connection', async () => {
    await start({ maxConnectionsPerAddress: 1000 });
    const random = prng(5766);
    for (let i = 0; i < 60; i++) {
      const socket = connect(i % 2 === 0 ? rig.server.port : rig.server.securePort, HOST);
      socket.on('error', () => {});
      socket.write(mutate(new Uint8Array(BINDING), random));
      if (i % 3 === 0) socket.resetAndDestroy();
      else socket.end();
    }
    const client = await rig.connect('tls');
    await client.allocate(MEDIA_PORT);
    client.socket.destroy();
    await vi.waitFor(() => expect(rig.server.sizes.connections).toBe(0), gone);
    expect(rig.log.lines).toEqual([]);
  });

  it('closes connections that send nothing, too little, or do not finish their handshake', async () => {
    await start({ idleTimeoutMs: 300, frameTimeoutMs: 300, handshakeTimeoutMs: 300 });
    const silent = await rig.connect('tcp');
    const silentTls = await rig.connect('tls');
    const unfinished = connect(rig.server.securePort, HOST);
    unfinished.on('error', () => {});
    const kept = await rig.connect('tcp');
    await kept.allocate(MEDIA_PORT);
    const slow = await rig.connect('tcp');
    await slow.allocate(MEDIA_PORT, 0x4001);
    slow.socket.write(writeChannelData(0x4001, PACKET, true).subarray(0, 5));
    await expect(silent.next()).rejects.toThrow('closed');
    await expect(silentTls.next()).rejects.toThrow('closed');
    await expect(slow.next()).rejects.toThrow('closed');
    await vi.waitFor(() => expect(rig.server.sizes).toMatchObject({ connections: 1, allocations: 1 }), gone);
    unfinished.destroy();
    kept.socket.write(writeChannelData(0x4000, PACKET, true));
    expect((await kept.next()).subarray(4)).toEqual(PACKET);
  });

  it('closes a connection that only guesses', async () => {
    await start();
    const client = await rig.connect('tcp');
    const guess = new TurnWriter(METHOD.allocate, 'request', Buffer.alloc(12, 3)).finish();
    client.socket.write(Buffer.concat(Array.from({ length: 40 }, () => guess)));
    await vi.waitFor(() => expect(client.isClosed).toBe(true), gone);
    expect(client.frames.length).toBeLessThanOrEqual(17);
  });

  it('takes only so many connections, from one address and together', async () => {
    await start({ maxConnectionsPerAddress: 2 });
    const first = await rig.connect('tcp');
    await rig.connect('tls');
    const third = await rig.connect('tcp');
    await expect(third.next()).rejects.toThrow('closed');
    expect(rig.counters.of('turn_refused_connections')).toBe(1);
    first.socket.destroy();
    await vi.waitFor(() => expect(rig.server.sizes.connections).toBe(1), gone);
    const next = await rig.connect('tcp');
    expect((await next.allocate(MEDIA_PORT)).class).toBe('success');
  });

  it('drops what a connection does not read, and holds no more than its limit', async () => {
    await start({ maxQueuedBytes: 65_536 });
    rig.port.echoes = false;
    const client = await rig.connect('tcp');
    await client.allocate(MEDIA_PORT);
    client.socket.write(writeChannelData(0x4000, PACKET, true));
    await vi.waitFor(() => expect(rig.port.received).toHaveLength(1), gone);
    client.socket.pause();
    const source = rig.port.received[0]?.source;
    const packet = Buffer.alloc(1200, 1);
    for (let i = 0; i < 20_000; i++) source?.send(packet);
    await vi.waitFor(() => expect(rig.counters.of('turn_datagrams_dropped')).toBeGreaterThan(1000), gone);
    client.socket.resume();
    await vi.waitFor(() => expect(client.frames.length).toBeGreaterThan(10), gone);
    client.frames.length = 0;
    await vi.waitFor(() => {
      source?.send(PACKET);
      expect(client.frames.some((frame) => frame.subarray(4).equals(PACKET))).toBe(true);
    }, gone);
  });

  it('sends no media, and all else, to a client whose line stands still', async () => {
    await start();
    rig.port.echoes = false;
    const client = await rig.connect('tcp');
    await client.allocate(MEDIA_PORT);
    let nowMs = performance.now();
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
    onTestFinished(() => clock.mockRestore());
    const media = Buffer.from([0x80, 96, 1, 2]);
    const report = Buffer.from([0x80, 200, 1, 2]);
    // A player that reports every 50 ms.
    const hear = async (): Promise<void> => {
      const { length } = rig.port.received;
      nowMs += 50;
      client.socket.write(writeChannelData(0x4000, report, true));
      await vi.waitFor(() => expect(rig.port.received).toHaveLength(length + 1), { interval: 1 });
    };
    for (let reports = 1; reports <= 20; reports++) {
      await hear();
      rig.port.received[0]?.source.send(media);
      expect((await client.next()).subarray(4)).toEqual(media);
    }
    nowMs += 900;
    for (const datagram of [media, report, media]) rig.port.received[0]?.source.send(datagram);
    expect((await client.next()).subarray(4)).toEqual(report);
    await hear();
    rig.port.received[0]?.source.send(media);
    expect((await client.next()).subarray(4)).toEqual(media);
    expect(client.frames).toEqual([]);
  });

  it('takes another certificate for the connections that come', async () => {
    await start();
    const other = await selfSigned();
    expect(() => rig.server.setIdentity({ cert: other.cert, key: identity.key })).toThrow();
    const before = await fingerprint();
    rig.server.setIdentity(other);
    expect(await fingerprint()).not.toBe(before);
  });

  it('names its ways in for each client, with a credential that is good', async () => {
    await start();
    const { port, securePort } = rig.server;
    const { urls, username, credential, ttlS } = rig.server.issue('2001:db8::1', 1_700_000_000_000);
    expect(urls).toEqual([
      `turn:[2001:db8::1]:${port}?transport=udp`,
      `turn:[2001:db8::1]:${port}?transport=tcp`,
      `turns:[2001:db8::1]:${securePort}?transport=tcp`,
      `stun:[2001:db8::1]:${port}`,
    ]);
    expect({ username, ttlS }).toEqual({ username: '1700000600:sluice', ttlS: 600 });
    const servers = rig.server.iceServers('media.example.net', 1_700_000_000_000);
    expect(servers[0]).toEqual({ url: `turn:media.example.net:${port}?transport=udp`, username, credential });
    expect(servers.at(-1)).toEqual({ url: `stun:media.example.net:${port}` });
  });

  it('says which setting to change when its port is taken, and leaves nothing open', async () => {
    await start();
    const taken = createServer().listen(0, HOST);
    await once(taken, 'listening');
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const { counters, log, ticker } = rig;
    const options = {
      host: HOST,
      identity: undefined,
      realm: 'r',
      user: undefined,
      secret: 's',
      credentialLifetimeS: 60,
    };
    const limits = { maxAllocations: 1, maxAllocationsPerAddress: 1 };
    const second = new TurnServer(
      { port: rig.port, counters, log, ticker },
      { ...options, ...limits, port, securePort: 0 },
    );
    await expect(second.start()).rejects.toThrow(/TCP port .* is in use .* turn_port/);
    await once(taken.close(), 'close');
    const third = new TurnServer(
      { port: rig.port, counters, log, ticker },
      { ...options, ...limits, port, securePort: 0 },
    );
    await third.start();
    await third.close();
    await third.close();
  });

  it('ends everything at once when it closes', async () => {
    await start();
    const clients = [await rig.connect('tcp'), await rig.connect('tls'), await rig.connect('tcp')];
    await clients[0]?.allocate(MEDIA_PORT);
    await clients[1]?.allocate(MEDIA_PORT);
    const unfinished = connect(rig.server.securePort, HOST);
    unfinished.on('error', () => {});
    await once(unfinished, 'connect');
    const before = performance.now();
    await rig.close();
    expect(performance.now() - before).toBeLessThan(2000);
    await vi.waitFor(() => expect(clients.every(({ isClosed }) => isClosed)).toBe(true), gone);
  });
});

async function fingerprint(): Promise<string> {
  const socket: TLSSocket = connectTls({ port: rig.server.securePort, host: HOST, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}
