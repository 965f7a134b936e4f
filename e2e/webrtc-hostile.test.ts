import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { parseSessionDescription, sdpValue } from '@sluice/media';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { WebSdkClient } from '../packages/server/src/control/signalling/testing/web-sdk-client.ts';
import { checkOf } from '../packages/server/src/protocols/webrtc/transport/testing/ice-client.ts';
import { TestServer } from './support/server.ts';
import { Call, connect, OverheardClient, postOffer } from './support/webrtc/call.ts';
import { mutated, randomBytesOf, randomOf, Stranger } from './support/webrtc/hostile.ts';

const ICE_TIMEOUT_MS = 3000;
const DTLS_TIMEOUT_MS = 3000;
const HALF_OPEN = 1000;
const STRANGERS = 20;
const DATAGRAMS = 20_000;
const MOST_GROWTH_BYTES = 200 * 1024 * 1024;
/** A refusal that takes longer than this has cost too much. */
const REFUSAL_MS = 1500;

const random = randomOf(20_250);
let server: TestServer;
let call: Call;
let slow: SlowBody[];
let residentBytes: number;

beforeAll(async () => {
  const settings = { webrtc_ice_timeout: ICE_TIMEOUT_MS, webrtc_dtls_timeout: DTLS_TIMEOUT_MS };
  server = await TestServer.start({ settings });
  call = await Call.start(server, 'call');
  slow = Array.from({ length: 50 }, (_, i) => new SlowBody(server.httpPort, `/whip/slow-${i}`));
  residentBytes = resident();
});

afterAll(async () => {
  for (const body of slow) body.close();
  await call.close();
  await server.stop();
});

/** Sends an offer byte by byte, and never all of it. */
class SlowBody {
  text = '';
  closed = false;
  readonly #socket: Socket;
  readonly #timer: NodeJS.Timeout;

  constructor(port: number, path: string) {
    this.#socket = connectTcp(port, '127.0.0.1');
    this.#socket.on('data', (text) => (this.text += String(text)));
    this.#socket.on('close', () => (this.closed = true));
    this.#socket.on('error', () => {});
    const head = [`POST ${path} HTTP/1.1`, 'host: x', 'content-type: application/sdp', 'content-length: 5000'];
    this.#socket.write(`${head.join('\r\n')}\r\n\r\n`);
    this.#timer = setInterval(() => this.#socket.write('v'), 200);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#socket.destroy();
  }
}

/** Memory of the server, as the system sees it. */
function resident(): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'));
  return Number(line?.[1]) * 1024;
}

async function expectUnharmed(): Promise<void> {
  await call.untilFlowing();
  expect(resident() - residentBytes).toBeLessThan(MOST_GROWTH_BYTES);
  expect(server.output).not.toMatch(/fatal|unhandled|uncaught|"level":(50|60)/);
}

async function sessionCount(): Promise<number> {
  const response = await fetch(server.http('/rest-api/stream/find_all'));
  return response.status === 404 ? 0 : ((await response.json()) as object[]).length;
}

describe('the media port', () => {
  it('answers nothing to strangers, whatever they send', async () => {
    const strangers = await Promise.all(Array.from({ length: STRANGERS }, () => Stranger.open()));
    // Checks are left out as they were: one that is right would be answered. With another password they never are.
    const ufrag = { ufrag: await ufragOfPublisher(), pwd: 'not the password of anybody' };
    const overheard = call.publisher.sent.filter((datagram) => (datagram[0] ?? 0) >= 20);
    expect(overheard.some(([first = 0]) => first < 64)).toBe(true);
    expect(overheard.some(([first = 0]) => first >= 128)).toBe(true);
    const kinds: (() => Buffer)[] = [
      () => randomBytesOf(random, random(1400) + 1),
      () => mutated(random, checkOf(ufrag, { nominate: true })),
      () => checkOf(ufrag, { nominate: true }),
      () => overheard[random(overheard.length)] as Buffer,
      () => mutated(random, overheard[random(overheard.length)] as Buffer),
      () => Buffer.concat([Buffer.of(22, 254, 253), randomBytesOf(random, random(200))]),
      () => Buffer.concat([Buffer.of(0x80, 200 + random(8)), randomBytesOf(random, random(200))]),
    ];
    for (let i = 0; i < DATAGRAMS; i++) {
      const stranger = strangers[random(STRANGERS)] as Stranger;
      await stranger.send(kinds[i % kinds.length]?.() as Buffer, server.ports.media);
    }
    await expectUnharmed();
    expect(strangers.map(({ bytesReceived }) => bytesReceived)).toEqual(strangers.map(() => 0));
    await Promise.all(strangers.map((stranger) => stranger.close()));
  });

  it('answers the right check, so that it would have been seen', async () => {
    const answer = await (await postOffer(server.http('/whip/checked'), call.publisher.offer)).text();
    const section = parseSessionDescription(answer).media[0];
    if (section === undefined) throw new Error(answer);
    const local = { ufrag: sdpValue(section, 'ice-ufrag') ?? '', pwd: sdpValue(section, 'ice-pwd') ?? '' };
    const stranger = await Stranger.open();
    await vi.waitFor(async () => {
      await stranger.send(checkOf(local), server.ports.media);
      expect(stranger.bytesReceived).toBeGreaterThan(0);
    });
    await stranger.close();
  });

  it('bears peers that send nonsense once they are connected, and sends them no more than they send', async () => {
    const attackers = await Promise.all(
      Array.from({ length: 4 }, async (_, i) => {
        const client = new OverheardClient({
          identity: call.identity,
          direction: i % 2 ? 'sendonly' : 'recvonly',
          video: 'VP8',
        });
        await connect(client, server.http(i % 2 ? `/whip/attacker-${i}` : '/whep/call'));
        return client;
      }),
    );
    const publishers = attackers.filter((_, i) => i % 2 === 1);
    const before = publishers.map(({ received, sentBytes }) => ({ received, sentBytes }));
    for (let i = 0; i < 8000; i++) {
      const client = attackers[i % attackers.length] as OverheardClient;
      sendNonsense(client);
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await expectUnharmed();
    for (const [i, client] of publishers.entries()) {
      const sent = client.sentBytes - (before[i]?.sentBytes ?? 0);
      // None of what it gets is longer than a datagram may be.
      expect((client.received - (before[i]?.received ?? 0)) * 100).toBeLessThan(sent);
    }
    for (const client of attackers) client.dtls?.close();
    await vi.waitFor(async () => expect(await sessionCount()).toBe(2), { timeout: 10_000, interval: 100 });
    for (const client of attackers) await client.close();
  });
});

function sendNonsense(client: OverheardClient): void {
  const bytes = randomBytesOf(random, random(1200) + 12);
  switch (random(5)) {
    case 0:
      bytes[0] = 0x80 | random(64);
      return client.sendProtected(bytes);
    case 1: {
      // A header that is right, for payload that is not.
      bytes.writeUInt8(0x80, 0);
      bytes.writeUInt8(random(2) === 0 ? 96 : 111, 1);
      bytes.writeUInt32BE(random(2) === 0 ? 0x0100_0001 : 0x0200_0001, 8);
      return client.sendProtected(bytes);
    }
    case 2:
      bytes[0] = 0x80 | random(32);
      bytes[1] = 200 + random(8);
      bytes.writeUInt16BE(random(2) === 0 ? (bytes.length >> 2) - 1 : random(0x1_0000), 2);
      return client.sendRtcp(bytes.subarray(0, bytes.length & ~3));
    case 3:
      bytes[0] = 20 + random(6);
      bytes.writeUInt16BE(0xfefd, 1);
      bytes.writeUInt16BE(random(3), 3);
      bytes.writeUInt16BE(random(2) === 0 ? Math.max(0, bytes.length - 13) : random(0x1_0000), 11 % bytes.length);
      return client.send(bytes);
    default:
      return client.send(bytes);
  }
}

/** What everybody on the way sees of the peer: the name in its checks. */
async function ufragOfPublisher(): Promise<string> {
  const check = await vi.waitFor(() => {
    const found = call.publisher.sent.find((datagram) => datagram[0] === 0);
    if (found === undefined) throw new Error('no check was sent');
    return found;
  });
  const name = check.indexOf(':client');
  return check.subarray(24, name).toString();
}

const TRANSPORT = [
  'v=0',
  'o=- 1 2 IN IP4 127.0.0.1',
  's=-',
  't=0 0',
  'a=ice-ufrag:abcd',
  `a=ice-pwd:${'p'.repeat(24)}`,
  `a=fingerprint:sha-256 ${Array(32).fill('0A').join(':')}`,
];
const lines = (...parts: string[]): string => `${parts.join('\r\n')}\r\n`;
const times = (count: number, make: (i: number) => string): string[] =>
  Array.from({ length: count }, (_, i) => make(i));
const VIDEO = ['m=video 9 UDP/TLS/RTP/SAVPF 96', 'a=mid:0', 'a=rtcp-mux', 'a=rtpmap:96 H264/90000'];

const HOSTILE_OFFERS: Readonly<Record<string, string | Buffer<ArrayBuffer>>> = {
  'of nothing': '',
  'of one line': 'v=0',
  'of bytes that are no text': randomBytesOf(random, 60_000),
  'of zeros': Buffer.alloc(60_000),
  'of one line of 60 kB': `v=${'0'.repeat(60_000)}`,
  'of line ends': '\r\n'.repeat(30_000),
  'with 1,500 media': lines(...TRANSPORT, ...times(1500, (i) => `m=audio 9 UDP/TLS/RTP/SAVPF ${i % 128}`)),
  'with 5,000 attributes': lines(...TRANSPORT, ...times(5000, (i) => `a=x${i}`)),
  'with an attribute of 50 kB': lines(...TRANSPORT, ...VIDEO, `a=fmtp:96 ${'a=1;'.repeat(12_500)}`),
  'with 10,000 payload types': lines(...TRANSPORT, `m=video 9 UDP/TLS/RTP/SAVPF${' 96'.repeat(10_000)}`),
  'with 3,000 candidates': lines(...TRANSPORT, ...VIDEO, ...times(3000, () => 'a=candidate:1 1 udp')),
  'with numbers beyond all bounds': lines(
    ...TRANSPORT,
    `m=video ${'9'.repeat(400)} UDP/TLS/RTP/SAVPF ${'9'.repeat(400)}`,
  ),
  'of more than 64 KiB': lines(...TRANSPORT, ...times(20_000, () => 'a=x')),
};

describe('WHIP and WHEP', () => {
  it.each(Object.keys(HOSTILE_OFFERS))('refuse an offer %s at once', async (kind) => {
    const body = HOSTILE_OFFERS[kind] ?? '';
    for (const path of ['/whip/hostile', '/whep/call']) {
      const beganMs = performance.now();
      const response = await postOffer(server.http(path), body);
      expect(response.status, `${path} ${kind}: ${await response.text()}`).toBeGreaterThanOrEqual(400);
      expect(response.status).toBeLessThan(500);
      expect(performance.now() - beganMs).toBeLessThan(REFUSAL_MS);
    }
  });

  it('accept or refuse offers that were changed on the way, without an error of their own', async () => {
    const statuses = await Promise.all(
      times(300, String).map(async (i) => {
        const body = mutated(random, Buffer.from(call.publisher.offer));
        const response = await postOffer(server.http(`/whip/mutated-${i}`), body);
        await response.arrayBuffer();
        return response.status;
      }),
    );
    expect(statuses.filter((status) => status !== 201 && (status < 400 || status >= 500))).toEqual([]);
    expect(new Set(statuses).size).toBeGreaterThan(1);
    await expectUnharmed();
  });
});

describe('signalling', () => {
  const texts = (): (string | Buffer)[] => [
    'x',
    '',
    '{',
    '['.repeat(100_000),
    '{"message":"connection"}',
    '{"message":"connection","data":[{"keepAlive":1,"__proto__":{"x":1}}]}',
    JSON.stringify({
      message: 'publishStream',
      data: [{ mediaSessionId: 'a', name: 'b', sdp: HOSTILE_OFFERS['of zeros'] }],
    }),
    JSON.stringify({ message: 'playStream', data: [{ mediaSessionId: {}, name: [], sdp: 'v=0\r\n'.repeat(10_000) }] }),
    JSON.stringify({ message: 'x'.repeat(100_000), data: [] }),
    JSON.stringify({ message: 'constructor', data: [{}] }),
    'a'.repeat(400_000),
    randomBytesOf(random, 5000),
    randomBytesOf(random, 5000).toString('latin1'),
  ];

  it('bears any text, and answers others meanwhile', async () => {
    const url = `ws://127.0.0.1:${server.ports.ws}`;
    // Each begins with another one: a client that does not keep to the rules is not listened to for long.
    const all = texts();
    const sockets = all.concat(all).map((first) => {
      const socket = new WebSocket(url);
      socket.on('error', () => {});
      socket.on('open', () => {
        socket.send(first);
        for (let i = 0; i < 10; i++) socket.send(all[random(all.length)] as string);
      });
      return socket;
    });
    await Promise.all(sockets.map((socket) => once(socket, 'open')));
    const raw = times(10, String).map(() => {
      const socket = connectTcp(server.ports.ws, '127.0.0.1', () => socket.write(randomBytesOf(random, 3000)));
      return socket.on('error', () => {});
    });
    const { client } = await WebSdkClient.establish(url, {});
    client.close();
    await expectUnharmed();
    for (const socket of sockets) socket.terminate();
    for (const socket of raw) socket.destroy();
  });
});

describe('what is left behind', () => {
  it(`of ${HALF_OPEN} offers whose sender never checks connectivity is nothing after webrtc_ice_timeout`, async () => {
    await vi.waitFor(async () => expect(await sessionCount()).toBe(2), { timeout: 10_000, interval: 100 });
    const before = resident();
    let next = 0;
    let most = 0;
    const sendOffers = async (): Promise<void> => {
      for (let i = next++; i < HALF_OPEN; i = next++) {
        const publishes = i % 2 === 1;
        const { offer } = publishes ? call.publisher : call.player;
        const response = await postOffer(server.http(publishes ? `/whip/half-${i}` : '/whep/call'), offer);
        expect(response.status, await response.text()).toBe(201);
        if (i % 100 === 0) most = Math.max(most, await sessionCount());
      }
    };
    await Promise.all(times(10, String).map(sendOffers));
    most = Math.max(most, await sessionCount());
    expect(most).toBeGreaterThan(100);
    await vi.waitFor(async () => expect(await sessionCount()).toBe(2), { timeout: 15_000, interval: 100 });
    expect(await server.streamNames()).toEqual(['call']);
    expect(resident() - before).toBeLessThan(MOST_GROWTH_BYTES);
    await expectUnharmed();
  });

  it('of bodies that never come whole is a refusal', async () => {
    const refused = (): void => {
      for (const { text, closed } of slow) expect([text.slice(0, 12), closed]).toEqual(['HTTP/1.1 408', true]);
    };
    await vi.waitFor(refused, { timeout: 15_000, interval: 100 });
    await expectUnharmed();
  });

  it('ends well', async () => {
    await server.stop();
    expect(server.output).not.toMatch(/fatal|unhandled|uncaught|"level":(50|60)/);
  });
});
