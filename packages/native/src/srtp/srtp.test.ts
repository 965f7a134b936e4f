import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { mutate, prng } from '../../../media/src/testing/mutate.ts';
import { SRTP_PROFILES, type SrtpMasterKey, type SrtpProfile } from './profile.ts';
import { SrtpReceiver } from './receiver.ts';
import { SrtpSender } from './sender.ts';
import { rtcpPacket, rtpPacket, withRoom } from './testing/packets.ts';

const PROFILES: readonly SrtpProfile[] = ['AEAD_AES_128_GCM', 'AES_CM_128_HMAC_SHA1_80'];

function masterKey(profile: SrtpProfile): SrtpMasterKey {
  return { key: randomBytes(16), salt: randomBytes(SRTP_PROFILES[profile].salt) };
}

function pair(profile: SrtpProfile, maxSources = 64) {
  const master = masterKey(profile);
  const sender = new SrtpSender(profile, master, { maxSources: 1000 });
  const receiver = new SrtpReceiver(profile, master, { maxSources });
  const seal = (plain: Buffer): Buffer => {
    const packet = withRoom(plain);
    return packet.subarray(0, sender.protectRtp(packet, plain.length));
  };
  const open = (sealed: Buffer) => receiver.unprotectRtp(Buffer.from(sealed));
  const sealRtcp = (plain: Buffer): Buffer => {
    const packet = withRoom(plain);
    return packet.subarray(0, sender.protectRtcp(packet, plain.length));
  };
  return { master, sender, receiver, seal, open, sealRtcp };
}

describe.each(PROFILES)('SRTP with %s', (profile) => {
  it('opens what it sealed, whatever the header, the length and the place in memory', () => {
    const { seal, open } = pair(profile);
    let sequence = 0;
    for (const payloadBytes of [0, 1, 3, 4, 15, 16, 17, 160, 1199, 1200, 9000, 60_000]) {
      for (const shape of [{}, { csrcs: 3 }, { extensionWords: 0 }, { csrcs: 1, extensionWords: 5 }]) {
        const plain = rtpPacket({ sequence: sequence++, payloadBytes, ...shape });
        const odd = Buffer.alloc(plain.length + 64).subarray(1 + (sequence % 4));
        const sealed = seal(plain);
        odd.set(sealed);
        expect(open(odd.subarray(0, sealed.length))?.equals(plain)).toBe(true);
      }
    }
  });

  it('adds the bytes that its profile names, and leaves the header readable and the payload not', () => {
    const { seal, sealRtcp } = pair(profile);
    const plain = rtpPacket({ sequence: 1, payloadBytes: 400, extensionWords: 2 });
    const sealed = seal(plain);
    expect(sealed.length - plain.length).toBe(SRTP_PROFILES[profile].rtpOverhead);
    expect(sealed.subarray(0, 24).equals(plain.subarray(0, 24))).toBe(true);
    expect(sealed.subarray(24, 424).equals(plain.subarray(24))).toBe(false);
    expect(sealRtcp(rtcpPacket(7, 5)).length - rtcpPacket(7, 5).length).toBe(SRTP_PROFILES[profile].rtcpOverhead);
  });

  it('goes on over many roll-overs of the sequence number, with losses of thousands of packets', () => {
    const { seal, open } = pair(profile);
    for (let sequence = 65_000; sequence < 10 * 65_536; sequence += 7919) {
      const plain = rtpPacket({ sequence, payloadBytes: 20 });
      expect(open(seal(plain))?.equals(plain)).toBe(true);
    }
  });

  it('opens packets that come late and across a roll-over, each once', () => {
    const { seal, open, receiver } = pair(profile);
    const sealed = Array.from({ length: 1000 }, (_, i) => seal(rtpPacket({ sequence: 65_036 + i })));
    const random = prng(7);
    const late = sealed.filter(() => random() < 0.3);
    const early = sealed.filter((packet) => !late.includes(packet));
    for (const packet of [...early, ...late.toReversed()]) expect(open(packet)).toBeDefined();
    for (const packet of sealed) expect(open(packet)).toBeUndefined();
    expect(receiver.counters).toEqual({ malformed: 0, unauthentic: 0, replayed: 1000, evictedSources: 0 });
  });

  it('does not open what is older than its window', () => {
    const { seal, open, receiver } = pair(profile);
    const old = seal(rtpPacket({ sequence: 1 }));
    const justInside = seal(rtpPacket({ sequence: 2 }));
    expect(open(seal(rtpPacket({ sequence: 1025 })))).toBeDefined();
    expect(open(old)).toBeUndefined();
    expect(open(justInside)).toBeDefined();
    expect(receiver.counters.replayed).toBe(1);
  });

  it('is not moved by a forged sequence number or an SSRC that nobody authenticated', () => {
    const { seal, open, receiver } = pair(profile, 2);
    expect(open(seal(rtpPacket({ sequence: 10 })))).toBeDefined();
    for (let i = 0; i < 500; i++) {
      const forged = seal(rtpPacket({ sequence: 11, ssrc: 1000 + i }));
      forged.writeUInt16BE(30_000, 2);
      if (i % 2 === 0) forged.writeUInt32BE(0xcafebabe, 8);
      expect(open(forged)).toBeUndefined();
    }
    expect(open(seal(rtpPacket({ sequence: 11 })))).toBeDefined();
    expect(receiver.counters).toEqual({ malformed: 0, unauthentic: 500, replayed: 0, evictedSources: 0 });
  });

  it('keeps state for so many sources and forgets the one that was silent longest', () => {
    const { seal, open, receiver } = pair(profile, 4);
    const first = seal(rtpPacket({ sequence: 1, ssrc: 1 }));
    const second = seal(rtpPacket({ sequence: 1, ssrc: 2 }));
    expect(open(first)).toBeDefined();
    expect(open(second)).toBeDefined();
    for (const ssrc of [3, 4]) expect(open(seal(rtpPacket({ sequence: 1, ssrc })))).toBeDefined();
    expect(open(seal(rtpPacket({ sequence: 2, ssrc: 1 })))).toBeDefined();
    expect(open(seal(rtpPacket({ sequence: 1, ssrc: 5 })))).toBeDefined();
    expect(receiver.counters.evictedSources).toBe(1);
    expect(open(first)).toBeUndefined();
    expect(open(second)).toBeDefined();
  });

  it('opens RTCP once, in any order, and not without encryption', () => {
    const { sealRtcp, receiver } = pair(profile);
    const plain = Array.from({ length: 20 }, (_, i) => rtcpPacket(i % 3, i));
    const sealed = plain.map(sealRtcp);
    for (const [i, packet] of [...sealed.entries()].reverse()) {
      expect(receiver.unprotectRtcp(Buffer.from(packet))?.equals(plain[i] as Buffer)).toBe(true);
    }
    for (const packet of sealed) expect(receiver.unprotectRtcp(Buffer.from(packet))).toBeUndefined();
    const open = sealRtcp(rtcpPacket(1, 2));
    const flagAt = open.length - (profile === 'AEAD_AES_128_GCM' ? 4 : 14);
    open[flagAt] = (open[flagAt] ?? 0) & 0x7f;
    expect(receiver.unprotectRtcp(open)).toBeUndefined();
    expect(receiver.counters).toMatchObject({ replayed: 20, malformed: 1 });
  });

  it('refuses every packet of which one bit was changed, and leaves it as it was', () => {
    const { seal, sealRtcp, receiver } = pair(profile);
    const sealed = seal(rtpPacket({ sequence: 5, payloadBytes: 10, extensionWords: 1 }));
    const sealedRtcp = sealRtcp(rtcpPacket(9, 2));
    for (const [packet, open] of [
      [sealed, (p: Buffer) => receiver.unprotectRtp(p)],
      [sealedRtcp, (p: Buffer) => receiver.unprotectRtcp(p)],
    ] as const) {
      for (let bit = 0; bit < packet.length * 8; bit++) {
        const damaged = Buffer.from(packet);
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const before = Buffer.from(damaged);
        expect(open(damaged)).toBeUndefined();
        expect(damaged.equals(before)).toBe(true);
      }
    }
    expect(receiver.unprotectRtp(sealed)).toBeDefined();
    expect(receiver.unprotectRtcp(sealedRtcp)).toBeDefined();
  });

  it('gives undefined for anything else: damaged, cut, empty, random', { timeout: 30_000 }, () => {
    const { seal, sealRtcp, receiver } = pair(profile);
    const random = prng(20_261_121);
    const seeds = [
      seal(rtpPacket({ sequence: 1, csrcs: 15, extensionWords: 3 })),
      sealRtcp(rtcpPacket(3, 6)),
      Buffer.alloc(0),
    ];
    let opened = 0;
    for (let i = 0; i < 30_000; i++) {
      const seed = seeds[i % 3] as Buffer;
      const damaged = seed.length > 0 ? mutate(new Uint8Array(seed), random) : randomBytes(Math.floor(random() * 80));
      if (Buffer.compare(seed, damaged) === 0) continue;
      if (receiver.unprotectRtp(Buffer.from(damaged)) !== undefined) opened++;
      if (receiver.unprotectRtcp(Buffer.from(damaged)) !== undefined) opened++;
    }
    expect(opened).toBe(0);
    expect(receiver.unprotectRtp(Buffer.alloc(70_000, 0x80))).toBeUndefined();
    expect(receiver.unprotectRtcp(Buffer.alloc(70_000, 0x80))).toBeUndefined();
  });

  it('does not send two packets under one number', () => {
    const { seal, sender } = pair(profile);
    expect(seal(rtpPacket({ sequence: 3 })).length).toBeGreaterThan(0);
    expect(seal(rtpPacket({ sequence: 3 }))).toHaveLength(0);
    expect(sender.refused).toBe(1);
  });

  it('sends the very same packet again when it is told so, while it remembers it, and no other in its place', () => {
    const sender = new SrtpSender(profile, masterKey(profile), { allowRepeats: true });
    const seal = (plain: Buffer): string => {
      const packet = withRoom(plain);
      return packet.toString('hex', 0, sender.protectRtp(packet, plain.length));
    };
    const packets = Array.from({ length: 1100 }, (_, i) => rtpPacket({ sequence: 65_000 + i }));
    const sealed = packets.map(seal);
    expect(packets.slice(-1024).map(seal)).toEqual(sealed.slice(-1024));
    expect(seal(packets[75] as Buffer)).toBe('');
    for (const change of [{ payloadBytes: 99 }, { extensionWords: 1 }]) {
      expect(seal(rtpPacket({ sequence: 66_099, ...change }))).toBe('');
    }
    expect([seal(packets[1099] as Buffer), sender.refused]).toEqual([sealed[1099], 3]);
  });

  it('sends nothing without room for the tag, that is not RTP or RTCP, or of one source too many', () => {
    const sender = new SrtpSender(profile, masterKey(profile), { maxSources: 2 });
    const plain = rtpPacket({ sequence: 1 });
    expect(sender.protectRtp(Buffer.from(plain), plain.length)).toBe(0);
    expect(sender.protectRtcp(rtcpPacket(1, 1), 12)).toBe(0);
    expect(sender.protectRtp(Buffer.alloc(200), 100)).toBe(0);
    expect(sender.protectRtp(Buffer.alloc(200), 4)).toBe(0);
    expect(sender.protectRtcp(Buffer.alloc(200), 100)).toBe(0);
    for (const ssrc of [1, 2, 3]) sender.protectRtp(withRoom(rtpPacket({ sequence: 1, ssrc })), plain.length);
    expect(sender.refused).toBeGreaterThanOrEqual(6);
    expect(sender.protectRtp(withRoom(rtpPacket({ sequence: 2, ssrc: 3 })), plain.length)).toBe(0);
  });
});
