import { describe, expect, it } from 'vitest';
import { SENT_FIELDS } from './egress.ts';
import type { LanePacket } from './lane-batch.ts';
import {
  Client,
  cleanUpAfterEach,
  format,
  frame,
  IMPLEMENTATIONS,
  lanePacket,
  openPort,
  PICTURES,
  pushAll,
  range,
  SOUND,
  until,
} from './testing/rig.ts';

cleanUpAfterEach();

const PACKETS = 8;
/** Bytes of RTP of a picture of `PACKETS` packets. */
const PICTURE_BYTES = (PACKETS - 1) * (1150 + 12) + 300 + 12;

function picture(at: number, startPoint = false): LanePacket[] {
  return frame(at * PACKETS, PACKETS, { timestamp: at * 3000, startPoint });
}

describe.each(IMPLEMENTATIONS)('what lags, sent by %s', (implementation) => {
  it('lets pictures leave at the rate, while sound does not wait for them', async () => {
    const { egress, came } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    const [pictures, sound] = [egress.openLane(PICTURES), egress.openLane(SOUND)];
    const follow = { from: 0, number: 0, maxQueueMs: 10_000 };
    egress.follow(peer, { ...follow, lane: pictures, format: format({ transportSequenceId: 1 }) });
    egress.follow(peer, { ...follow, lane: sound, format: format({ ssrc: 2222 }) });
    egress.setPacing(peer, 800_000, 2000);
    const startMs = performance.now();
    for (const at of range(0, 4)) pushAll(egress, pictures, picture(at, at === 0));
    pushAll(egress, sound, [lanePacket(0, { bytes: 60, startPoint: true })]);
    await until(() => client.packets.some(({ ssrc }) => ssrc === 2222));
    // All four pictures take a third of a second at 100 bytes a millisecond.
    expect(client.packets.findIndex(({ ssrc }) => ssrc === 2222)).toBeLessThan(3 * PACKETS);
    await until(() => client.numbers(1111).length === 4 * PACKETS);
    expect(performance.now() - startMs).toBeGreaterThan((4 * PICTURE_BYTES - 2000 - 1200) / 100 - 5);
    expect(client.numbers(1111)).toEqual(range(0, 4 * PACKETS));
    expect(egress.trackState(peer, 1111)).toMatchObject({ lagMs: 0, packets: 4 * PACKETS, lastTimestamp: 9000 });
    const sent = new Float64Array(SENT_FIELDS * 100);
    const count = egress.sentSince(peer, 1, sent);
    for (let first = 0, bytes = 0; first < count; first++) {
      bytes += sent[SENT_FIELDS * first + 2] ?? 0;
      // Never more than the burst, the time that passed and one packet beyond.
      const passedMs = (sent[SENT_FIELDS * first + 1] ?? 0) - startMs;
      expect(bytes).toBeLessThan(2000 + 100 * (passedMs + 5) + 1200);
    }
    expect(came).toEqual([]);
  });

  it('goes on after packets that were lost before its first one', async () => {
    const { egress, came } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    const lane = egress.openLane(PICTURES);
    egress.follow(peer, { lane, from: 10, number: 100, maxQueueMs: 500, format: format() });
    pushAll(egress, lane, [lanePacket(12), lanePacket(13)]);
    await until(() => client.packets.length === 2);
    pushAll(egress, lane, [lanePacket(11)]);
    await until(() => client.packets.length === 3);
    expect(client.packets.map(({ sequence }) => sequence)).toEqual([102, 103, 101]);
    expect(came).toEqual([]);
  });

  it('gives pictures up to the newest start point, after the one that has begun, without a gap in the numbers', async () => {
    const { egress, came } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    const lane = egress.openLane(PICTURES);
    egress.follow(peer, { lane, from: 0, number: 65_530, maxQueueMs: 60, format: format() });
    egress.setPacing(peer, 80_000, 1000);
    for (const at of range(0, 4)) pushAll(egress, lane, picture(at, at === 0));
    await until(() => came.some(({ kind }) => kind === 'dropped'));
    expect(came.map(({ kind, peer: of, change }) => [kind, of, change])).toEqual([
      ['dropped', peer, { ssrc: 1111, sequence: PACKETS, number: 65_530 + PACKETS - 1 }],
    ]);
    pushAll(egress, lane, picture(4));
    pushAll(egress, lane, picture(5, true));
    egress.setPacing(peer, 0, 0);
    await until(() => client.packets.length === 2 * PACKETS);
    expect(came[1]).toMatchObject({ kind: 'resumed', change: { sequence: 5 * PACKETS, number: 65_530 + PACKETS } });
    expect(client.numbers(1111)).toEqual(range(65_530, 2 * PACKETS).map((number) => number & 0xffff));
    expect(client.packets.map(({ timestamp }) => timestamp / 3000)).toEqual([
      ...range(0, PACKETS).map(() => 0),
      ...range(0, PACKETS).map(() => 5),
    ]);
    expect(egress.unfollow(peer, 1111)).toMatchObject({
      nextSequence: 6 * PACKETS,
      lastNumber: 65_530 + 2 * PACKETS - 1,
      lastTimestamp: 15_000,
      packets: 2 * PACKETS,
      drops: 1,
      numberOffset: 65_530 + PACKETS - 5 * PACKETS,
      segment: 5 * PACKETS,
      awaitsStart: false,
    });
    expect(egress.stats().laneDrops).toBe(1);
  });

  it('sends the newest start point, however late: on a thin way there would never be a picture', async () => {
    const { egress, came } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    const lane = egress.openLane(PICTURES);
    egress.setPacing(peer, 400_000, 1);
    egress.follow(peer, { lane, from: 0, number: 0, maxQueueMs: 20, format: format() });
    pushAll(egress, lane, picture(0, true));
    await until(() => client.packets.length === 1);
    pushAll(egress, lane, picture(1, true));
    await until(() => client.packets.length === 2 * PACKETS);
    expect(client.numbers(1111)).toEqual(range(0, 2 * PACKETS));
    expect(came.map(({ kind }) => kind)).toEqual(['dropped', 'resumed']);
  });

  it('goes on at a start point when the lane has lost what was next', async () => {
    const { egress, came } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    const lane = egress.openLane({ ...PICTURES, maxPackets: 20 });
    egress.setPacing(peer, 8000, 1);
    egress.follow(peer, { lane, from: 0, number: 0, maxQueueMs: 60_000, format: format() });
    pushAll(egress, lane, picture(0, true));
    await until(() => client.packets.length === 1);
    await until(() => (egress.trackState(peer, 1111)?.lagMs ?? 0) > 0);
    expect(egress.trackState(peer, 1111)).toMatchObject({ nextSequence: 1, lastNumber: 0, packets: 1, drops: 0 });
    for (const at of range(1, 3)) pushAll(egress, lane, picture(at, at === 2));
    egress.setPacing(peer, 0, 0);
    await until(() => client.packets.length === 1 + 2 * PACKETS);
    expect(client.packets.slice(1).map(({ timestamp }) => timestamp)).toEqual(
      range(2, 2).flatMap((at) => range(0, PACKETS).map(() => at * 3000)),
    );
    expect(client.numbers(1111)).toEqual(range(0, 1 + 2 * PACKETS));
    expect(came.map(({ kind }) => kind)).toEqual(['dropped', 'resumed']);
  });

  it('keeps a lane within its bytes and its age', async () => {
    const { egress } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    const small = egress.openLane({ ...PICTURES, maxBytes: 2000 });
    const young = egress.openLane({ ...PICTURES, maxAgeMs: 30 });
    const resend = (lane: number, sequence: number, number: number): void =>
      egress.resend(peer, { lane, sequence, number, originalNumber: sequence, format: format({ ssrc: lane }) });
    pushAll(
      egress,
      small,
      range(0, 20).map((sequence) => lanePacket(sequence)),
    );
    for (const sequence of [9, 10, 19]) resend(small, sequence, sequence);
    pushAll(egress, young, [lanePacket(0)]);
    const pushedMs = performance.now();
    await until(() => performance.now() - pushedMs > 40);
    pushAll(egress, young, [lanePacket(1)]);
    for (const sequence of [0, 1]) resend(young, sequence, sequence);
    await until(() => client.packets.length === 3);
    expect([client.numbers(small), client.numbers(young)]).toEqual([[10, 19], [1]]);
    expect(egress.stats().resendMisses).toBe(2);
  });
});
