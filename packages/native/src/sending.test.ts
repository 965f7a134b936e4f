import { extension, parseRtp, writeRtp } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { prng } from '../../media/src/testing/mutate.ts';
import { SENT_FIELDS } from './egress.ts';
import { openSealed } from './srtp/testing/libsrtp.ts';
import {
  Client,
  cleanUpAfterEach,
  format,
  frame,
  IMPLEMENTATIONS,
  lanePacket,
  openPort,
  PICTURES,
  PROFILES,
  pushAll,
  range,
  SOUND,
  until,
} from './testing/rig.ts';

cleanUpAfterEach();

const AUDIO_SSRC = 2222;
const RTX_SSRC = 3333;

function rtp(sequence: number, more: { readonly ssrc?: number; readonly payload?: Uint8Array } = {}): Uint8Array {
  const fields = { payloadType: 96, marker: true, sequence: sequence & 0xffff, timestamp: sequence * 3000 };
  return writeRtp({ ...fields, ssrc: more.ssrc ?? 1111 }, more.payload ?? lanePacket(sequence).payload);
}

describe.each(IMPLEMENTATIONS)('sending by %s', (implementation) => {
  it('sends what was written for single peers, and what was pushed once, to everybody who follows', async () => {
    const { egress } = await openPort(implementation);
    const clients = await Promise.all(range(0, 20).map((i) => Client.open(PROFILES[i % 2])));
    const picture = egress.openLane(PICTURES);
    const sound = egress.openLane(SOUND);
    for (const [i, client] of clients.entries()) {
      const peer = client.join(egress);
      egress.follow(peer, { lane: picture, from: 0, number: 100 * i, maxQueueMs: 500, format: format() });
      const audio = format({ ssrc: AUDIO_SSRC, payloadType: 111 });
      egress.follow(peer, { lane: sound, from: 0, number: 65_530, maxQueueMs: 500, format: audio });
      egress.sendRtp(peer, rtp(7, { ssrc: RTX_SSRC }));
      egress.sendRtcp(peer, Buffer.from('80c9000100000001', 'hex'));
      egress.sendRaw('127.0.0.1', client.port, Buffer.from(`0001${i.toString(16).padStart(4, '0')}`, 'hex'));
    }
    for (let i = 0; i < 10; i++) {
      pushAll(egress, picture, frame(i * 5, 5, { timestamp: i * 3000, startPoint: i === 0 }));
      pushAll(egress, sound, [lanePacket(i, { bytes: 100, startPoint: true, timestamp: i * 960 })]);
    }
    for (const [i, client] of clients.entries()) {
      await until(() => client.packets.length === 61);
      expect(client.numbers(1111)).toEqual(range(100 * i, 50));
      expect(client.numbers(AUDIO_SSRC)).toEqual(range(65_530, 10).map((number) => number & 0xffff));
      expect(client.numbers(RTX_SSRC)).toEqual([7]);
      expect(client.rtcp).toEqual(['80c9000100000001']);
      expect(client.other).toHaveLength(1);
      for (const packet of client.packets.filter(({ ssrc }) => ssrc === 1111)) {
        const sequence = packet.sequence - 100 * i;
        const sent = frame(sequence, 5 - (sequence % 5), { timestamp: 0 })[0];
        expect(Buffer.from(packet.payload).equals(sent?.payload ?? Buffer.alloc(0))).toBe(true);
        expect([packet.timestamp, packet.marker]).toEqual([Math.floor(sequence / 5) * 3000, sequence % 5 === 4]);
      }
      expect(client.unopened).toBe(0);
    }
    expect(egress.stats()).toMatchObject({ refused: 0, dropped: 0, unreachable: 0, peers: 20, lanes: 2 });
  });

  it.each(PROFILES)(
    'is opened by libsrtp and by our own receiver, across roll-overs of the number: %s',
    async (profile) => {
      const { egress } = await openPort(implementation);
      const client = await Client.open(profile);
      const peer = client.join(egress);
      const lane = egress.openLane({ ...PICTURES, maxPackets: 65_536 });
      egress.follow(peer, { lane, from: 900, number: 65_400, maxQueueMs: 5000, format: format({ sendTimeId: 3 }) });
      const random = prng(3711);
      // Numbers of the lane leap, so that several roll-overs take few packets.
      let sequence = 0;
      for (let i = 0; i < 400; i++) {
        sequence += i % 4 === 0 ? 900 : 1;
        pushAll(egress, lane, [lanePacket(sequence, { bytes: 1 + Math.floor(random() * 1190) })]);
        if (i % 10 === 0) egress.sendRtcp(peer, Buffer.from('80c9000100000001', 'hex'));
        if (i % 20 === 0) await until(() => client.packets.length === i + 1);
      }
      await until(() => client.packets.length === 400 && client.rtcp.length === 40);
      expect(sequence).toBeGreaterThan(65_536);
      expect(client.packets.at(-1)?.sequence).toBe((65_400 + sequence - 900) & 0xffff);
      expect(client.unopened).toBe(0);
      const opened = openSealed(profile, client.keys.send, client.sealed);
      expect(opened.filter((line) => line.startsWith('error'))).toEqual([]);
      const packets = opened.map((line) => Buffer.from(line, 'hex')).filter((bytes) => bytes[1] !== 201);
      const payloads = packets.map((bytes) => Buffer.from(parseRtp(bytes).payload).toString('hex'));
      expect(payloads).toEqual(client.packets.map(({ payload }) => Buffer.from(payload).toString('hex')));
      await egress.close();
    },
  );

  it('goes over from packets of its own to a lane and back, with nothing twice and nothing left out', async () => {
    const { egress } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    const lane = egress.openLane(PICTURES);
    const random = prng(7);
    let sequence = 0;
    let number = 65_000;
    let isFollowing = false;
    for (let i = 0; i < 600; i++) {
      if (random() < 0.2) {
        if (isFollowing) {
          const state = egress.unfollow(peer, 1111);
          // The lane has it, and the thread has not come to it.
          for (let at = state?.nextSequence ?? 0; at < sequence; at++)
            egress.sendRtp(peer, rtp((state?.lastNumber ?? 0) + 1 + at - (state?.nextSequence ?? 0)));
        } else egress.follow(peer, { lane, from: sequence, number, maxQueueMs: 5000, format: format() });
        isFollowing = !isFollowing;
      }
      if (!isFollowing) egress.sendRtp(peer, rtp(number));
      pushAll(egress, lane, [lanePacket(sequence)]);
      sequence++;
      number++;
      if (i % 50 === 0) await until(() => client.packets.length === i + 1);
    }
    await until(() => client.packets.length === 600);
    expect(client.numbers(1111)).toEqual(range(65_000, 600).map((one) => one & 0xffff));
    expect(egress.stats().refused).toBe(0);
  });

  it('fills in transport-wide numbers and times at the moment of sending, in one order for all tracks', async () => {
    const { egress } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    const lane = egress.openLane(PICTURES);
    const ids = { transportSequenceId: 5, sendTimeId: 3, orientationId: 20 };
    egress.follow(peer, { lane, from: 0, number: 0, maxQueueMs: 500, format: format(ids) });
    const beforeMs = performance.now();
    for (let i = 0; i < 5; i++) {
      pushAll(egress, lane, [lanePacket(i, { orientation: 2 })]);
      const extensions = [
        { id: 5, value: new Uint8Array(2) },
        { id: 3, value: new Uint8Array(3) },
      ];
      const fields = { payloadType: 97, marker: false, sequence: i, timestamp: 0, ssrc: RTX_SSRC, extensions };
      egress.sendRtp(peer, writeRtp(fields, Buffer.alloc(50)), { transportSequenceAt: 17, sendTimeAt: 20 });
      await until(() => client.packets.length === 2 * (i + 1));
    }
    const afterMs = performance.now();
    const numbers = client.packets.map((packet) => Buffer.from(extension(packet, 5) ?? []).readUInt16BE());
    expect(numbers.toSorted((a, b) => a - b)).toEqual(range(1, 10));
    for (const packet of client.packets) {
      const ms = Buffer.from(extension(packet, 3) ?? []).readUIntBE(0, 3) / 262.144;
      expect(ms).toBeGreaterThan((beforeMs % 64_000) - 1);
      expect(ms).toBeLessThan((afterMs % 64_000) + 1);
    }
    expect(client.packets.filter((packet) => extension(packet, 20)?.[0] === 2)).toHaveLength(5);
    const out = new Float64Array(SENT_FIELDS * 100);
    expect(egress.sentSince(peer, 4, out)).toBe(7);
    expect([0, 1, 6].map((at) => out[at * SENT_FIELDS])).toEqual([4, 5, 10]);
    expect(out[1]).toBeGreaterThan(beforeMs - 1);
    expect(out[1]).toBeLessThan(afterMs + 1);
    expect(egress.sentSince(peer, 1, out.subarray(0, 2 * SENT_FIELDS))).toBe(2);
    expect(egress.peerStats(peer)?.nextTransportNumber).toBe(11);
  });

  it('remembers thousands of packets that nobody has reported on, and no more than it is to', async () => {
    const { egress } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    const lane = egress.openLane(PICTURES);
    egress.follow(peer, { lane, from: 0, number: 0, maxQueueMs: 5000, format: format({ transportSequenceId: 5 }) });
    for (let i = 0; i < 90; i++) {
      pushAll(
        egress,
        lane,
        range(i * 100, 100).map((sequence) => lanePacket(sequence, { bytes: 20 })),
      );
      await until(() => egress.peerStats(peer)?.packets === (i + 1) * 100);
    }
    const out = new Float64Array(SENT_FIELDS * 10_000);
    const count = egress.sentSince(peer, 1, out);
    expect(count).toBeLessThanOrEqual(8192);
    expect(out[SENT_FIELDS * (count - 1)]).toBe(9000);
  });

  it('sends a packet of a lane again under the numbers of its retransmission', async () => {
    const { egress } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    const lane = egress.openLane({ ...PICTURES, maxPackets: 20 });
    egress.follow(peer, { lane, from: 0, number: 500, maxQueueMs: 500, format: format({ timestampOffset: 9 }) });
    for (const first of [0, 15]) {
      pushAll(
        egress,
        lane,
        range(first, 15).map((sequence) => lanePacket(sequence)),
      );
      await until(() => client.packets.length === first + 15);
    }
    const rtx = format({ ssrc: RTX_SSRC, payloadType: 97, timestampOffset: 9 });
    egress.resend(peer, { lane, sequence: 25, number: 65_535, originalNumber: 525, format: rtx });
    egress.resend(peer, { lane, sequence: 3, number: 65_536, originalNumber: 503, format: rtx });
    egress.resend(peer, { lane, sequence: 26, number: 65_536, originalNumber: 526, format: rtx });
    await until(() => client.numbers(RTX_SSRC).length === 2);
    const [first, second] = client.packets.filter(({ ssrc }) => ssrc === RTX_SSRC);
    expect([first?.sequence, first?.payloadType, first?.timestamp]).toEqual([65_535, 97, 25 * 3000 + 9]);
    expect(Buffer.from(first?.payload ?? []).readUInt16BE()).toBe(525);
    expect(Buffer.from(first?.payload.subarray(2) ?? []).equals(lanePacket(25).payload)).toBe(true);
    expect([second?.sequence, Buffer.from(second?.payload ?? []).readUInt16BE()]).toEqual([0, 526]);
    expect(egress.stats().resendMisses).toBe(1);
  });

  it('refuses a number that was used, but for the very same packet where the peer may get it again', async () => {
    const { egress } = await openPort(implementation);
    const once = await Client.open();
    const again = await Client.open();
    const peers = [once.join(egress), again.join(egress, { allowRepeats: true })];
    const lane = egress.openLane(PICTURES);
    for (const peer of peers) {
      egress.follow(peer, { lane, from: 0, number: 10, maxQueueMs: 500, format: format() });
    }
    pushAll(egress, lane, [lanePacket(0)]);
    await until(() => once.packets.length === 1 && again.sealed.length === 1);
    for (const peer of peers) {
      egress.resend(peer, { lane, sequence: 0, number: 10, format: format() });
      egress.resend(peer, { lane, sequence: 0, number: 10, format: format({ timestampOffset: 1 }) });
      egress.sendRtp(peer, rtp(10, { payload: Buffer.alloc(10) }));
      egress.sendRtp(peer, Buffer.from('not RTP at all'));
      egress.sendRtp(peer, rtp(11));
    }
    await until(() => once.packets.length === 2 && again.sealed.length === 3);
    expect(again.sealed[1]?.equals(again.sealed[0] ?? Buffer.alloc(0))).toBe(true);
    expect(peers.map((peer) => egress.peerStats(peer)?.refused)).toEqual([4, 3]);
    expect(egress.stats().refused).toBe(7);
  });

  it('sends what comes late into a lane to those who have passed its place, once', async () => {
    const { egress } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    const lane = egress.openLane(PICTURES);
    egress.follow(peer, { lane, from: 2, number: 102, maxQueueMs: 500, format: format() });
    for (const sequence of [2, 3, 6, 4, 4, 1, 7, 5]) {
      pushAll(egress, lane, [lanePacket(sequence)]);
      await until(() => egress.stats().queuedBytes === 0);
    }
    await until(() => client.packets.length === 6);
    expect(client.numbers(1111)).toEqual([102, 103, 106, 104, 107, 105]);
    expect(egress.stats().refused).toBe(0);
  });

  it('moves the numbers of VP8', async () => {
    const { egress } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    const lane = egress.openLane(PICTURES);
    const vp8 = { pictureIdOffset: -3, tl0Offset: 10 };
    egress.follow(peer, { lane, from: 0, number: 0, maxQueueMs: 500, format: format({ vp8 }) });
    const payloads = ['90c08001fa0011', '90c07efa0011', '904005aabb', '10aabbccdd', '90e0800120aa'];
    for (const [sequence, payload] of payloads.entries())
      pushAll(egress, lane, [lanePacket(sequence, { payload: Buffer.from(payload, 'hex') })]);
    await until(() => client.packets.length === payloads.length);
    expect(client.packets.map(({ payload }) => Buffer.from(payload).toString('hex'))).toEqual([
      '90c0fffe040011',
      '90c07b040011',
      '90400faabb',
      '10aabbccdd',
      '90e0fffe2aaa',
    ]);
  });
});

it('both send the same bytes', async () => {
  const sent: string[][] = [];
  for (const implementation of IMPLEMENTATIONS) {
    const { egress } = await openPort(implementation);
    const client = await Client.open();
    const send = { key: Buffer.alloc(16, 1), salt: Buffer.alloc(12, 2) };
    const peer = client.join(egress, { send });
    const lane = egress.openLane(PICTURES);
    const ids = { transportSequenceId: 1, orientationId: 2, timestampOffset: 2 ** 31 };
    egress.follow(peer, { lane, from: 0, number: 65_530, maxQueueMs: 500, format: format(ids) });
    pushAll(egress, lane, [...frame(0, 20, { timestamp: 77 }), lanePacket(20, { orientation: 3 })]);
    egress.sendRtcp(peer, Buffer.from('80c9000100000001', 'hex'));
    await until(() => client.sealed.length === 22);
    const datagrams = client.sealed.map((datagram) => datagram.toString('hex'));
    sent.push(datagrams.toSorted((a, b) => (a < b ? -1 : 1)));
    await egress.close();
  }
  expect(sent[0]).toEqual(sent[1]);
});
