import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { ProtocolError } from '@sluice/media';
import { describe, expect, it } from 'vitest';
import { mutate, prng } from '../../../../../../media/src/testing/mutate.ts';
import { ATTRIBUTE, METHOD } from './constants.ts';
import { isIntegrityRight, longTermKey } from './integrity.ts';
import { readTurnMessage } from './read.ts';
import { StreamFrames } from './stream-frames.ts';
import { TurnWriter, writeChannelData, writeDataIndication } from './write.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

// RFC 5769 §2.4.
const LONG_TERM = hex(`00010060 2112a442 78ad3433c6ad72c029da412e
  00060012 e3839ee38388e383aae38383e382afe382b9 0000
  0015001c 662f2f3439396b3935346436 4f4c33346f4c394653547679363473 41
  0014000b 6578616d706c652e6f7267 00
  00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666`);
const TRANSACTION = Buffer.alloc(12, 7);
const KEY = { algorithm: 'sha256', key: Buffer.from('a key') } as const;

function request(): Buffer {
  return new TurnWriter(METHOD.channelBind, 'request', TRANSACTION)
    .text(ATTRIBUTE.username, 'me')
    .uint32(ATTRIBUTE.channelNumber, 0x40010000)
    .address(ATTRIBUTE.xorPeerAddress, { address: '192.0.2.1', port: 65_535 })
    .address(ATTRIBUTE.xorPeerAddress, { address: '2001:db8::1', port: 1 })
    .finish({ key: KEY, fingerprint: true });
}

/** Gives a message its length and checksum anew, so that only the change itself is wrong with it. */
function repaired(message: Buffer): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE((copy.length - 20) & 0xffff, 2);
  copy.writeUInt32BE((crc32(copy.subarray(0, copy.length - 8)) ^ 0x5354554e) >>> 0, copy.length - 4);
  return copy;
}

describe('messages of TURN', () => {
  it('proves the sample of RFC 5769 with a long-term credential', () => {
    const message = readTurnMessage(LONG_TERM);
    expect(message).toMatchObject({
      username: 'マトリックス',
      realm: 'example.org',
      nonce: 'f//499k954d6OL34oL9FSTvy64sA',
    });
    const credential = { username: 'マトリックス', realm: 'example.org', password: 'TheMatrIX' };
    expect(message && isIntegrityRight(message, longTermKey(1, credential))).toBe(true);
    expect(message && isIntegrityRight(message, longTermKey(2, credential))).toBe(false);
  });

  it('reads what it writes', () => {
    const message = readTurnMessage(request());
    expect(message).toMatchObject({
      method: METHOD.channelBind,
      class: 'request',
      username: 'me',
      channel: 0x4001,
      peers: [
        { address: '192.0.2.1', port: 65_535 },
        { address: '2001:db8::1', port: 1 },
      ],
      hasFingerprint: true,
    });
    expect(message && isIntegrityRight(message, KEY.key)).toBe(true);
    const peer = { address: '192.0.2.1', port: 9 };
    expect(readTurnMessage(writeDataIndication(peer, Buffer.from('abc'), TRANSACTION))).toMatchObject({
      method: METHOD.data,
      class: 'indication',
      peers: [peer],
      data: Buffer.from('abc'),
    });
  });

  it.each(Object.entries(METHOD))('keeps apart the methods and classes: %s', (_name, method) => {
    for (const kind of ['request', 'indication', 'success', 'error'] as const)
      expect(readTurnMessage(new TurnWriter(method, kind, TRANSACTION).finish())).toMatchObject({
        method,
        class: kind,
      });
  });

  it('reads nothing behind the integrity but a better one and the checksum', () => {
    const bytes = request();
    const added = Buffer.concat([bytes.subarray(0, -8), hex('000d0004 00000005'), bytes.subarray(-8)]);
    const message = readTurnMessage(repaired(added));
    expect(message).toBeDefined();
    expect(message?.lifetimeS).toBeUndefined();
  });

  it.each([
    [ATTRIBUTE.lifetime, 3],
    [ATTRIBUTE.channelNumber, 2],
    [ATTRIBUTE.requestedTransport, 1],
    [ATTRIBUTE.requestedAddressFamily, 8],
    [ATTRIBUTE.evenPort, 2],
    [ATTRIBUTE.reservationToken, 4],
    [ATTRIBUTE.xorPeerAddress, 9],
    [ATTRIBUTE.username, 509],
    [ATTRIBUTE.realm, 764],
    [ATTRIBUTE.messageIntegrity, 16],
    [ATTRIBUTE.messageIntegritySha256, 20],
  ])('refuses attribute %d with %d bytes', (type, bytes) => {
    expect(
      readTurnMessage(
        new TurnWriter(METHOD.refresh, 'request', TRANSACTION).attribute(type, Buffer.alloc(bytes)).finish(),
      ),
    ).toBeUndefined();
  });

  it('reads no more bytes, attributes and peers than anybody needs', () => {
    const many = (count: number, type: number, bytes: Buffer) => {
      const writer = new TurnWriter(METHOD.createPermission, 'request', TRANSACTION);
      for (let i = 0; i < count; i++) writer.attribute(type, bytes);
      return readTurnMessage(writer.finish());
    };
    expect(many(48, 0x8123, Buffer.alloc(1))).toBeDefined();
    expect(many(49, 0x8123, Buffer.alloc(1))).toBeUndefined();
    expect(many(16, ATTRIBUTE.xorPeerAddress, hex('0001000012345678'))).toBeDefined();
    expect(many(17, ATTRIBUTE.xorPeerAddress, hex('0001000012345678'))).toBeUndefined();
    expect(many(1, 0x8123, Buffer.alloc(4096))).toBeUndefined();
  });

  it('takes any bytes without throwing, and believes none of them', { timeout: 30_000 }, () => {
    const random = prng(8656);
    const seeds = [LONG_TERM, request(), writeDataIndication({ address: '::1', port: 2 }, randomBytes(9), TRANSACTION)];
    let read = 0;
    for (let i = 0; i < 40_000; i++) {
      const seed = seeds[i % seeds.length] as Buffer;
      const damaged = Buffer.from(
        i % 10 === 0 ? randomBytes(Math.floor(random() * 120)) : mutate(new Uint8Array(seed), random),
      );
      const bytes = i % 2 === 0 && damaged.length >= 28 ? repaired(damaged) : damaged;
      const message = readTurnMessage(bytes);
      if (message === undefined || seeds.some((other) => other.equals(bytes))) continue;
      read++;
      const covered = bytes.subarray(4, Math.max(4, message.integrity?.at ?? 0));
      const same = seeds.some((other) => other.subarray(4, 4 + covered.length).equals(covered));
      expect(isIntegrityRight(message, KEY.key) && !same).toBe(false);
    }
    expect(read).toBeGreaterThan(1000);
  });
});

describe('a stream of TURN', () => {
  it('is cut into the same frames wherever it is torn', () => {
    const frames = [
      request(),
      writeChannelData(0x4000, Buffer.from('abcde'), false),
      writeChannelData(0x4fff, Buffer.alloc(0), false),
      request(),
    ];
    const padded = frames.map((frame) => Buffer.concat([frame, Buffer.alloc((4 - (frame.length % 4)) % 4)]));
    const stream = Buffer.concat(padded);
    for (const size of [1, 2, 3, 5, 7, 64, stream.length]) {
      const cutter = new StreamFrames();
      const got: Buffer[] = [];
      for (let at = 0; at < stream.length; at += size) got.push(...cutter.push(stream.subarray(at, at + size)));
      expect(got).toEqual(frames);
      expect(cutter.isWithin).toBe(false);
    }
  });

  it.each([
    'GET / HTTP/1.1\r\n',
    '\x16\x03\x01\x02\x00\x01',
    '\x00\x01\xff\xff',
    '\x40\x00\xff\xff',
    '\x00\x01\x00\x03',
  ])('that begins with %j is none', (text) => {
    expect(() => new StreamFrames().push(Buffer.from(text, 'latin1'))).toThrow(ProtocolError);
  });

  it('takes any bytes, and throws nothing but a protocol error', () => {
    const random = prng(4571);
    let thrown = 0;
    for (let i = 0; i < 5000; i++) {
      const cutter = new StreamFrames();
      try {
        for (let k = 0; k < 4; k++) cutter.push(Buffer.from(mutate(new Uint8Array(request()), random)));
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
        thrown++;
      }
    }
    expect(thrown).toBeGreaterThan(100);
  });
});
