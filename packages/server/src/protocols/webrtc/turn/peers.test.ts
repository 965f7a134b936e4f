import { describe, expect, it } from 'vitest';
import { MEDIA_PORT } from './testing/scripted-port.ts';
import { OWN, ScriptedService } from './testing/scripted-service.ts';
import { ATTRIBUTE, FAMILY, METHOD } from './wire/constants.ts';
import { readTurnMessage } from './wire/read.ts';
import { writeChannelData } from './wire/write.ts';

const MEDIA = { address: OWN, port: MEDIA_PORT };
const PACKET = Buffer.from('a datagram');
const family = (number: number): Buffer => Buffer.from([number, 0, 0, 0]);

describe('peers', () => {
  it.each([
    '127.0.0.1',
    '0.0.0.0',
    '10.0.0.1',
    '192.168.1.1',
    '172.16.0.1',
    '169.254.169.254',
    '224.0.0.1',
    '255.255.255.255',
    '8.8.8.8',
  ])('are refused when they are %s, whatever the media says is its own', (address) => {
    const script = new ScriptedService();
    const client = script.client();
    client.allocate();
    expect(client.permit({ address, port: MEDIA_PORT })?.errorCode).toBe(403);
    expect(client.bind(0x4001, { address, port: MEDIA_PORT })?.errorCode).toBe(403);
    client.sendTo({ address, port: MEDIA_PORT }, PACKET);
    expect(script.port.received).toEqual([]);
    expect(script.counters.of('turn_denied_peers')).toBe(2);
    expect(script.tallies.dropped).toBe(1);
  });

  it.each([
    '::',
    '::1',
    '::ffff:203.0.113.5',
    '::203.0.113.5',
    'fe80::1',
    'fc00::1',
    'ff02::1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
  ])('are refused when they are %s, which may mean another address', (address) => {
    const script = new ScriptedService();
    const client = script.client();
    client.allocate((w) => w.attribute(ATTRIBUTE.requestedAddressFamily, family(FAMILY.IPv6)));
    expect(client.permit({ address, port: MEDIA_PORT })?.errorCode).toBe(403);
    expect(client.bind(0x4001, { address, port: MEDIA_PORT })?.errorCode).toBe(403);
  });

  it('are refused even if the media took any address, group or other spelling for its own', () => {
    const script = new ScriptedService();
    script.port.isOwn = () => true;
    const client = script.client();
    client.allocate();
    for (const address of ['0.0.0.0', '0.1.2.3', '239.1.1.1', '255.255.255.255'])
      expect(client.permit({ address, port: MEDIA_PORT })?.errorCode).toBe(403);
    const other = script.client();
    other.allocate((w) => w.attribute(ATTRIBUTE.requestedAddressFamily, family(FAMILY.IPv6)));
    for (const address of ['::', '::1', '::ffff:127.0.0.1', '::127.0.0.1', 'ff02::1'])
      expect(other.permit({ address, port: MEDIA_PORT })?.errorCode).toBe(address === '::1' ? undefined : 403);
  });

  it('are our media and no other port of this server: not TURN itself, not another allocation', () => {
    const script = new ScriptedService();
    const client = script.client();
    const other = script.client();
    client.allocate();
    const relayed = other.allocate()?.relayedAddress;
    expect(client.permit(MEDIA)?.class).toBe('success');
    for (const port of [3478, 22, 0, relayed?.port ?? 0]) {
      expect(client.bind(0x4001, { address: OWN, port })?.errorCode).toBe(403);
      client.sendTo({ address: OWN, port }, PACKET);
    }
    expect(script.port.received).toEqual([]);
    expect(other.sent).toHaveLength(2);
  });

  it('are permitted together or not at all', () => {
    const script = new ScriptedService();
    const client = script.client();
    client.allocate();
    expect(client.permit(MEDIA, { address: '10.0.0.1', port: MEDIA_PORT })?.errorCode).toBe(403);
    client.sendTo(MEDIA, PACKET);
    expect(script.port.received).toEqual([]);
    expect(client.permit()?.errorCode).toBe(400);
  });

  it('are heard as long as a permission is there, five minutes', () => {
    const script = new ScriptedService();
    const client = script.client();
    const relayed = client.allocate()?.relayedAddress;
    client.refresh(3600);
    client.sendTo(MEDIA, PACKET);
    expect(script.port.received).toEqual([]);
    client.permit({ ...MEDIA, port: 1 });
    client.sendTo(MEDIA, PACKET);
    const { source, datagram } = script.port.received[0] ?? {};
    expect(datagram).toEqual(PACKET);
    expect(source).toMatchObject({ via: 'relay', ...relayed });
    source?.send(Buffer.from('an answer'));
    expect(readTurnMessage(client.sent.at(-1) as Buffer)).toMatchObject({
      method: METHOD.data,
      class: 'indication',
      peers: [MEDIA],
      data: Buffer.from('an answer'),
    });
    client.sendTo(MEDIA, PACKET);
    expect(script.port.received[1]?.source).toBe(source);
    script.pass(299);
    client.permit(MEDIA);
    script.pass(299);
    expect(script.port.forgotten).toEqual([]);
    script.pass(1);
    expect(script.port.forgotten).toEqual([source]);
    const before = client.sent.length;
    source?.send(PACKET);
    expect(client.sent).toHaveLength(before);
    client.sendTo(MEDIA, PACKET);
    expect(script.port.received).toHaveLength(2);
  });

  it('are bounded for each allocation', () => {
    const script = new ScriptedService({ limits: { maxPeers: 2 } });
    script.port.isOwn = () => true;
    const client = script.client();
    client.allocate();
    const peer = (last: number) => ({ address: `203.0.113.${last}`, port: MEDIA_PORT });
    expect(client.permit(peer(1), peer(2))?.class).toBe('success');
    expect(client.permit(peer(3))?.errorCode).toBe(508);
    expect(client.bind(0x4000, peer(1))?.class).toBe('success');
    expect(client.bind(0x4001, peer(2))?.class).toBe('success');
    expect(client.bind(0x4002, { ...peer(2), port: 1 })?.errorCode).toBe(508);
  });
});

describe('channels', () => {
  it.each(['udp', 'tcp'] as const)('carry datagrams both ways by %s', (transport) => {
    const script = new ScriptedService();
    const client = script.client({ transport });
    client.allocate();
    expect(client.bind(0x4abc, MEDIA)?.class).toBe('success');
    expect(client.raw(writeChannelData(0x4abc, PACKET, transport === 'udp'))).toBe('taken');
    expect(script.port.received[0]?.datagram).toEqual(PACKET);
    script.port.received[0]?.source.send(PACKET);
    const frame = Buffer.concat([Buffer.from([0x4a, 0xbc, 0, PACKET.length]), PACKET]);
    expect(client.sent.at(-1)).toEqual(transport === 'udp' ? frame : Buffer.concat([frame, Buffer.alloc(2)]));
    expect(script.tallies).toEqual({ relayedIn: 1, relayedOut: 1, dropped: 0, malformed: 0 });
  });

  it('are of one peer, and a peer has one', () => {
    const script = new ScriptedService();
    script.port.isOwn = () => true;
    const client = script.client();
    client.allocate();
    expect(client.bind(0x4000, MEDIA)?.class).toBe('success');
    expect(client.bind(0x4000, MEDIA)?.class).toBe('success');
    expect(client.bind(0x4000, { address: OWN, port: 9 })?.errorCode).toBe(400);
    expect(client.bind(0x4001, MEDIA)?.errorCode).toBe(400);
    for (const number of [0, 0x3fff, 0x5000, 0xffff]) expect(client.bind(number, MEDIA)?.errorCode).toBe(400);
  });

  it('end after ten minutes, and then carry nothing', () => {
    const script = new ScriptedService();
    const client = script.client();
    client.allocate();
    client.refresh(3600);
    client.bind(0x4000, MEDIA);
    script.pass(599);
    client.raw(writeChannelData(0x4000, PACKET, false));
    expect(script.port.received).toHaveLength(1);
    script.pass(1);
    client.raw(writeChannelData(0x4000, PACKET, false));
    expect(script.port.received).toHaveLength(1);
    expect(script.port.forgotten).toEqual([script.port.received[0]?.source]);
    expect(client.bind(0x4001, MEDIA)?.class).toBe('success');
  });

  it('drop what is for a channel or a client that is not there, and what a client does not take', () => {
    const script = new ScriptedService();
    const client = script.client();
    client.raw(writeChannelData(0x4000, PACKET, false));
    client.sendTo(MEDIA, PACKET);
    client.allocate();
    client.raw(writeChannelData(0x4000, PACKET, false));
    client.bind(0x4000, MEDIA);
    client.raw(writeChannelData(0x4000, PACKET, false));
    client.isFull = true;
    expect(script.port.received[0]?.source.send(PACKET)).toBe(true);
    expect(script.tallies).toEqual({ relayedIn: 1, relayedOut: 0, dropped: 4, malformed: 0 });
  });
});
