import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { parseRtp, type RtpPacket, type Track } from '@sluice/media';
import { type Egress, openEgress } from '@sluice/native';
import { SrtpReceiver } from '@sluice/native/srtp';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { RtpLane, type RtpLaneFormat, type RtpLanePacket, VIDEO_LANE } from '../../../core/index.ts';
import { StreamClock } from '../../../rtp/index.ts';
import { isRtcp } from '../transport/index.ts';
import { SendTrack, type SendTrackOptions } from './send-track.ts';
import { SharedLanes } from './shared-lane.ts';

const TRACK: Track = { id: 1, kind: 'video', codec: 'h264', clockRate: 90_000, parameters: [] };
const FORMAT: RtpLaneFormat = { track: TRACK };
const SSRC = 0x1111;
const RTX_SSRC = 0x2222;
const open: { close(): unknown }[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const each of open.splice(0).toReversed()) await each.close();
});

function until(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 10_000, interval: 2 });
}

function packet(sequence: number, more: Partial<RtpLanePacket> = {}): RtpLanePacket {
  const at = { sequence, timestamp: sequence * 3000, ptsUs: sequence * 33_333 };
  const payload = Uint8Array.of(0x41, sequence >> 8, sequence & 0xff);
  return { format: FORMAT, ...at, marker: true, startPoint: false, payload, ...more };
}

/** A viewer with a socket, who opens what comes. */
class Viewer {
  readonly came: RtpPacket[] = [];
  readonly lanes: SharedLanes;
  readonly track: SendTrack;
  readonly id: number;

  private constructor(egress: Egress, lanes: SharedLanes, more: Partial<SendTrackOptions>) {
    this.lanes = lanes;
    const send = { key: randomBytes(16), salt: randomBytes(12) };
    this.id = egress.addPeer({ profile: 'AEAD_AES_128_GCM', send });
    const receiver = new SrtpReceiver('AEAD_AES_128_GCM', send);
    const socket = createSocket('udp4', (datagram) => {
      const opened = isRtcp(datagram) ? undefined : receiver.unprotectRtp(datagram);
      if (opened !== undefined) this.came.push(parseRtp(Buffer.from(opened)));
    });
    open.push({ close: () => socket.close() });
    socket.bind(0, '127.0.0.1', () => egress.setAddress(this.id, '127.0.0.1', socket.address().port));
    const buffer = Buffer.alloc(2048);
    this.track = new SendTrack(
      {
        take: () => buffer,
        sendRtp: (bytes, length, places) => egress.sendRtp(this.id, bytes.subarray(0, length), places),
      },
      {
        ...{ ssrc: SSRC, rtxSsrc: RTX_SSRC, clock: new StreamClock(), repeats: true },
        formatFor: () => ({ payloadType: 96, rtxPayloadType: 97 }),
        sharing: { lanes, peer: () => ({ egress, id: this.id }) },
        ...more,
      },
    );
    void once(socket, 'listening');
  }

  static async join(egress: Egress, lanes: SharedLanes, more: Partial<SendTrackOptions> = {}): Promise<Viewer> {
    const viewer = new Viewer(egress, lanes, more);
    await until(() => expect(egress.peerStats(viewer.id)).toBeDefined());
    await new Promise((resolve) => setTimeout(resolve, 20));
    return viewer;
  }

  get pictures(): RtpPacket[] {
    return this.came.filter(({ ssrc }) => ssrc === SSRC);
  }

  /** Numbers in the lane of what came, in order. */
  get content(): number[] {
    return this.pictures.map(({ payload }) => ((payload[1] ?? 0) << 8) | (payload[2] ?? 0));
  }

  /** All of that came once, under numbers without a gap. */
  async expectContent(expected: readonly number[]): Promise<void> {
    await until(() => expect(this.content).toEqual(expected));
    const [first] = this.pictures;
    const numbers = this.pictures.map(({ sequence }) => (sequence - (first?.sequence ?? 0)) & 0xffff);
    expect(numbers).toEqual(expected.map((_, i) => i));
  }
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe.each(['', 'off'])('a track that is sent along a shared lane, with SLUICE_NATIVE=%s', (setting) => {
  const lane = () => new RtpLane(VIDEO_LANE);
  const publish = (to: RtpLane, from: number, end: number, more: Partial<RtpLanePacket> = {}) => {
    for (const sequence of range(from, end)) to.publish(packet(sequence, { ...more, startPoint: sequence === from }));
  };

  async function start(count = 1) {
    vi.stubEnv('SLUICE_NATIVE', setting);
    const egress = await openEgress({ address: '127.0.0.1', port: 0, onReceived: () => {} });
    open.push(egress);
    const lanes = new SharedLanes();
    const viewers: Viewer[] = [];
    for (let i = 0; i < count; i++) viewers.push(await Viewer.join(egress, lanes));
    const [viewer] = viewers;
    if (viewer === undefined) throw new Error('no viewer');
    return { egress, lanes, viewers, viewer, lane: lane() };
  }

  test('goes on under its numbers, to and fro, and each packet comes once', async () => {
    const { viewer, lane, lanes } = await start();
    viewer.track.follow(lane);
    let end = 0;
    for (let round = 0; round < 4; round++) {
      publish(lane, end, end + 20);
      viewer.track.tick();
      expect([viewer.track.isShared, lanes.size]).toEqual([true, 1]);
      publish(lane, end + 20, end + 40);
      // Of the last ones nobody knows whether they have left.
      await Promise.resolve();
      viewer.track.unshare();
      expect([viewer.track.isShared, lanes.size]).toEqual([false, 0]);
      publish(lane, end + 40, end + 50);
      end += 50;
      await viewer.expectContent(range(0, end));
      expect(viewer.track.packets).toBe(end);
      await new Promise((resolve) => setTimeout(resolve, 520));
    }
    viewer.track.follow(undefined);
  });

  test('shares it with others, is counted, and has its reports from there', async () => {
    const { viewers, lane, lanes, egress } = await start(5);
    for (const { track } of viewers) track.follow(lane);
    publish(lane, 100, 110);
    for (const { track } of viewers) track.tick();
    publish(lane, 110, 200);
    for (const viewer of viewers) await viewer.expectContent(range(100, 200));
    expect([lanes.size, egress.stats().lanes]).toEqual([1, 1]);
    for (const { track, pictures } of viewers) {
      track.look();
      expect([track.packets, track.bytes]).toEqual([100, 300]);
      expect(track.position.timestamp & 0xffffffff).toBe((pictures.at(-1)?.timestamp ?? 0) | 0);
    }
    for (const { track } of viewers) track.follow(undefined);
    expect([lanes.size, egress.stats().lanes]).toEqual([0, 0]);
  });

  test('sends again what the peer asks for by its numbers', async () => {
    const { viewer, lane } = await start();
    viewer.track.follow(lane);
    publish(lane, 0, 10);
    viewer.track.tick();
    publish(lane, 10, 60);
    await viewer.expectContent(range(0, 60));
    const numbers = [5, 30, 59].map((at) => viewer.pictures[at]?.sequence ?? -1);
    for (const number of numbers) viewer.track.resend(number, performance.now());
    await until(() => expect(viewer.came.filter(({ ssrc }) => ssrc === RTX_SSRC)).toHaveLength(3));
    const again = viewer.came.filter(({ ssrc }) => ssrc === RTX_SSRC);
    const content = again.map(({ payload }) => [((payload[0] ?? 0) << 8) | (payload[1] ?? 0), payload[4]]);
    expect(content).toEqual(numbers.map((number, i) => [number, [5, 30, 59][i]]));
    viewer.track.follow(undefined);
  });

  test('gets what was lost on the way here when it comes after all, from before it was shared or after', async () => {
    const { viewer, lane } = await start();
    viewer.track.follow(lane);
    for (const sequence of [0, 1, 3, 4]) lane.publish(packet(sequence, { startPoint: sequence === 0 }));
    viewer.track.tick();
    for (const sequence of [6, 7, 2, 5, 8]) lane.publish(packet(sequence));
    await until(() => expect(viewer.pictures).toHaveLength(9));
    const [first] = viewer.pictures;
    const places = viewer.pictures.map(({ sequence }) => (sequence - (first?.sequence ?? 0)) & 0xffff);
    expect(places).toEqual(viewer.content);
    viewer.track.follow(undefined);
  });

  test('goes on when the publisher changes, and when what it sends becomes something else', async () => {
    const { viewer, lane } = await start();
    viewer.track.follow(lane);
    publish(lane, 0, 10);
    viewer.track.tick();
    publish(lane, 10, 20);
    await viewer.expectContent(range(0, 20));
    lane.reset();
    publish(lane, 20, 30);
    expect(viewer.track.isShared).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 520));
    // First what it has missed, then what comes.
    viewer.track.tick();
    viewer.track.tick();
    expect(viewer.track.isShared).toBe(true);
    const other = { track: { ...TRACK, parameters: [Uint8Array.of(1)] } };
    publish(lane, 30, 40, { format: other });
    expect(viewer.track.isShared).toBe(false);
    publish(lane, 40, 50, { format: other });
    await viewer.expectContent(range(0, 50));
    viewer.track.follow(undefined);
  });

  test('gets the last packets of a publisher that is replaced before they were handed over', async () => {
    const { viewer, lane } = await start();
    viewer.track.follow(lane);
    publish(lane, 0, 10);
    viewer.track.tick();
    expect(viewer.track.isShared).toBe(true);
    publish(lane, 10, 15);
    lane.reset();
    publish(lane, 15, 20);
    viewer.track.tick();
    viewer.track.tick();
    await viewer.expectContent(range(0, 20));
    viewer.track.follow(undefined);
  });

  test('leaves nothing behind when its peer goes first', async () => {
    const { viewer, lane, lanes, egress } = await start();
    viewer.track.follow(lane);
    publish(lane, 0, 10);
    viewer.track.tick();
    egress.removePeer(viewer.id);
    publish(lane, 10, 20);
    viewer.track.unshare();
    publish(lane, 20, 30);
    viewer.track.tick();
    viewer.track.follow(undefined);
    expect([lanes.size, egress.stats().lanes]).toEqual([0, 0]);
    // Its thread lets a peer go after what was handed over before.
    await vi.waitFor(() => expect(egress.stats().peers).toBe(0));
  });
});
