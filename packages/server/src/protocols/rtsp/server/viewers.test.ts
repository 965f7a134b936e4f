import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { parseRtcp, parseRtp, writeReceiverReport } from '@sluice/media';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Stream } from '../../../core/index.ts';
import { parseTransports } from '../wire/transport.ts';
import type { TestClient } from './testing/client.ts';
import { AUDIO, packet, VIDEO } from './testing/packets.ts';
import { RtspRig } from './testing/rig.ts';

let rig: RtspRig;
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  await rig.close();
});

/** Pictures at 25 a second and sound with each. */
function feed(stream: Stream, fromMs: number, toMs: number, videoBytes = 5000): void {
  for (let ms = fromMs; ms < toMs; ms += 40) {
    stream.publish(packet(VIDEO, ms, ms % 1000 === 0, videoBytes));
    stream.publish(packet(AUDIO, ms));
  }
}

/** A UDP port that keeps what comes. */
async function listen(): Promise<{ socket: Socket; port: number; came: { from: number; bytes: Buffer }[] }> {
  const socket = createSocket('udp4');
  sockets.push(socket);
  const came: { from: number; bytes: Buffer }[] = [];
  socket.on('message', (bytes, { port }) => came.push({ from: port, bytes }));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { socket, port: socket.address().port, came };
}

async function setUpUdp(client: TestClient, rtp: number, rtcp: number): Promise<readonly number[]> {
  const Transport = `RTP/AVP;unicast;client_port=${rtp}-${rtcp}`;
  const answer = await client.request('SETUP', rig.url('cam/trackID=0'), { Transport });
  expect(answer.status).toBe(200);
  return parseTransports(answer.headers.get('Transport') ?? '')[0]?.serverPort ?? [];
}

describe('viewers by UDP', () => {
  it('get the same packets as datagrams, from the ports that were told, with reports beside them', async () => {
    rig = await RtspRig.start();
    const stream = rig.publish('cam', [VIDEO, AUDIO]);
    feed(stream, 0, 1200);
    const [rtp, rtcp] = [await listen(), await listen()];
    const client = await rig.client();
    const serverPorts = await setUpUdp(client, rtp.port, rtcp.port);
    expect(serverPorts).toEqual(rig.server.udp?.ports);
    expect((serverPorts[0] ?? 1) % 2).toBe(0);
    await client.request('PLAY', rig.url('cam'));
    await vi.waitFor(() => expect(rtp.came.length).toBeGreaterThanOrEqual(20));
    const packets = rtp.came.map(({ bytes }) => parseRtp(bytes));
    const first = packets[0]?.sequence ?? 0;
    expect(packets.map(({ sequence }) => (sequence - first) & 0xffff)).toEqual([...packets.keys()]);
    expect(new Set(rtp.came.map(({ from }) => from))).toEqual(new Set([serverPorts[0]]));
    expect(new Set(rtcp.came.map(({ from }) => from))).toEqual(new Set([serverPorts[1]]));
    expect(parseRtcp(rtcp.came[0]?.bytes ?? Buffer.alloc(0)).map(({ kind }) => kind)).toEqual(['sr', 'sdes']);
    expect(client.frames).toEqual([]);

    const [session] = rig.hub.sessions.all();
    expect(session?.describe()).toMatchObject({ transport: 'UDP', lostPackets: 0 });
    const block = {
      ssrc: packets[0]?.ssrc ?? 0,
      fractionLost: 9,
      cumulativeLost: 12,
      highestSequence: 1,
      jitter: 0,
      lastSenderReport: 0,
      delaySinceLastSenderReport: 0,
    };
    const report = writeReceiverReport({ ssrc: 1, reports: [block] });
    rtcp.socket.send(report, serverPorts[1], '127.0.0.1');
    await vi.waitFor(() => expect(session?.describe().lostPackets).toBe(12));
    rtcp.socket.send(Buffer.from('nonsense'), serverPorts[1], '127.0.0.1');
    rtcp.socket.send(report, serverPorts[0], '127.0.0.1');
    await vi.waitFor(() => expect(rig.hub.counters.of('rtsp_malformed_datagrams')).toBe(2));

    rig.hub.streams.end(stream, 'over');
    await client.gone();
    const last = parseRtcp(rtcp.came.at(-1)?.bytes ?? Buffer.alloc(0));
    expect(last.map(({ kind }) => kind)).toEqual(['sr', 'sdes', 'bye']);
  });

  it('get the beginning evenly, so that it does not overflow their sockets', async () => {
    rig = await RtspRig.start({ udpBytesPerSecond: 1_000_000 });
    const stream = rig.publish('cam', [VIDEO, AUDIO]);
    feed(stream, 0, 1000, 20_000);
    const [rtp, rtcp] = [await listen(), await listen()];
    const client = await rig.client();
    await setUpUdp(client, rtp.port, rtcp.port);
    const beganMs = performance.now();
    await client.request('PLAY', rig.url('cam'));
    await vi.waitFor(() => expect(rtp.came.length).toBeGreaterThan(50));
    const bytes = rtp.came.reduce((sum, { bytes: { length } }) => sum + length, 0);
    expect(bytes).toBeLessThan(100_000 + (performance.now() - beganMs) * 1500);
    await vi.waitFor(() => expect(rtp.came.length).toBeGreaterThanOrEqual(25 * 15), 3000);
    expect(performance.now() - beganMs).toBeGreaterThan(350);
  });

  it('can not have ports that another session has', async () => {
    rig = await RtspRig.start();
    feed(rig.publish('cam', [VIDEO, AUDIO]), 0, 100);
    const rtp = await listen();
    const first = await rig.client();
    await setUpUdp(first, rtp.port, rtp.port);
    const Transport = `RTP/AVP;unicast;client_port=${rtp.port}-${rtp.port}`;
    const second = await rig.client();
    const track = rig.url('cam/trackID=0');
    expect((await second.request('SETUP', track, { Transport })).status).toBe(461);
    expect((await first.request('TEARDOWN', track)).status).toBe(200);
    expect((await second.request('SETUP', track, { Transport })).status).toBe(200);
  });

  it('of which nothing comes are dropped, and those that report are not', async () => {
    rig = await RtspRig.start({ sessionTimeoutMs: 500 });
    feed(rig.publish('cam', [VIDEO, AUDIO]), 0, 100);
    const clients = [await rig.client(), await rig.client()];
    const ports: { rtcp: Awaited<ReturnType<typeof listen>>; port: number }[] = [];
    for (const client of clients) {
      const rtcp = await listen();
      const [, port = 0] = await setUpUdp(client, (await listen()).port, rtcp.port);
      await client.request('PLAY', rig.url('cam'));
      ports.push({ rtcp, port });
    }
    const report = writeReceiverReport({ ssrc: 1, reports: [] });
    const timer = setInterval(() => ports[1]?.rtcp.socket.send(report, ports[1].port, '127.0.0.1'), 100);
    await clients[0]?.gone();
    await new Promise((resolve) => setTimeout(resolve, 1100));
    clearInterval(timer);
    expect(clients[1]?.closed).toBe(false);
    expect(rig.hub.counters.of('rtsp_silent_clients')).toBe(1);
  });
});

describe('viewers over the connection', () => {
  it('share one packetizing: a hundred of them are one reader of the stream and get the same bytes', async () => {
    rig = await RtspRig.start();
    const stream = rig.publish('cam', [VIDEO, AUDIO]);
    feed(stream, 0, 200);
    const clients = await Promise.all(Array.from({ length: 100 }, () => rig.client()));
    await Promise.all(clients.map((client) => client.play(rig.url('cam'))));
    expect([stream.viewers, stream.readerCount]).toEqual([100, 1]);
    feed(stream, 200, 1000);
    await vi.waitFor(() => {
      for (const { frames } of clients) expect(frames.filter(({ channel }) => channel === 2)).toHaveLength(25);
    }, 5000);
    const mediaOf = ({ frames }: TestClient): string =>
      frames
        .filter(({ channel }) => channel % 2 === 0)
        .map(({ payload }) => payload.toString('base64'))
        .join();
    expect(new Set(clients.map(mediaOf)).size).toBe(1);
  });

  it('that are too slow go on at a key frame', async () => {
    rig = await RtspRig.start();
    const stream = rig.publish('cam', [VIDEO]);
    stream.publish(packet(VIDEO, 0));
    const client = await rig.client();
    await client.play(rig.url('cam'));
    client.socket.pause();
    for (let ms = 40; ms < 40_000; ms += 40) {
      stream.publish(packet(VIDEO, ms, ms % 1000 === 0, 60_000));
      if (ms % 400 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    client.socket.resume();
    await vi.waitFor(() => expect(timesOf(client).at(-1)).toBe(39_960), 5000);
    const times = timesOf(client);
    const [session] = rig.hub.sessions.all();
    expect(session?.describe().drops.slow_viewer).toBeGreaterThan(100);
    const jump = times.findIndex((ms, i) => i > 0 && ms - (times[i - 1] ?? 0) > 40);
    expect(jump).toBeGreaterThan(0);
    expect((times[jump] ?? 1) % 1000).toBe(0);
  });

  it('that read nothing at all are dropped', async () => {
    rig = await RtspRig.start({ viewerStallTimeoutMs: 300 });
    const stream = rig.publish('cam', [VIDEO]);
    stream.publish(packet(VIDEO, 0));
    const client = await rig.client();
    await client.play(rig.url('cam'));
    client.socket.pause();
    for (let ms = 40; ms < 20_000; ms += 40) stream.publish(packet(VIDEO, ms, ms % 1000 === 0, 60_000));
    await vi.waitFor(() => expect(rig.hub.counters.of('rtsp_slow_viewers')).toBe(1), 6000);
    expect([rig.hub.sessions.size, stream.viewers]).toEqual([0, 0]);
    await vi.waitFor(() => expect(rig.server.connectionCount).toBe(0));
  });
});

/** Times of the pictures that came, milliseconds since the first one. */
function timesOf({ frames }: TestClient): number[] {
  const times = frames.filter(({ channel }) => channel === 0).map(({ payload }) => parseRtp(payload).timestamp);
  return [...new Set(times.map((time) => Math.round(((time - (times[0] ?? 0)) >>> 0) / 90)))];
}
