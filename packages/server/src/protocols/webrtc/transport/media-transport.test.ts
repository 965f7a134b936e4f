import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { parseIceCandidate } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { mutate, prng } from '../../../../../media/src/testing/mutate.ts';
import { MediaTransport } from './media-transport.ts';
import type { DatagramSource, MediaTransportOptions, TransportPeer } from './options.ts';
import type { PeerLink } from './peer-link.ts';
import { checkOf, IceClient } from './testing/ice-client.ts';

const REMOTE = { ufrag: 'client', pwd: 'password-of-the-client' };
const HAS_IPV6 = Object.values(networkInterfaces()).some((list) => list?.some((info) => info.address === '::1'));
const DTLS = Buffer.from([22, 0xfe, 0xfd, 1, 2, 3]);
const SRTP = Buffer.from([0x80, 96, 0, 1, 2, 3]);

/** Keeps what it gets. */
class TestPeer implements TransportPeer {
  readonly dtls: Buffer[] = [];
  readonly srtp: Buffer[] = [];
  readonly ports: (number | undefined)[] = [];
  onDtls(datagram: Buffer): void {
    this.dtls.push(datagram);
  }
  onSrtp(datagram: Buffer): void {
    this.srtp.push(datagram);
  }
  onPathChanged(path: { readonly port: number } | undefined): void {
    this.ports.push(path?.port);
  }
}

/** Waits for something to become so: at once when it is, long on a busy machine. */
function until(check: () => void): Promise<void> {
  return vi.waitFor(check, { interval: 2, timeout: 10_000 });
}

const open: { close(): Promise<void> }[] = [];
let transport: MediaTransport;

async function startTransport(options: Partial<MediaTransportOptions> = {}): Promise<MediaTransport> {
  const started = new MediaTransport({ port: 0, ...options });
  open.push(started);
  await started.start();
  return started;
}

async function client(address = '127.0.0.1'): Promise<IceClient> {
  const opened = await IceClient.open(transport.port, address);
  open.push(opened);
  return opened;
}

function register(): { readonly peer: TestPeer; readonly link: PeerLink } {
  const peer = new TestPeer();
  return { peer, link: transport.register(peer, REMOTE) };
}

/** A peer with a path that it proved. */
async function connected(): Promise<{ peer: TestPeer; link: PeerLink; client: IceClient }> {
  const { peer, link } = register();
  const own = await client();
  own.check(link.local, { nominate: true });
  await until(() => expect(own.answers(link.local)).toHaveLength(1));
  return { peer, link, client: own };
}

/** Waits until all that was sent so far has been looked at. */
async function settled(from: IceClient): Promise<void> {
  const { link } = register();
  from.check(link.local);
  await until(() => expect(link.lastCheckMs).toBeDefined());
  link[Symbol.dispose]();
}

beforeEach(async () => {
  transport = await startTransport();
});

afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(open.splice(0).map((each) => each.close()));
  expect(transport.sizes).toEqual({ ufrags: 0, paths: 0 });
});

describe('a media transport', () => {
  it.each(HAS_IPV6 ? ['127.0.0.1', '::1'] : ['127.0.0.1'])('takes a peer in by its check, at %s', async (address) => {
    const { peer, link } = register();
    const browser = await client(address);
    for (const datagram of [DTLS, SRTP]) browser.send(datagram);
    browser.check(link.local);
    await until(() => expect(browser.answers(link.local)).toHaveLength(1));
    expect(browser.answers(link.local)[0]?.mappedAddress?.port).toBe(browser.port);
    expect([peer.ports, link.path?.address]).toEqual([[browser.port], address]);
    for (const datagram of [DTLS, SRTP]) browser.send(datagram);
    await until(() => expect([peer.dtls, peer.srtp]).toEqual([[DTLS], [SRTP]]));
    expect(transport.counters.unknownSource).toBe(2);
    link.send(Buffer.from('to the browser'));
    await until(() => expect(browser.received.at(-1)?.toString()).toBe('to the browser'));
  });

  it('offers its port at the addresses of this machine, and at loopback when told to', async () => {
    const ports = transport.candidates('127.0.0.1').map((line) => parseIceCandidate(line)?.port);
    expect(new Set(ports)).toEqual(new Set([transport.port]));
    const local = await startTransport({ offerLoopback: true, bindAddress: '127.0.0.1' });
    expect(local.candidates()).toEqual([`1 1 udp 2130706431 127.0.0.1 ${local.port} typ host`]);
  });

  it('says nothing to whoever has no password, whatever it sends', { timeout: 30_000 }, async () => {
    const victim = await connected();
    const attacker = await client();
    const bystander = await client();
    const random = prng(31_001);
    const good = checkOf(victim.link.local, { nominate: true });
    const wrong = checkOf({ ufrag: victim.link.local.ufrag, pwd: 'guess' }, { nominate: true });
    const bare = Buffer.from(good.subarray(0, good.length - 32));
    bare.writeUInt16BE(bare.length - 20, 2);
    const seeds = [good, wrong, bare, DTLS, SRTP, Buffer.alloc(0), Buffer.from([64]), Buffer.alloc(1400, 0x16)];
    for (let i = 0; i < 4000; i++) {
      const seed = seeds[i % seeds.length] as Buffer;
      const bytes =
        i < 8 ? seed : Buffer.from(i % 3 === 0 ? randomBytes(i % 200) : mutate(new Uint8Array(seed), random));
      if (!bytes.equals(good)) attacker.send(bytes);
      if (i % 50 === 0) await settled(bystander);
    }
    await settled(bystander);
    expect(transport.counters.received).toBeGreaterThan(3900);
    expect(attacker.received).toEqual([]);
    expect(victim.link.path?.port).toBe(victim.client.port);
    expect([victim.peer.dtls, victim.peer.srtp]).toEqual([[], []]);
    expect(transport.counters).toMatchObject({ sendErrors: 0, peerErrors: 0, socketErrors: 0 });
  });

  it('answers a check with no more bytes than it had', async () => {
    const { link } = register();
    const browser = await client();
    const check = browser.check(link.local);
    await until(() => expect(browser.received).toHaveLength(1));
    expect(browser.received[0]?.length).toBeLessThan(check.length);
  });

  it('does not move for a check that somebody else repeats', async () => {
    const { link, client: browser } = await connected();
    const thief = await client();
    const check = browser.check(link.local, { nominate: true });
    await until(() => expect(browser.answers(link.local)).toHaveLength(2));
    thief.send(check);
    await until(() => expect(transport.counters.unansweredChecks).toBe(1));
    expect([link.path?.port, thief.received]).toEqual([browser.port, []]);
  });

  it('follows a peer to another address in mid-call, and takes media from both', async () => {
    const { peer, link, client: first } = await connected();
    const second = await client();
    second.check(link.local, { nominate: true });
    await until(() => expect(peer.ports).toEqual([first.port, second.port]));
    link.send(Buffer.from('after the move'));
    await until(() => expect(second.received.at(-1)?.toString()).toBe('after the move'));
    first.send(SRTP);
    second.send(SRTP);
    await until(() => expect(peer.srtp).toHaveLength(2));
    expect(transport.sizes.paths).toBe(2);
  });

  it('restarts ICE: old and new name are good until the peer goes over', async () => {
    const { link, client: first } = await connected();
    const old = link.local;
    const fresh = link.restart({ ufrag: 'client2', pwd: 'x' });
    expect(link.local).toEqual(fresh);
    expect(fresh.ufrag).not.toBe(old.ufrag);
    first.check(old);
    await until(() => expect(first.answers(old)).toHaveLength(2));
    const second = await client();
    second.check(fresh, { nominate: true });
    await until(() => expect(second.answers(fresh)).toHaveLength(1));
    expect(link.path?.port).toBe(second.port);
    first.check(old, { nominate: true });
    await until(() => expect(transport.counters.unknownUfrag).toBe(1));
    expect(link.path?.port).toBe(second.port);
    expect(transport.sizes.ufrags).toBe(1);
  });

  it('does not give an address to another peer while its own was heard there a moment ago', async () => {
    const { peer, link, client: browser } = await connected();
    const other = register();
    browser.check(other.link.local, { nominate: true });
    await until(() => expect(transport.counters.contestedAddress).toBe(1));
    expect([link.path?.port, other.link.path]).toEqual([browser.port, undefined]);
    const nowMs = performance.now();
    vi.spyOn(performance, 'now').mockImplementation(() => nowMs + 8_000);
    browser.check(other.link.local, { nominate: true });
    await until(() => expect(other.link.path?.port).toBe(browser.port));
    expect(peer.ports).toEqual([browser.port, undefined]);
    browser.send(SRTP);
    await until(() => expect(other.peer.srtp).toHaveLength(1));
    expect([peer.srtp, transport.sizes.paths]).toEqual([[], 1]);
  });

  it('ends consent of a silent peer, and finds it again', async () => {
    const { peer, link, client: browser } = await connected();
    expect(link.tick(performance.now())).toBe(true);
    expect(link.tick(performance.now() + 31_000)).toBe(false);
    expect([peer.ports, link.path, transport.sizes.paths]).toEqual([[browser.port, undefined], undefined, 0]);
    expect(link.send(Buffer.from('nowhere'))).toBe(true);
    browser.check(link.local);
    await until(() => expect(peer.ports).toEqual([browser.port, undefined, browser.port]));
  });

  it('holds nothing of a thousand peers that came and went', { timeout: 30_000 }, async () => {
    const browser = await client();
    for (let i = 0; i < 1000; i++) {
      const { link } = register();
      if (i % 2 === 0) link.restart(REMOTE);
      if (i % 4 === 0) browser.check(link.local, { nominate: i % 8 === 0 });
      if (i % 4 === 0) await until(() => expect(link.lastCheckMs).toBeDefined());
      link[Symbol.dispose]();
      link[Symbol.dispose]();
    }
    expect(transport.sizes).toEqual({ ufrags: 0, paths: 0 });
    expect(transport.counters.answeredChecks).toBe(250);
  });

  it('knows a gone peer no more: its checks get no answer, it gets nothing', async () => {
    const { peer, link, client: browser } = await connected();
    const count = browser.received.length;
    link[Symbol.dispose]();
    browser.check(link.local);
    browser.send(SRTP);
    link.send(Buffer.from('late'));
    expect(link.restart(REMOTE)).toEqual(link.local);
    await settled(await client());
    expect([browser.received.length, peer.srtp, peer.ports]).toEqual([count, [], [browser.port]]);
  });
});

/** A connection or relay of which the far end is here. */
class TestSource implements DatagramSource {
  readonly via = 'relay';
  readonly address = '203.0.113.7';
  readonly port = 50_000;
  readonly sent: Buffer[] = [];
  send(datagram: Buffer): boolean {
    this.sent.push(Buffer.from(datagram));
    return true;
  }
}

describe('a source that is no UDP address', () => {
  it('is as good as one: it becomes a peer’s by its check, carries media both ways, and is told', () => {
    const { peer, link } = register();
    const relay = new TestSource();
    transport.receive(relay, SRTP);
    expect(transport.counters.unknownSource).toBe(1);
    transport.receive(relay, checkOf(link.local, { nominate: true }));
    expect([relay.sent.length, link.path]).toMatchObject([1, { via: 'relay', address: '203.0.113.7', port: 50_000 }]);
    transport.receive(relay, DTLS);
    transport.receive(relay, SRTP);
    expect([peer.dtls, peer.srtp]).toEqual([[DTLS], [SRTP]]);
    link.send(Buffer.from('by relay'));
    expect(relay.sent.at(-1)?.toString()).toBe('by relay');
    expect(link.ice.paths).toMatchObject([{ via: 'relay', checks: 1, selected: true }]);
  });

  it('gets nothing, and nothing is held for it, while it proves nothing', () => {
    const { peer, link } = register();
    const relay = new TestSource();
    for (const bytes of [DTLS, SRTP, Buffer.alloc(0), checkOf({ ufrag: link.local.ufrag, pwd: 'guess' })])
      transport.receive(relay, bytes);
    expect([relay.sent, peer.dtls, peer.srtp, transport.sizes.paths]).toEqual([[], [], [], 0]);
  });

  it('gives way to another address that the client nominates, and is forgotten when it is over', async () => {
    const { peer, link } = register();
    const relay = new TestSource();
    transport.receive(relay, checkOf(link.local, { nominate: true }));
    const browser = await client();
    browser.check(link.local, { nominate: true });
    await until(() => expect(link.path).toMatchObject({ via: 'udp', port: browser.port }));
    transport.receive(relay, checkOf(link.local, { nominate: true }));
    expect(link.path?.via).toBe('relay');
    transport.forget(relay);
    transport.forget(relay);
    expect(link.path).toMatchObject({ via: 'udp', port: browser.port });
    transport.receive(relay, SRTP);
    expect(peer.srtp).toEqual([]);
    expect(transport.sizes.paths).toBe(1);
  });

  it('does not become another peer’s while its own was heard by it a moment ago', () => {
    const [first, second] = [register(), register()];
    const relay = new TestSource();
    transport.receive(relay, checkOf(first.link.local));
    transport.receive(relay, checkOf(second.link.local));
    expect([first.link.path?.via, second.link.path, transport.counters.contestedAddress]).toEqual([
      'relay',
      undefined,
      1,
    ]);
  });
});

describe('what is this server itself, for its relays', () => {
  it('is its port at the addresses that it is told to have and at those of its interfaces, in any notation', async () => {
    const own = await startTransport({ advertisedAddresses: ['203.0.113.5', '2001:db8::5'] });
    const { port } = own;
    for (const address of ['203.0.113.5', '2001:db8:0:0:0:0:0:5', '2001:DB8::5', '::ffff:203.0.113.5', '127.0.0.1'])
      expect([address, own.isOwn(address, port)]).toEqual([address, true]);
    for (const address of ['203.0.113.6', '127.0.0.2', '0.0.0.0', '::', 'localhost', ''])
      expect([address, own.isOwn(address, port)]).toEqual([address, false]);
    expect(own.isOwn('203.0.113.5', port + 1)).toBe(false);
  });

  it('is nothing before it has a port', () => {
    expect(new MediaTransport({ port: 0 }).isOwn('127.0.0.1', 0)).toBe(false);
  });
});

describe('trouble of a media transport', () => {
  it('survives a peer whose code throws, and says which', async () => {
    const failures: unknown[] = [];
    transport = await startTransport({ onPeerError: (peer, error) => failures.push(peer, error) });
    const broken: TransportPeer = {
      onDtls: () => {
        throw new Error('in DTLS');
      },
      onSrtp: () => {
        throw new Error('in SRTP');
      },
      onPathChanged: () => {
        throw new Error('in path');
      },
    };
    const link = transport.register(broken, REMOTE);
    const browser = await client();
    browser.check(link.local);
    await until(() => expect(browser.answers(link.local)).toHaveLength(1));
    browser.send(DTLS);
    browser.send(SRTP);
    await until(() => expect(failures).toHaveLength(6));
    expect(failures.filter((each) => each === broken)).toHaveLength(3);
    expect(transport.counters.peerErrors).toBe(3);
  });

  it('counts what the system refuses to send, and does not throw', async () => {
    const { link } = await connected();
    expect(link.send(Buffer.alloc(70_000))).toBe(true);
    await until(() => expect(transport.counters.sendErrors).toBe(1));
  });

  it('does not start on a port that is taken, and leaves nothing open', async () => {
    const second = new MediaTransport({ port: transport.port });
    await expect(second.start()).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    await second.close();
    if (!HAS_IPV6) return;
    const onlyIpv6 = createSocket({ type: 'udp6', ipv6Only: true });
    await new Promise<void>((resolve) => onlyIpv6.bind(0, '::', resolve));
    const { port } = onlyIpv6.address();
    await expect(new MediaTransport({ port }).start()).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    await new Promise<void>((resolve) => onlyIpv6.close(() => resolve()));
    await startTransport({ port });
  });

  it('frees its port when it is closed, lets all peers go, and stays quiet after', async () => {
    const { peer, link, client: browser } = await connected();
    const { port } = transport;
    await Promise.all([transport.close(), transport.close()]);
    expect(link.send(SRTP)).toBe(true);
    expect([peer.ports, transport.sizes]).toEqual([[browser.port], { ufrags: 0, paths: 0 }]);
    const again = await startTransport({ port });
    expect(again.port).toBe(port);
  });
});
