import { parseRtp, writeRtp } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { SENT_FIELDS } from './egress.ts';
import { rtcpPacket, withRoom } from './srtp/testing/packets.ts';
import {
  Client,
  cleanUpAfterEach,
  format,
  IMPLEMENTATIONS,
  lanePacket,
  type OpenPort,
  openPort,
  PROFILES,
  pushAll,
  range,
  SOUND,
  until,
} from './testing/rig.ts';

cleanUpAfterEach();

const REPORT = Buffer.from('81cb000100000457', 'hex');

function rtp(sequence: number): Buffer {
  const header = { payloadType: 96, marker: false, sequence, timestamp: 0, ssrc: 7, extensions: [] };
  return Buffer.from(writeRtp(header, Buffer.from([sequence])));
}

/** Datagrams for that peer that are to be sent another way. */
function sealed({ came }: OpenPort, peer: number): Buffer[] {
  return came.filter((one) => one.kind === 'sealed' && one.peer === peer).map(({ bytes }) => Buffer.from(bytes, 'hex'));
}

describe.each(IMPLEMENTATIONS)('a peer that is reached another way, by %s', (implementation) => {
  it.each(PROFILES)('is sealed for by the same numbers as before, whichever way it goes: %s', async (profile) => {
    const port = await openPort(implementation);
    const { egress } = port;
    const client = await Client.open(profile);
    const peer = client.join(egress);
    let sent = 0;
    const send = (): void => {
      for (const _ of range(0, 10)) egress.sendRtp(peer, rtp(sent++ & 0xff));
      egress.sendRtcp(peer, REPORT);
    };
    send();
    await until(() => client.packets.length === 10 && client.rtcp.length === 1);
    egress.divert(peer);
    send();
    await until(() => sealed(port, peer).length === 11);
    egress.setAddress(peer, '127.0.0.1', client.port);
    send();
    await until(() => client.packets.length === 20 && client.rtcp.length === 2);
    // One receiver opens all of it: no index came twice, or it would be refused as replayed.
    for (const datagram of sealed(port, peer)) {
      const isRtcp = (datagram[1] ?? 0) >= 192 && (datagram[1] ?? 0) <= 223;
      if (isRtcp) expect(client.receiver.unprotectRtcp(datagram)?.equals(REPORT)).toBe(true);
      else {
        const opened = client.receiver.unprotectRtp(datagram);
        expect(opened && parseRtp(opened).sequence).toBeGreaterThanOrEqual(10);
      }
    }
    expect(client.receiver.counters).toMatchObject({ unauthentic: 0, replayed: 0 });
    expect(client.unopened).toBe(0);
  });

  it('follows lanes as well', async () => {
    const port = await openPort(implementation);
    const { egress } = port;
    const client = await Client.open();
    const peer = egress.addPeer(client.keys);
    const lane = egress.openLane({ ...SOUND, maxPackets: 1024 });
    egress.follow(peer, { lane, from: 0, number: 0, maxQueueMs: 500, format: format() });
    pushAll(egress, lane, [lanePacket(0), lanePacket(1)]);
    egress.divert(peer);
    pushAll(
      egress,
      lane,
      range(2, 598).map((sequence) => lanePacket(sequence)),
    );
    await until(() => sealed(port, peer).length === 600);
    const numbers = sealed(port, peer).map((datagram) => datagram.readUInt16BE(2));
    expect(numbers).toEqual(range(0, 600));
  });

  it('has what came opened, once', async () => {
    const { egress, came } = await openPort(implementation);
    const client = await Client.open();
    const peer = egress.addPeer(client.keys);
    const packet = Buffer.alloc(64);
    packet.set(rtp(5));
    const bytes = client.sender.protectRtp(packet, rtp(5).length);
    const datagram = packet.subarray(0, bytes);
    for (const _ of range(0, 3)) egress.takeIn(peer, Buffer.from(datagram));
    egress.takeIn(peer, Buffer.from([1, 2, 3]));
    egress.takeIn(peer, Buffer.alloc(0));
    egress.takeIn(peer + 7, Buffer.from(datagram));
    await until(() => came.length === 1);
    expect(came[0]).toMatchObject({ kind: 'rtp', peer, bytes: rtp(5).toString('hex') });
    expect(egress.peerStats(peer)).toMatchObject({ replayed: 2, unauthentic: 0 });
  });

  it('has its reports handed on though nothing else comes', async () => {
    const { egress, came } = await openPort(implementation);
    const client = await Client.open();
    const peer = egress.addPeer(client.keys);
    for (const count of range(1, 5)) {
      const packet = withRoom(rtcpPacket(7, count));
      egress.takeIn(peer, packet.subarray(0, client.sender.protectRtcp(packet, rtcpPacket(7, count).length)));
      await until(() => came.length === count);
      expect(came.at(-1)).toMatchObject({ kind: 'rtcp', peer, bytes: rtcpPacket(7, count).toString('hex') });
    }
  });
});

describe.each(IMPLEMENTATIONS)('marks, by %s', (implementation) => {
  it('come back with what left', async () => {
    const { egress } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    const header = { payloadType: 96, marker: false, timestamp: 0, ssrc: 7 };
    for (const sequence of range(0, 300)) {
      const extensions = [{ id: 3, value: new Uint8Array(2) }];
      const packet = writeRtp({ ...header, sequence, extensions }, Buffer.from([1]));
      egress.sendRtp(peer, packet, { transportSequenceAt: 17, mark: sequence * 200 });
    }
    await until(() => client.packets.length === 300);
    const out = new Float64Array(SENT_FIELDS * 400);
    expect(egress.sentSince(peer, 101, out)).toBe(200);
    expect([out[0], out[3], out[SENT_FIELDS + 3]]).toEqual([101, 20_000, 20_200]);
  });
});
