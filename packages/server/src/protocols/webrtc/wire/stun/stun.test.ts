import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { mutate, prng } from '../../../../../../media/src/testing/mutate.ts';
import { bytesToIp, ipToBytes } from './endpoint.ts';
import { isIntegrityRight, localUfragOf, readStun } from './read.ts';
import { StunWriter } from './write.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

// RFC 5769 §2.1 to §2.3.
const PASSWORD = 'VOkJxbRl1RmTxUk/WvJxBt';
const TRANSACTION = 'b7e7a701bc34d686fa87dfae';
const REQUEST = hex(`00010058 2112a442 ${TRANSACTION}
  80220010 5354554e207465737420636c69656e74 00240004 6e0001ff 80290008 932ff9b151263b36
  00060009 6576746a3a68367659202020 00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004 e57a3bcf`);
const RESPONSE_IPV4 = hex(`0101003c 2112a442 ${TRANSACTION}
  8022000b 7465737420766563746f7220 00200008 0001a147e112a643
  00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96`);
const RESPONSE_IPV6 = hex(`01010048 2112a442 ${TRANSACTION}
  8022000b 7465737420766563746f7220 00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9
  00080014 a382954e4be67bf11784c97c8292c275bfe3ed41 80280004 c8fb0b4c`);

function check(): StunWriter {
  return new StunWriter('request', randomBytes(12)).username('server:client').priority(0x6e7f1eff);
}

/** Gives a message its length and checksum anew, so that only the change itself is wrong with it. */
function repaired(message: Buffer): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(copy.length - 20, 2);
  copy.writeUInt32BE((crc32(copy.subarray(0, copy.length - 8)) ^ 0x5354554e) >>> 0, copy.length - 4);
  return copy;
}

describe('STUN messages', () => {
  it('reads the sample request of RFC 5769', () => {
    const message = readStun(REQUEST);
    expect(message).toMatchObject({
      class: 'request',
      username: 'evtj:h6vY',
      priority: 0x6e0001ff,
      role: 'controlled',
      tieBreaker: 0x932ff9b151263b36n,
      useCandidate: false,
      unknownAttributes: [],
      hasFingerprint: true,
    });
    expect(message && localUfragOf(message)).toBe('evtj');
    expect(message && isIntegrityRight(REQUEST, message, PASSWORD)).toBe(true);
    expect(message && isIntegrityRight(REQUEST, message, `${PASSWORD}x`)).toBe(false);
  });

  it.each([
    [RESPONSE_IPV4, '192.0.2.1'],
    [RESPONSE_IPV6, '2001:db8:1234:5678:11:2233:4455:6677'],
  ])('reads the sample responses of RFC 5769 (%#)', (datagram, address) => {
    const message = readStun(datagram);
    expect(message).toMatchObject({ class: 'success', mappedAddress: { address, port: 32853 } });
    expect(message && isIntegrityRight(datagram, message, PASSWORD)).toBe(true);
  });

  it.each(['192.0.2.1', '2001:db8:1234:5678:11:2233:4455:6677'])('writes what it reads, with %s', (address) => {
    const transactionId = hex(TRANSACTION);
    const success = new StunWriter('success', transactionId).xorMappedAddress({ address, port: 65_535 }).finish('key');
    const read = readStun(success);
    expect(read).toMatchObject({ class: 'success', transactionId, mappedAddress: { address, port: 65_535 } });
    expect(read && isIntegrityRight(success, read, 'key')).toBe(true);
    const request = check()
      .useCandidate()
      .role('controlling', 2n ** 64n - 1n)
      .finish('key');
    expect(readStun(request)).toMatchObject({
      class: 'request',
      useCandidate: true,
      role: 'controlling',
      tieBreaker: 2n ** 64n - 1n,
    });
    const error = new StunWriter('error', transactionId).errorCode(487, 'Role Conflict').finish('key');
    expect(readStun(error)).toMatchObject({ class: 'error', errorCode: 487, errorReason: 'Role Conflict' });
  });

  it('lists attributes that it must understand and does not, a few of them, and skips optional ones', () => {
    const writer = check().attribute(0xc057, Buffer.alloc(5));
    for (let type = 0x7000; type < 0x7010; type++) writer.attribute(type, Buffer.alloc(3));
    const message = readStun(writer.finish('key'));
    expect(message?.unknownAttributes[0]).toBe(0x7000);
    expect(message?.unknownAttributes).toHaveLength(8);
  });

  it('does not read what stands behind MESSAGE-INTEGRITY, where anybody could have put it', () => {
    const good = check().finish('key');
    const added = Buffer.concat([good.subarray(0, -8), hex('00250000'), hex('00240004 ffffffff'), good.subarray(-8)]);
    const message = readStun(repaired(added));
    expect(message).toMatchObject({ useCandidate: false, priority: 0x6e7f1eff });
    expect(message && isIntegrityRight(added, message, 'key')).toBe(true);
  });

  it('refuses lengths that lie, wherever they stand', () => {
    const good = check().role('controlling', 1n).finish('key');
    expect(readStun(good)).toBeDefined();
    for (let at = 2; at < good.length - 8; at += 2) {
      for (const lie of [0, 1, 3, 19, 0x7fff, 0xfffc, 0xffff]) {
        const bad = Buffer.from(good);
        if (bad.readUInt16BE(at) === lie) continue;
        bad.writeUInt16BE(lie, at);
        const message = at === 2 ? readStun(bad) : readStun(repaired(bad));
        expect(message !== undefined && isIntegrityRight(bad, message, 'key')).toBe(false);
      }
    }
  });

  it('refuses a length that no checksum covers', () => {
    const bare = Buffer.from(check().finish('key').subarray(0, -8));
    for (const length of [bare.length - 20, bare.length - 24, bare.length - 16, 0, 0xffff]) {
      bare.writeUInt16BE(length, 2);
      expect(readStun(bare) !== undefined).toBe(length === bare.length - 20);
    }
  });

  it('refuses attributes that have not their size, and a checksum that is wrong or not last', () => {
    const sizes: [number, number][] = [
      [0x24, 5],
      [0x25, 1],
      [0x802a, 4],
      [0x20, 8],
      [0x09, 3],
      [0x06, 600],
      [0x08, 4],
    ];
    for (const [type, size] of sizes) {
      expect(readStun(check().attribute(type, Buffer.alloc(size)).finish('key'))).toBeUndefined();
    }
    const good = check().finish('key');
    const wrong = Buffer.from(good);
    wrong[good.length - 1] = (wrong[good.length - 1] ?? 0) ^ 1;
    expect(readStun(wrong)).toBeUndefined();
    const notLast = Buffer.concat([good, hex('80220000')]);
    notLast.writeUInt16BE(notLast.length - 20, 2);
    notLast.writeUInt32BE((crc32(notLast.subarray(0, good.length - 8)) ^ 0x5354554e) >>> 0, good.length - 4);
    expect(readStun(notLast)).toBeUndefined();
  });

  it('is no message of another method, another cookie, or a zeroth bit that is set', () => {
    for (const [at, value] of [
      [0, 0x80],
      [0, 0x40],
      [1, 0x03],
      [4, 0x22],
    ] as const) {
      const bad = check().finish('key');
      bad[at] = value;
      expect(readStun(repaired(bad))).toBeUndefined();
    }
  });

  it('takes any bytes without throwing, and believes none of them', { timeout: 30_000 }, () => {
    const random = prng(8489);
    const seeds = [REQUEST, RESPONSE_IPV4, RESPONSE_IPV6, check().useCandidate().finish('key')];
    let read = 0;
    for (let i = 0; i < 60_000; i++) {
      const seed = seeds[i % seeds.length] as Buffer;
      const damaged = Buffer.from(
        i % 10 === 0 ? randomBytes(Math.floor(random() * 120)) : mutate(new Uint8Array(seed), random),
      );
      const bytes = i % 2 === 0 && damaged.length >= 28 ? repaired(damaged) : damaged;
      const message = readStun(bytes);
      if (message === undefined || seeds.some((other) => other.equals(bytes))) continue;
      read++;
      // Only an attribute behind MESSAGE-INTEGRITY can differ in a message that stays authentic.
      const covered = bytes.subarray(4, Math.max(4, message.integrityAt));
      const same = seeds.some((other) => other.subarray(4, 4 + covered.length).equals(covered));
      expect(isIntegrityRight(bytes, message, PASSWORD) && !same).toBe(false);
      localUfragOf(message);
    }
    expect(read).toBeGreaterThan(1000);
  });

  it('reads no more bytes and attributes than anybody needs', () => {
    const withAttributes = (count: number, bytes: number): Buffer => {
      const writer = check();
      // The writer adds four more: name, priority, integrity and checksum.
      for (let i = 4; i < count; i++) writer.attribute(0xc000 + i, Buffer.alloc(bytes));
      return writer.finish('key');
    };
    expect(readStun(withAttributes(32, 0))).toBeDefined();
    expect(readStun(withAttributes(33, 0))).toBeUndefined();
    expect(readStun(withAttributes(5, 1900))).toBeDefined();
    expect(readStun(withAttributes(5, 2000))).toBeUndefined();
  });
});

describe('IP addresses', () => {
  it.each([
    ['127.0.0.1', '7f000001', '127.0.0.1'],
    ['::', '0'.repeat(32), '0:0:0:0:0:0:0:0'],
    ['::1', `${'0'.repeat(31)}1`, '0:0:0:0:0:0:0:1'],
    ['2001:DB8::', '20010db8'.padEnd(32, '0'), '2001:db8:0:0:0:0:0:0'],
    ['fe80::1:2%eth0', 'fe800000000000000000000000010002', 'fe80:0:0:0:0:0:1:2'],
    ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201', '0:0:0:0:0:ffff:c000:201'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008', '1:2:3:4:5:6:7:8'],
  ])('%s', (text, bytes, full) => {
    expect(ipToBytes(text).toString('hex')).toBe(bytes);
    expect(bytesToIp(hex(bytes))).toBe(full);
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.256',
    '1.2.3.4.5',
    'a.b.c.d',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '::12345',
    'host',
  ])('refuses %j', (text) => {
    expect(() => ipToBytes(text)).toThrow(RangeError);
  });
});
