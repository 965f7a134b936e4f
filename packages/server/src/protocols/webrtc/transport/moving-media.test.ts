import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { SRTP_PROFILES, type SrtpProfile, SrtpReceiver, SrtpSender } from '@sluice/native/srtp';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { DEFAULT_ICE_TCP } from '../options.ts';
import { isRtcp } from './demux.ts';
import type { MediaChannel, MediaKeys } from './media-channel.ts';
import { MediaTransport } from './media-transport.ts';
import { IceClient } from './testing/ice-client.ts';
import { IceTcpClient } from './testing/ice-tcp-client.ts';

const REMOTE = { ufrag: 'client', pwd: 'password-of-the-client' };
const REPORT = Buffer.from('81cb000100000457', 'hex');
const HAS_IPV6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'));
const open: { close(): Promise<void> }[] = [];

function until(check: () => void): Promise<void> {
  return vi.waitFor(check, { interval: 2, timeout: 10_000 });
}

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const each of open.splice(0).toReversed()) await each.close();
});

function keysOf(profile: SrtpProfile): MediaKeys {
  const key = () => ({ key: randomBytes(16), salt: randomBytes(SRTP_PROFILES[profile].salt) });
  return { profile, local: key(), remote: key(), allowRepeats: false };
}

function rtp(sequence: number): Buffer {
  const packet = Buffer.alloc(80);
  packet.set([0x80, 96]);
  packet.writeUInt16BE(sequence & 0xffff, 2);
  packet.writeUInt32BE(1234, 8);
  return packet;
}

/** A peer whose media are encrypted, and the client's side of that. */
class Moving {
  readonly came: string[] = [];
  readonly transport: MediaTransport;
  readonly link;
  readonly receiver: SrtpReceiver;
  readonly sender: SrtpSender;
  readonly keys: MediaKeys;
  channel: MediaChannel | undefined;
  sequence = 65_500;
  sent = 0;

  constructor(transport: MediaTransport, profile: SrtpProfile) {
    this.transport = transport;
    this.keys = keysOf(profile);
    this.receiver = new SrtpReceiver(profile, this.keys.local);
    this.sender = new SrtpSender(profile, this.keys.remote);
    const peer = {
      onDtls: () => {},
      onSrtp: (datagram: Buffer, nowMs: number) => this.channel?.receive(datagram, nowMs),
      onPathChanged: () => {},
    };
    this.link = transport.register(peer, REMOTE);
  }

  /** As after the handshake. */
  connect(): void {
    const take = (packet: Buffer): unknown => this.came.push(packet.toString('hex'));
    this.channel = this.link.openMedia(this.keys, {
      onRtp: (packet) => take(packet),
      onRtcp: (packet) => take(packet),
    });
  }

  async moveTo(client: IceClient | IceTcpClient): Promise<void> {
    const before = client.answers(this.link.local).length;
    client.check(this.link.local, { nominate: true });
    await until(() => expect(client.answers(this.link.local).length).toBe(before + 1));
  }

  /** Media and a report in both directions. */
  send(client: IceClient | IceTcpClient): void {
    for (let i = 0; i < 20; i++) {
      this.channel?.sendRtp(rtp(this.sequence), 60);
      const sealed = rtp(this.sequence++);
      client.send(sealed.subarray(0, this.sender.protectRtp(sealed, 60)));
    }
    this.channel?.sendRtcp(REPORT);
    const report = Buffer.alloc(64);
    report.set(REPORT);
    client.send(report.subarray(0, this.sender.protectRtcp(report, REPORT.length)));
    this.sent += 21;
  }

  /** Opens all that clients got so far. Gives how many packets that were. */
  opened(clients: readonly (IceClient | IceTcpClient)[]): number {
    let opened = 0;
    for (const client of clients)
      for (const datagram of client.received.splice(0)) {
        if ((datagram[0] ?? 0) < 128) continue;
        const packet = isRtcp(datagram) ? this.receiver.unprotectRtcp(datagram) : this.receiver.unprotectRtp(datagram);
        if (packet !== undefined) opened++;
      }
    return opened;
  }
}

describe.each(['', 'off'])('media of a peer, with SLUICE_NATIVE=%s', (setting) => {
  test.each(['AEAD_AES_128_GCM', 'AES_CM_128_HMAC_SHA1_80'] as const)(
    'go on under numbers that were never used, whichever way they take: %s',
    async (profile) => {
      vi.stubEnv('SLUICE_NATIVE', setting);
      const transport = new MediaTransport({ port: 0, tcp: DEFAULT_ICE_TCP });
      open.push(transport);
      await transport.start();
      const udp = await IceClient.open(transport.port);
      const tcp = await IceTcpClient.open(transport.port);
      const ipv6 = HAS_IPV6 ? await IceClient.open(transport.port, '::1') : undefined;
      const clients = [udp, tcp, ...(ipv6 === undefined ? [] : [ipv6])];
      open.push(...clients);
      const moving = new Moving(transport, profile);
      let opened = 0;
      for (const client of [udp, tcp, ...clients, udp]) {
        await moving.moveTo(client);
        if (moving.channel === undefined) moving.connect();
        moving.send(client);
        await until(() => {
          opened += moving.opened(clients);
          expect([opened, moving.came.length]).toEqual([moving.sent, moving.sent]);
        });
      }
      expect(moving.receiver.counters).toMatchObject({ malformed: 0, unauthentic: 0, replayed: 0 });
      expect(moving.channel?.rejections).toEqual({ malformed: 0, unauthentic: 0, replayed: 0 });
      moving.link[Symbol.dispose]();
      moving.send(udp);
      expect(moving.came).toHaveLength(moving.sent - 21);
    },
  );

  test('are encrypted for one that begins by TCP, and may then move', async () => {
    vi.stubEnv('SLUICE_NATIVE', setting);
    const transport = new MediaTransport({ port: 0, tcp: DEFAULT_ICE_TCP, bindAddress: '127.0.0.1' });
    open.push(transport);
    await transport.start();
    const [udp, tcp] = [await IceClient.open(transport.port), await IceTcpClient.open(transport.port)];
    open.push(udp, tcp);
    const moving = new Moving(transport, 'AEAD_AES_128_GCM');
    await moving.moveTo(tcp);
    moving.connect();
    let opened = 0;
    for (const client of [tcp, udp, tcp]) {
      await moving.moveTo(client);
      moving.send(client);
      await until(() => {
        opened += moving.opened([udp, tcp]);
        expect([opened, moving.came.length]).toEqual([moving.sent, moving.sent]);
      });
    }
    moving.link[Symbol.dispose]();
  });
});
