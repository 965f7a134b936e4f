import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket as TcpSocket } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CLEAN, type Impairment, Line } from './line.ts';
import { arrivedOf } from './numbered.ts';
import { TcpRelay } from './tcp-relay.ts';
import { through } from './through.ts';
import { UdpRelay } from './udp-relay.ts';

const PACKETS = 20_000;

/** What is open in a test and closed after it. */
const open: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

interface Arrival {
  readonly packet: number;
  readonly atMs: number;
}

/** Sends packets of 1000 bytes, one a millisecond of a clock that is not real, and takes out all that arrives. */
function passed(impairment: Partial<Impairment>, options: { packets?: number; line?: Line<number> } = {}) {
  const { packets = PACKETS, line = new Line<number>({ seed: 7 }) } = options;
  const arrivals: Arrival[] = [];
  const takeUntil = (untilMs: number): void => {
    for (let atMs = line.nextAtMs(); atMs <= untilMs; atMs = line.nextAtMs()) {
      for (let packet = line.take(atMs); packet !== undefined; packet = line.take(atMs))
        arrivals.push({ packet, atMs });
    }
  };
  line.change(impairment, 0);
  for (let packet = 0; packet < packets; packet++) {
    takeUntil(packet);
    line.send(packet, 1000, packet);
  }
  takeUntil(Number.MAX_SAFE_INTEGER);
  return { line, arrivals, counters: line.counters };
}

const delaysOf = (arrivals: readonly Arrival[]): number[] => arrivals.map(({ packet, atMs }) => atMs - packet);
const inOrder = (arrivals: readonly Arrival[]): boolean =>
  arrivals.every(({ packet }, i) => packet > (arrivals[i - 1]?.packet ?? -1));

describe('a line', () => {
  it('hands on all at once and in order while it is clean', () => {
    const { arrivals, counters } = passed({});
    expect(arrivals).toHaveLength(PACKETS);
    expect(Math.max(...delaysOf(arrivals))).toBe(0);
    expect(counters).toMatchObject({ forwarded: PACKETS, forwardedBytes: PACKETS * 1000, lost: 0, overflowed: 0 });
  });

  it('loses the asked share by chance, the same packets for the same seed', () => {
    const first = passed({ loss: 0.05 });
    expect(first.counters.lost / PACKETS).toBeCloseTo(0.05, 2);
    expect(first.arrivals).toHaveLength(PACKETS - first.counters.lost);
    expect(passed({ loss: 0.05 }).arrivals).toEqual(first.arrivals);
    const other = passed({ loss: 0.05 }, { line: new Line<number>({ seed: 8 }) });
    expect(other.arrivals).not.toEqual(first.arrivals);
  });

  it('loses the asked share in bursts of the asked length', () => {
    const { arrivals, counters } = passed({ burstLoss: { share: 0.1, packets: 8 } });
    const bursts = arrivals.filter(({ packet }, i) => packet > (arrivals[i - 1]?.packet ?? -1) + 1).length;
    expect(counters.lost / PACKETS).toBeGreaterThan(0.08);
    expect(counters.lost / PACKETS).toBeLessThan(0.12);
    expect(counters.lost / bursts).toBeGreaterThan(6.5);
    expect(counters.lost / bursts).toBeLessThan(9.5);
  });

  it('delays by the delay and up to the jitter, and keeps the order', () => {
    const { arrivals } = passed({ delayMs: 50, jitterMs: 20 });
    const delays = delaysOf(arrivals);
    expect(inOrder(arrivals)).toBe(true);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(50);
    expect(Math.max(...delays)).toBeLessThan(70);
    expect(Math.max(...delays)).toBeGreaterThan(69);
  });

  it('holds all up for the length of a spike', () => {
    const { arrivals } = passed({ spikes: { everyMs: 1000, lengthMs: 200 } });
    const delays = delaysOf(arrivals);
    expect(Math.max(...delays)).toBe(200);
    expect(delays.filter((delay) => delay > 0)).toHaveLength(PACKETS / 5);
    expect(inOrder(arrivals)).toBe(true);
  });

  it('lets a share come late and behind others', () => {
    const { arrivals, counters } = passed({ delayMs: 10, reorder: { share: 0.1, byMs: 15 } });
    expect(counters.reordered / PACKETS).toBeCloseTo(0.1, 1);
    expect(inOrder(arrivals)).toBe(false);
    expect(arrivals).toHaveLength(PACKETS);
    expect(new Set(delaysOf(arrivals))).toEqual(new Set([10, 25]));
  });

  it('doubles a share', () => {
    const { arrivals, counters } = passed({ duplicates: 0.2 });
    expect(counters.duplicated / PACKETS).toBeCloseTo(0.2, 1);
    expect(arrivals).toHaveLength(PACKETS + counters.duplicated);
    expect(new Set(arrivals.map(({ packet }) => packet)).size).toBe(PACKETS);
  });

  // 8 Mbit/s come in.
  it('carries what the bitrate allows, keeps what the queue takes and drops the rest', () => {
    const { arrivals, counters } = passed({ bitrate: 2_000_000, queueMs: 200 });
    const seconds = (arrivals.at(-1)?.atMs ?? 0) / 1000;
    expect((counters.forwardedBytes * 8) / seconds / 2_000_000).toBeCloseTo(1, 2);
    expect(counters.overflowed).toBe(PACKETS - arrivals.length);
    expect(counters.longestQueueMs).toBeGreaterThan(190);
    expect(counters.longestQueueMs).toBeLessThanOrEqual(204);
    expect(inOrder(arrivals)).toBe(true);
  });

  it('takes a queue in bytes as well', () => {
    const { counters } = passed({ bitrate: 2_000_000, queueMs: 10_000, queueBytes: 5000 });
    expect(counters.longestQueueMs).toBeLessThanOrEqual(20);
    expect(counters.longestQueueMs).toBeGreaterThan(15);
  });

  it('adds no delay where the bitrate is enough, but for what a packet takes itself', () => {
    const { arrivals } = passed({ bitrate: 8_000_000 });
    expect(Math.max(...delaysOf(arrivals))).toBe(1);
    expect(arrivals).toHaveLength(PACKETS);
  });

  it('lets what waits go out at a new bitrate', () => {
    const line = new Line<number>({ seed: 1 });
    line.change({ bitrate: 80_000, queueMs: 5000 }, 0);
    for (let packet = 0; packet < 10; packet++) line.send(packet, 1000, 0);
    expect(line.nextAtMs()).toBe(100);
    line.change({ bitrate: 8_000_000 }, 50);
    expect(line.nextAtMs()).toBe(50.5);
    let takenAtMs = 0;
    for (let taken = 0; taken < 10; taken++) {
      takenAtMs = line.nextAtMs();
      expect(line.take(takenAtMs)).toBe(taken);
    }
    expect(takenAtMs).toBeCloseTo(59.5);
    expect(line.queuedBytes).toBe(0);
  });

  it('lets nothing through while it is blocked', () => {
    const { line, arrivals, counters } = passed({ blocked: true }, { packets: 100 });
    expect(arrivals).toHaveLength(0);
    expect(counters.blocked).toBe(100);
    expect(passed({ blocked: false }, { packets: 100, line }).arrivals).toHaveLength(100);
  });

  it('that is reliable loses nothing: it holds up', () => {
    const line = new Line<number>({ seed: 3, reliable: true });
    const { arrivals, counters } = passed({ loss: 0.01, delayMs: 50 }, { packets: 2000, line });
    expect(arrivals).toHaveLength(2000);
    expect(inOrder(arrivals)).toBe(true);
    expect(counters.lost).toBeGreaterThan(10);
    expect(Math.min(...delaysOf(arrivals))).toBe(50);
    expect(Math.max(...delaysOf(arrivals))).toBe(150);
  });
});

/** A UDP port that answers everything with the port that it came from and what it was. */
async function echo(): Promise<{ port: number; heardFrom: Set<number> }> {
  const socket = createSocket('udp4');
  const heardFrom = new Set<number>();
  socket.on('message', (datagram, from) => {
    heardFrom.add(from.port);
    socket.send(`${from.port} ${String(datagram)}`, from.port, from.address);
  });
  await bound(socket);
  return { port: socket.address().port, heardFrom };
}

async function bound(socket: Socket): Promise<void> {
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  open.push(() => new Promise<void>((resolve) => socket.close(resolve)));
}

/** Somebody who sends to a port and keeps what comes back. */
async function udpClient(port: number): Promise<{ send(text: string): void; readonly heard: string[] }> {
  const socket = createSocket('udp4');
  const heard: string[] = [];
  socket.on('message', (datagram) => heard.push(String(datagram)));
  await bound(socket);
  return { send: (text) => socket.send(text, port, '127.0.0.1'), heard };
}

async function udpRelay(target: number): Promise<UdpRelay> {
  const relay = await UdpRelay.open(target, { seed: 1 });
  open.push(() => relay.close());
  return relay;
}

describe('a UDP relay', () => {
  it('gives each client a port of its own and brings each what is its', async () => {
    const relay = await udpRelay((await echo()).port);
    const clients = [await udpClient(relay.port), await udpClient(relay.port)];
    clients.forEach(({ send }, i) => {
      for (let n = 0; n < 3; n++) send(`${i}.${n}`);
    });
    await vi.waitFor(() => expect(clients.map(({ heard }) => heard.length)).toEqual([3, 3]));
    const ports = clients.map(({ heard }, i) => {
      expect(heard.map((text) => text.split(' ')[1])).toEqual([`${i}.0`, `${i}.1`, `${i}.2`]);
      return new Set(heard.map((text) => text.split(' ')[0]));
    });
    expect(ports.map(({ size }) => size)).toEqual([1, 1]);
    expect(ports[0]).not.toEqual(ports[1]);
    expect(relay.counters('up')).toMatchObject({ forwarded: 6, lost: 0 });
    expect(relay.counters('down')).toMatchObject({ forwarded: 6, lost: 0 });
  });

  it('delays both directions, each by its own', async () => {
    const relay = await udpRelay((await echo()).port);
    relay.change({ delayMs: 40 }, ['up']);
    relay.change({ delayMs: 20 }, ['down']);
    const { send, heard } = await udpClient(relay.port);
    const began = performance.now();
    send('late');
    await vi.waitFor(() => expect(heard).toHaveLength(1), { interval: 1 });
    // How much later is for the machine to say.
    expect(performance.now() - began).toBeGreaterThanOrEqual(60);
  });

  it('holds to a bitrate over a second, however late its timers come', async () => {
    const sink = await echo();
    const relay = await udpRelay(sink.port);
    relay.change({ bitrate: 2_000_000, queueMs: 100 }, ['up']);
    relay.change({ blocked: true }, ['down']);
    const { send } = await udpClient(relay.port);
    const datagram = 'x'.repeat(1000);
    send(datagram);
    await vi.waitFor(() => expect(relay.counters('up').forwarded).toBe(1), { interval: 1 });
    const began = performance.now();
    const sender = setInterval(() => {
      for (let i = 0; i < 10; i++) send(datagram);
    }, 10);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    clearInterval(sender);
    const { forwardedBytes, overflowed } = relay.counters('up');
    const share = ((forwardedBytes - 1000) * 8) / ((performance.now() - began) / 1000) / 2_000_000;
    // Less only where this process stood still for longer than the queue lasts.
    expect(share).toBeGreaterThan(0.5);
    expect(share).toBeLessThan(1.05);
    expect(overflowed).toBeGreaterThan(50);
  });

  it('lets clients move to another address; what is sent to the former one is not heard', async () => {
    const target = createSocket('udp4');
    const from: number[] = [];
    target.on('message', (_, { port }) => from.push(port));
    await bound(target);
    const relay = await udpRelay(target.address().port);
    const { send, heard } = await udpClient(relay.port);
    send('before');
    await vi.waitFor(() => expect(from).toHaveLength(1));
    relay.move();
    send('after');
    await vi.waitFor(() => expect(from).toHaveLength(2));
    expect(from[1]).not.toBe(from[0]);
    target.send('to the former', from[0] ?? 0, '127.0.0.1');
    target.send('to the new', from[1] ?? 0, '127.0.0.1');
    await vi.waitFor(() => expect(heard).toContain('to the new'));
    expect(heard).toEqual(['to the new']);
  });

  it('is silent while it is blocked and goes on after that', async () => {
    const { port, heardFrom } = await echo();
    const relay = await udpRelay(port);
    const { send, heard } = await udpClient(relay.port);
    relay.change({ blocked: true });
    send('blocked');
    await vi.waitFor(() => expect(relay.counters('up').blocked).toBe(1));
    relay.change({ blocked: false });
    send('free');
    await vi.waitFor(() => expect(heard).toHaveLength(1));
    expect(heard[0]).toContain('free');
    expect(heardFrom.size).toBe(1);
  });
});

/** A TCP port that counts what comes, and a relay to it with a connection through it. */
async function tcpRig(): Promise<{ relay: TcpRelay; client: TcpSocket; far: { bytes: number; socket?: TcpSocket } }> {
  const far: { bytes: number; socket?: TcpSocket } = { bytes: 0 };
  const server = createServer((socket) => {
    far.socket = socket;
    socket.on('data', (bytes) => (far.bytes += bytes.length)).on('error', () => {});
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const address = server.address();
  const relay = await TcpRelay.open(typeof address === 'object' && address !== null ? address.port : 0);
  open.push(() => relay.close());
  const client = connect(relay.port, '127.0.0.1').on('error', () => {});
  open.push(() => client.destroy());
  await vi.waitFor(() => expect(far.socket).toBeDefined());
  return { relay, client, far };
}

describe('a TCP relay', () => {
  it('holds to a bitrate, holds up who sends more, and loses nothing', async () => {
    const { relay, client, far } = await tcpRig();
    relay.change({ bitrate: 8_000_000, delayMs: 10, loss: 0.001 }, ['up']);
    const began = performance.now();
    const all = 1_000_000;
    client.end(Buffer.alloc(all));
    await vi.waitFor(() => expect(far.bytes).toBe(all), { timeout: 15_000, interval: 2 });
    const seconds = (performance.now() - began) / 1000;
    expect((all * 8) / seconds / 8_000_000).toBeGreaterThan(0.5);
    expect((all * 8) / seconds / 8_000_000).toBeLessThan(1.05);
  });

  it('lets connections stand still, and go on', async () => {
    const { relay, client, far } = await tcpRig();
    relay.change({ blocked: true });
    client.write('stalled');
    await vi.waitFor(() => expect(client.bytesWritten).toBe(7));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(far.bytes).toBe(0);
    relay.change({ blocked: false });
    await vi.waitFor(() => expect(far.bytes).toBe(7));
  });

  it('cuts connections and refuses new ones', async () => {
    const { relay, client, far } = await tcpRig();
    relay.refuses = true;
    relay.cut();
    await vi.waitFor(() => expect([client.closed, far.socket?.closed]).toEqual([true, true]));
    const refused = connect(relay.port, '127.0.0.1').on('error', () => {});
    await vi.waitFor(() => expect(refused.closed).toBe(true));
    expect(relay.connections).toBe(1);
  });
});

describe('an answer that leads through relays', () => {
  const ANSWER = [
    'v=0',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111',
    'a=candidate:1 1 udp 2130706431 192.0.2.1 31001 typ host',
    'a=candidate:2 1 udp 2130706430 127.0.0.1 31001 typ host',
    'a=candidate:3 1 TCP 1015022079 192.0.2.1 31001 typ host tcptype passive',
    'a=end-of-candidates',
    '',
  ].join('\r\n');

  it('has one candidate of each protocol, with the port of its relay', () => {
    const candidates = through({ udp: { port: 5 }, tcp: { port: 6 } }, ANSWER).match(/a=candidate.*/g);
    expect(candidates).toEqual([
      'a=candidate:1 1 udp 2130706431 127.0.0.1 5 typ host',
      'a=candidate:3 1 TCP 1015022079 127.0.0.1 6 typ host tcptype passive',
    ]);
  });

  it('has no candidate of a protocol that has no relay, and all else as it was', () => {
    expect(through({ tcp: { port: 6 } }, ANSWER)).not.toMatch(/ udp /);
    const others = (sdp: string): string[] => sdp.split('\r\n').filter((line) => !line.startsWith('a=candidate'));
    expect(others(through({ tcp: { port: 6 } }, ANSWER))).toEqual(others(ANSWER));
  });
});

it('nothing is wrong with a line before anything is changed', () => {
  expect(new Line({ seed: 1 }).impairment).toEqual(CLEAN);
});

describe('pictures that came', () => {
  const sent = Array.from({ length: 300 }, (_, i) => i * 50 + (((i * 37) % 11) - 5) * 0.8);

  it.each([
    [0, 0],
    [200, 0],
    [-150, 0],
    [0, 4],
    [200, 4],
  ])('are counted when the clock was moved by %i ms, and so are %i that did not come', (moveMs, missing) => {
    let movedMs = 0;
    const came = sent.slice(30, 230).flatMap((timeMs, i) => {
      if (i > 50 && Math.abs(movedMs) < Math.abs(moveMs)) movedMs += Math.sign(moveMs) * 20;
      return i % 40 === 7 && i < missing * 40 ? [] : [timeMs + movedMs + 1234];
    });
    expect(arrivedOf(sent, came)).toEqual({ sent: 200, came: 200 - missing });
  });
});
