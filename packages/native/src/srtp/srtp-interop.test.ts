import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { SRTP_PROFILES } from './profile.ts';
import { SrtpReceiver } from './receiver.ts';
import { SrtpSender } from './sender.ts';
import { libsrtp } from './testing/libsrtp.ts';
import { rtcpPacket, rtpPacket, withRoom } from './testing/packets.ts';

/** Sources, header shapes and lengths of all kinds, over two roll-overs of the sequence number. */
function traffic(): Buffer[] {
  const packets: Buffer[] = [];
  for (let i = 0; i < 400; i++) {
    const sequence = 60_000 + i * 401;
    const shape = { ...(i % 3 === 0 && { extensionWords: i % 5 }), csrcs: i % 4 };
    packets.push(rtpPacket({ sequence, ssrc: 1 + (i % 2), payloadBytes: (i * 37) % 1200, ...shape }));
    if (i % 10 === 0) packets.push(rtcpPacket(1 + (i % 2), i % 20));
  }
  return packets;
}

const isRtcp = (packet: Buffer): boolean => packet[1] === 201;
const hexOf = (packets: readonly (Uint8Array | undefined)[]): (string | undefined)[] =>
  packets.map((packet) => packet && Buffer.from(packet).toString('hex'));

describe.each([
  ['CM', 'AES_CM_128_HMAC_SHA1_80'],
  ['GCM', 'AEAD_AES_128_GCM'],
] as const)('SRTP with libsrtp, %s', (name, profile) => {
  const master = { key: randomBytes(16), salt: randomBytes(SRTP_PROFILES[profile].salt) };

  it('opens what libsrtp seals', { timeout: 30_000 }, () => {
    const plain = traffic();
    const sealed = libsrtp({ profile: name, master, direction: 'out' }, plain);
    const receiver = new SrtpReceiver(profile, master);
    const opened = sealed.map((line, i) => {
      const packet = Buffer.from(line, 'hex');
      return isRtcp(plain[i] as Buffer) ? receiver.unprotectRtcp(packet) : receiver.unprotectRtp(packet);
    });
    expect(hexOf(opened)).toEqual(hexOf(plain));
  });

  it('seals what libsrtp opens, in order and out of it', { timeout: 30_000 }, () => {
    const plain = traffic();
    const sender = new SrtpSender(profile, master);
    const sealed = plain.map((packet) => {
      const target = withRoom(packet);
      const length = isRtcp(packet)
        ? sender.protectRtcp(target, packet.length)
        : sender.protectRtp(target, packet.length);
      return target.subarray(0, length);
    });
    // Neighbours change places.
    const order = plain.map((_, i) => ((i ^ 1) < plain.length ? i ^ 1 : i));
    const opened = libsrtp(
      { profile: name, master, direction: 'in' },
      order.map((i) => sealed[i] as Buffer),
    );
    expect(opened).toEqual(hexOf(order.map((i) => plain[i])));
  });

  it('agrees with libsrtp about what is not authentic or comes twice', { timeout: 30_000 }, () => {
    const sender = new SrtpSender(profile, master);
    const receiver = new SrtpReceiver(profile, master);
    const target = withRoom(rtpPacket({ sequence: 1 }));
    const good = Buffer.from(target.subarray(0, sender.protectRtp(target, target.length - 32)));
    const bad = Buffer.from(good);
    bad[40] = (bad[40] ?? 0) ^ 1;
    const packets = [bad, good, good];
    const theirs = libsrtp({ profile: name, master, direction: 'in' }, packets);
    expect(theirs.map((line) => line.startsWith('error'))).toEqual([true, false, true]);
    expect(packets.map((p) => receiver.unprotectRtp(Buffer.from(p)) === undefined)).toEqual([true, false, true]);
  });
});
