import { describe, expect, it } from 'vitest';
import { rtcpPacket, rtpPacket, withRoom } from './srtp/testing/packets.ts';
import { Client, cleanUpAfterEach, IMPLEMENTATIONS, openPort, PROFILES, range, until } from './testing/rig.ts';

cleanUpAfterEach();

function sealRtp(client: Client, plain: Buffer): Buffer {
  const packet = withRoom(plain);
  return packet.subarray(0, client.sender.protectRtp(packet, plain.length));
}

function sealRtcp(client: Client, plain: Buffer): Buffer {
  const packet = withRoom(plain);
  return packet.subarray(0, client.sender.protectRtcp(packet, plain.length));
}

describe.each(IMPLEMENTATIONS)('receiving by %s', (implementation) => {
  it.each(PROFILES)('opens what a peer sends, across roll-overs, and tells whose it is: %s', async (profile) => {
    const { egress, came } = await openPort(implementation);
    const client = await Client.open(profile);
    const peer = client.join(egress);
    const plain = range(0, 60).map((i) =>
      i % 4 === 0
        ? rtcpPacket(7, i % 9)
        : rtpPacket({ sequence: 60_000 + i * 1111, payloadBytes: i * 20, extensionWords: i % 3 }),
    );
    for (const [i, packet] of plain.entries()) {
      client.send(egress, i % 4 === 0 ? sealRtcp(client, packet) : sealRtp(client, packet));
      await until(() => came.length === i + 1);
    }
    expect(came.map(({ bytes }) => bytes)).toEqual(plain.map((packet) => packet.toString('hex')));
    expect(came.map(({ kind }) => kind)).toEqual(plain.map((_, i) => (i % 4 === 0 ? 'rtcp' : 'rtp')));
    expect(new Set(came.map((one) => one.peer))).toEqual(new Set([peer]));
  });

  it('keeps the order of reports, which may wait for a moment, and of what is urgent', async () => {
    const { egress, came } = await openPort(implementation);
    const client = await Client.open();
    client.join(egress);
    const [report, goodbye] = [Buffer.from('80c90001000003e7', 'hex'), Buffer.from('81cb0001000003e7', 'hex')];
    const sent: Buffer[] = [];
    for (const i of range(0, 60)) {
      const packet = [report, goodbye, rtpPacket({ sequence: i }), report][i % 4] ?? report;
      sent.push(packet);
      client.send(egress, i % 4 === 2 ? sealRtp(client, packet) : sealRtcp(client, packet));
    }
    await until(() => came.length === sent.length);
    expect(came.map(({ bytes }) => bytes)).toEqual(sent.map((packet) => packet.toString('hex')));
  });

  it('counts what is forged, broken or comes twice, and hands none of it on', async () => {
    const { egress, came } = await openPort(implementation);
    const client = await Client.open();
    const peer = client.join(egress);
    const [rtp, rtcp] = [sealRtp(client, rtpPacket({ sequence: 5 })), sealRtcp(client, rtcpPacket(9, 3))];
    const forged = Buffer.from(sealRtp(client, rtpPacket({ sequence: 6 })));
    forged[40] = (forged[40] ?? 0) ^ 1;
    const tooShort = Buffer.from([0x80, 0xc9, 0, 0]);
    for (const datagram of [rtp, rtcp, rtp, rtcp, forged, tooShort, Buffer.from([0x80, 96])])
      client.send(egress, datagram);
    client.send(egress, sealRtp(client, rtpPacket({ sequence: 8 })));
    await until(() => came.length === 3);
    expect(egress.peerStats(peer)).toMatchObject({ received: 8, malformed: 2, unauthentic: 1, replayed: 2 });
    expect(egress.stats()).toMatchObject({ received: 8, rejected: 5 });
  });

  it('gives all else as it came, with its address, and to whom it belongs where that is known', async () => {
    const { egress, came } = await openPort(implementation);
    const known = await Client.open();
    const stranger = await Client.open();
    const moved = await Client.open();
    const peer = known.join(egress);
    const withoutKeys = egress.addPeer({ profile: 'AEAD_AES_128_GCM', send: known.keys.send });
    expect(egress.addRoute(withoutKeys, '127.0.0.1', moved.port)).toBe(true);
    known.send(egress, Buffer.from('0001', 'hex'));
    await until(() => came.length === 1);
    stranger.send(egress, Buffer.from('80600001', 'hex'));
    await until(() => came.length === 2);
    moved.send(egress, Buffer.from('80600002', 'hex'));
    await until(() => came.length === 3);
    egress.removeRoute(withoutKeys, '127.0.0.1', moved.port);
    moved.send(egress, Buffer.from('16fe', 'hex'));
    await until(() => came.length === 4);
    expect(came.map(({ kind, peer: of, bytes, from }) => [kind, of, bytes, from])).toEqual([
      ['raw', peer, '0001', `127.0.0.1 ${known.port}`],
      ['raw', 0, '80600001', `127.0.0.1 ${stranger.port}`],
      ['raw', withoutKeys, '80600002', `127.0.0.1 ${moved.port}`],
      ['raw', 0, '16fe', `127.0.0.1 ${moved.port}`],
    ]);
  });

  it('speaks IPv6', async () => {
    const { egress, came } = await openPort(implementation, { address: '::1' });
    const client = await Client.open('AEAD_AES_128_GCM', '::1');
    const peer = client.join(egress);
    client.send(egress, Buffer.from('0001', 'hex'));
    client.send(egress, sealRtp(client, rtpPacket({ sequence: 5 })));
    egress.sendRtcp(peer, rtcpPacket(3, 1));
    egress.sendRaw('::1', client.port, Buffer.from('0101', 'hex'));
    await until(() => came.length === 2 && client.rtcp.length === 1 && client.other.length === 1);
    expect(came.map(({ kind, peer: of, from }) => [kind, of, from])).toEqual([
      ['raw', peer, `::1 ${client.port}`],
      ['rtp', peer, `::1 ${client.port}`],
    ]);
  });

  it('takes a flood in batches, and loses none that it does not count', async () => {
    const { egress, came } = await openPort(implementation);
    const client = await Client.open();
    client.join(egress);
    const datagrams = range(0, 3000).map((sequence) => sealRtp(client, rtpPacket({ sequence, payloadBytes: 1000 })));
    for (const datagram of datagrams) client.send(egress, datagram);
    await until(() => {
      const { incomingDropped, kernelDropped } = egress.stats();
      return came.length + incomingDropped + kernelDropped >= datagrams.length;
    });
    expect(came.length).toBeGreaterThan(0);
    expect(new Set(came.map(({ bytes }) => bytes)).size).toBe(came.length);
  });
});

it('drops what JavaScript does not take in time, and counts it', async () => {
  const { egress, came } = await openPort('native', { maxIncomingBytes: 10_000 });
  const client = await Client.open();
  client.join(egress);
  const sent = range(0, 100).map((sequence) => sealRtp(client, rtpPacket({ sequence, payloadBytes: 1000 })));
  await Promise.all(
    sent.map((datagram) => new Promise((done) => client.socket.send(datagram, egress.port, egress.address, done))),
  );
  // We do not let go of the thread before all is there.
  const untilMs = performance.now() + 10_000;
  while (egress.stats().received < sent.length && performance.now() < untilMs);
  await until(() => came.length > 0);
  const { incomingDropped } = egress.stats();
  expect(incomingDropped).toBeGreaterThan(0);
  expect(came.length + incomingDropped).toBe(sent.length);
});
