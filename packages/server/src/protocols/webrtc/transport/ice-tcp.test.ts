import { createServer } from 'node:net';
import { parseIceCandidate } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { mutate, prng } from '../../../../../media/src/testing/mutate.ts';
import { DEFAULT_ICE_TCP } from '../options.ts';
import { MediaTransport } from './media-transport.ts';
import type { MediaTransportOptions, PeerPath, TransportPeer } from './options.ts';
import type { PeerLink } from './peer-link.ts';
import { checkOf, IceClient } from './testing/ice-client.ts';
import { framed, IceTcpClient } from './testing/ice-tcp-client.ts';

const REMOTE = { ufrag: 'client', pwd: 'password-of-the-client' };
const DTLS = Buffer.from([22, 0xfe, 0xfd, 1, 2, 3]);
const SRTP = Buffer.from([0x80, 96, 0, 1, 2, 3]);

class TestPeer implements TransportPeer {
  readonly got: Buffer[] = [];
  readonly paths: (PeerPath | undefined)[] = [];
  onDtls(datagram: Buffer): void {
    this.got.push(datagram);
  }
  onSrtp(datagram: Buffer): void {
    this.got.push(datagram);
  }
  onPathChanged(path: PeerPath | undefined): void {
    this.paths.push(path);
  }
}

function until(check: () => void): Promise<void> {
  return vi.waitFor(check, { interval: 2, timeout: 10_000 });
}

const open: { close(): Promise<void> }[] = [];
let transport: MediaTransport;

async function start(options: Partial<MediaTransportOptions> = {}): Promise<MediaTransport> {
  const started = new MediaTransport({ port: 0, bindAddress: '127.0.0.1', tcp: DEFAULT_ICE_TCP, ...options });
  open.push(started);
  await started.start();
  return started;
}

async function client(): Promise<IceTcpClient> {
  const opened = await IceTcpClient.open(transport.port);
  open.push(opened);
  return opened;
}

function register(): { readonly peer: TestPeer; readonly link: PeerLink } {
  const peer = new TestPeer();
  return { peer, link: transport.register(peer, REMOTE) };
}

async function connected(): Promise<{ peer: TestPeer; link: PeerLink; client: IceTcpClient }> {
  const { peer, link } = register();
  const own = await client();
  own.check(link.local, { nominate: true });
  await until(() => expect(own.answers(link.local)).toHaveLength(1));
  return { peer, link, client: own };
}

beforeEach(async () => {
  transport = await start();
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
  expect([transport.sizes, transport.connections, transport.queuedBytes]).toEqual([{ ufrags: 0, paths: 0 }, 0, 0]);
});

describe('media by TCP', () => {
  it('is offered on the port of the same number, below all that is offered by UDP', () => {
    const candidates = transport.candidates().flatMap((line) => parseIceCandidate(line) ?? []);
    expect(transport.candidates()).toEqual([
      `1 1 udp 2130706431 127.0.0.1 ${transport.port} typ host`,
      `17 1 tcp 1520435199 127.0.0.1 ${transport.port} typ host tcptype passive`,
    ]);
    expect(candidates.map(({ tcpType }) => tcpType)).toEqual([undefined, 'passive']);
    expect(transport.candidates(undefined, 'tcp')).toHaveLength(1);
    expect(transport.candidates(undefined, 'udp')[0]).toContain(' udp ');
  });

  it('takes a peer in by its check, and carries datagrams both ways however the stream is cut', async () => {
    const { peer, link, client: browser } = await connected();
    expect(browser.answers(link.local)[0]?.mappedAddress?.port).toBe(browser.port);
    expect(peer.paths).toMatchObject([{ via: 'tcp', address: '127.0.0.1', port: browser.port }]);
    const stream = Buffer.concat([framed(DTLS), framed(Buffer.alloc(0)), framed(SRTP)]);
    for (const byte of stream) {
      browser.socket.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    await until(() => expect(peer.got).toEqual([DTLS, SRTP]));
    expect(link.send(Buffer.from('first'))).toBe(true);
    expect(link.send(Buffer.from('second'))).toBe(true);
    await until(() => expect(browser.received.slice(-2).map(String)).toEqual(['first', 'second']));
  });

  it('moves in mid-call between connections and UDP, as the client nominates', async () => {
    const { peer, link, client: first } = await connected();
    const udp = await IceClient.open(transport.port);
    open.push(udp);
    udp.send(SRTP);
    udp.check(link.local, { nominate: true });
    await until(() => expect(link.path).toMatchObject({ via: 'udp', port: udp.port }));
    const second = await client();
    second.check(link.local, { nominate: true });
    await until(() => expect(link.path).toMatchObject({ via: 'tcp', port: second.port }));
    for (const from of [first, udp, second]) from.send(SRTP);
    await until(() => expect(peer.got).toHaveLength(3));
    link.send(Buffer.from('to the last'));
    await until(() => expect(second.received.at(-1)?.toString()).toBe('to the last'));
    expect(link.ice.paths.map(({ via }) => via)).toEqual(['tcp', 'udp', 'tcp']);
  });

  it('lets a peer whose connection broke come back by another', async () => {
    const { peer, link, client: first } = await connected();
    await first.close();
    await until(() => expect(link.path).toBeUndefined());
    expect(link.tick(performance.now())).toBe(true);
    expect(link.send(SRTP)).toBe(true);
    const second = await client();
    second.check(link.local, { nominate: true });
    await until(() => expect(peer.paths.at(-1)).toMatchObject({ port: second.port }));
    await second.close();
    await until(() => expect(link.path).toBeUndefined());
    expect(link.tick(performance.now() + 31_000)).toBe(false);
  });

  it('ends with its peer, whose last words arrive', async () => {
    const { link, client: browser } = await connected();
    link.send(DTLS);
    link[Symbol.dispose]();
    await until(() => expect(browser.closed).toBe(true));
    expect(browser.received.at(-1)).toEqual(DTLS);
    transport.tick(performance.now() + 10_000);
    expect(transport.connections).toBe(0);
  });

  it('has two peers on one machine apart', async () => {
    const [first, second] = [await connected(), await connected()];
    first.client.send(DTLS);
    second.client.send(SRTP);
    await until(() => expect([first.peer.got, second.peer.got]).toEqual([[DTLS], [SRTP]]));
  });
});

describe('a connection that is behind', () => {
  it('makes nobody wait: media is left out whole, reports and checks are not, and it goes on when it reads', async () => {
    const { link, client: browser } = await connected();
    const other = await connected();
    browser.socket.pause();
    const packet = Buffer.alloc(1200, 1);
    packet.set([0x80, 96]);
    const wide = () => link.ice.paths[0]?.dropped ?? 0;
    // The system itself takes some megabytes before anything waits here.
    for (let i = 0; i < 40_000 && wide() < 1000; i++) link.send(packet);
    expect(wide()).toBeGreaterThanOrEqual(1000);
    expect(link.path?.queuedBytes).toBeLessThan(DEFAULT_ICE_TCP.sendBufferBytes + 70_000);
    expect(transport.counters.tcpDropped).toBe(wide());
    // What the system has not taken yet must not be written over by what goes to others.
    other.link.send(Buffer.alloc(3000, 2));
    const report = Buffer.from([0x80, 200, 1, 2]);
    link.send(report);
    browser.socket.resume();
    await until(() => expect(browser.received.at(-1)?.length).toBe(1200));
    await until(() => expect(link.path?.queuedBytes).toBe(0));
    await until(() => expect(browser.received.filter((datagram) => datagram.equals(report))).toHaveLength(1));
    expect(browser.received.every((datagram) => datagram.length < 200 || datagram.equals(packet))).toBe(true);
    expect(transport.queuedBytes).toBe(0);
    link.send(DTLS);
    await until(() => expect(browser.received.at(-1)).toEqual(DTLS));
  });
});

describe('a connection that stands still', () => {
  it('gets no media that would come late: what is old by then is left out, and reports are not', async () => {
    const { link, client: browser } = await connected();
    let nowMs = performance.now();
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
    onTestFinished(() => clock.mockRestore());
    const media = (text: string): Buffer => Buffer.concat([Buffer.from([0x80, 96]), Buffer.from(text)]);
    const report = Buffer.from([0x80, 200, 1, 2]);
    const arrived = () => browser.received.slice(1).map(String);
    // A player that reports every 50 ms.
    for (let reports = 1; reports <= 20; reports++) {
      link.send(media('flows'));
      nowMs += 50;
      browser.send(report);
      await until(() => expect(transport.counters.received).toBe(reports + 1));
    }
    link.send(media('last'));
    nowMs += 600;
    link.send(media('old'));
    link.send(report);
    expect(link.path?.queuedBytes).toBe(media('old').length + 2);
    nowMs += 5000;
    link.send(media('new'));
    nowMs += 300;
    browser.send(report);
    await until(() => expect(arrived().slice(20)).toEqual([media('last'), report, media('new')].map(String)));
    expect([link.path?.queuedBytes, link.ice.paths[0]?.dropped]).toEqual([0, 1]);
  });
});

describe('hostile clients by TCP', () => {
  it('get not a byte, and are closed, unless the first frame is a check', async () => {
    const { link } = await connected();
    const random = prng(6544);
    const check = checkOf(link.local);
    const first = [
      Buffer.from('GET / HTTP/1.1\r\nHost: media.example.com\r\n\r\n'),
      framed(DTLS),
      framed(SRTP),
      framed(Buffer.alloc(3000, 1)),
      Buffer.alloc(64, 0xff),
      ...Array.from({ length: 40 }, () => framed(Buffer.from(mutate(new Uint8Array(check), random)))),
    ];
    for (const bytes of first) {
      const attacker = await client();
      attacker.socket.write(bytes);
      attacker.socket.end();
      await until(() => expect(attacker.closed).toBe(true));
      if (bytes.subarray(2).equals(check)) continue;
      expect(attacker.received).toEqual([]);
    }
    expect(transport.counters.tcpUnproved).toBeGreaterThan(10);
    expect(transport.counters.tcpBroken).toBeGreaterThan(1);
    expect(transport.counters.peerErrors).toBe(0);
  });

  it('are closed when they prove nothing in time: silent, half a frame, or another password', async () => {
    const { link, client: honest } = await connected();
    const [silent, slow, wrong] = [await client(), await client(), await client()];
    slow.socket.write(Buffer.of(0, 100, 0));
    wrong.check({ ufrag: link.local.ufrag, pwd: 'guess' });
    await until(() => expect(transport.counters.unansweredChecks).toBe(1));
    transport.tick(performance.now() + 4000);
    expect([silent.closed, slow.closed, wrong.closed]).toEqual([false, false, false]);
    transport.tick(performance.now() + 6000);
    await until(() => expect([silent.closed, slow.closed, wrong.closed]).toEqual([true, true, true]));
    expect([honest.closed, transport.connections, wrong.received]).toEqual([false, 1, []]);
  });

  it('take nobody’s place: the oldest that proved nothing gives way, and none that did', async () => {
    transport = await start({ tcp: { ...DEFAULT_ICE_TCP, maxConnections: 3 } });
    const honest = await connected();
    const idle = [await client(), await client()];
    await until(() => expect(transport.connections).toBe(3));
    const late = await connected();
    await until(() => expect(idle.map(({ closed }) => closed)).toEqual([true, false]));
    const last = await connected();
    await until(() => expect(idle[1]?.closed).toBe(true));
    const refused = await client();
    await until(() => expect(refused.closed).toBe(true));
    expect([honest, late, last].map((each) => each.client.closed)).toEqual([false, false, false]);
    expect(transport.counters.tcpRefused).toBe(1);
  });

  it('may have many connections without proof from one network, but not any number', async () => {
    const many = await Promise.all(Array.from({ length: 300 }, () => client()));
    await until(() => expect(transport.counters.tcpRefused).toBe(44));
    await until(() => expect(many.filter(({ closed }) => closed)).toHaveLength(44));
    transport.tick(performance.now() + 6000);
    await until(() => expect(transport.connections).toBe(0));
    await connected();
  });

  it('can’t repeat another’s check from a connection of their own, nor take its connection over', async () => {
    const { link, client: browser } = await connected();
    const check = checkOf(link.local, { nominate: true });
    browser.send(check);
    await until(() => expect(browser.answers(link.local)).toHaveLength(2));
    const thief = await client();
    thief.send(check);
    const other = register();
    await until(() => expect(transport.counters.unansweredChecks).toBe(1));
    browser.check(other.link.local, { nominate: true });
    await until(() => expect(transport.counters.contestedAddress).toBe(1));
    expect([link.path?.port, thief.received, other.link.path]).toEqual([browser.port, [], undefined]);
  });
});

describe('the TCP port', () => {
  it('must be free with that of UDP: otherwise it says so and nothing stays open', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const address = taken.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const failing = new MediaTransport({ port, bindAddress: '127.0.0.1', tcp: DEFAULT_ICE_TCP });
    await expect(failing.start()).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringMatching(/^TCP port .* in use .*ice_tcp_enabled/),
    });
    await start({ port, tcp: undefined });
    await new Promise<void>((resolve) => taken.close(() => resolve()));
  });

  it('is free again when the transport is closed, with all connections gone', async () => {
    const { client: browser } = await connected();
    const idle = await client();
    const { port } = transport;
    await transport.close();
    await until(() => expect([browser.closed, idle.closed]).toEqual([true, true]));
    await start({ port });
  });
});
