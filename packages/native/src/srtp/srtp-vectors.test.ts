import { describe, expect, it } from 'vitest';
import { CounterModeTransform } from './counter-mode.ts';
import { GcmTransform } from './gcm.ts';
import { deriveSessionKeys, type SessionKeys } from './session-keys.ts';
import { withRoom } from './testing/packets.ts';
import type { SrtpTransform } from './transform.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

// RFC 3711 §B.3, which libsrtp's own vectors use as well.
const MASTER = { key: hex('e1f97a0d3e018be0d64fa32c06de4139'), salt: hex('0ec675ad498afeebb6960b3aabe6') };

function protectRtp(transform: SrtpTransform, plain: string, index: number): string {
  const packet = withRoom(hex(plain));
  return packet.subarray(0, transform.protectRtp(packet, hex(plain).length, index)).toString('hex');
}

function protectRtcp(transform: SrtpTransform, plain: string, index: number): string {
  const packet = withRoom(hex(plain));
  return packet.subarray(0, transform.protectRtcp(packet, hex(plain).length, index)).toString('hex');
}

describe('key derivation', () => {
  it('gives the session keys of RFC 3711 §B.3', () => {
    const { rtp } = deriveSessionKeys('AES_CM_128_HMAC_SHA1_80', MASTER);
    expect(rtp.cipher.toString('hex')).toBe('c61e7a93744f39ee10734afe3ff7a087');
    expect(rtp.salt.toString('hex')).toBe('30cbbc08863d8c85d49db34a9ae1');
    expect(rtp.authentication.toString('hex')).toBe('cebe321f6ff7716b6fd4ab49af256a156d38baa4');
  });

  it('refuses keys and salts that have not the length of their profile', () => {
    expect(() => deriveSessionKeys('AEAD_AES_128_GCM', MASTER)).toThrow(RangeError);
    const short = { key: MASTER.key.subarray(1), salt: MASTER.salt };
    expect(() => deriveSessionKeys('AES_CM_128_HMAC_SHA1_80', short)).toThrow(RangeError);
  });
});

describe('counter mode', () => {
  it('gives the key stream of RFC 3711 §B.2', () => {
    const keys: SessionKeys = {
      cipher: hex('2b7e151628aed2a6abf7158809cf4f3c'),
      salt: hex('f0f1f2f3f4f5f6f7f8f9fafbfcfd'),
      authentication: Buffer.alloc(20),
    };
    // The other blocks of the list would not fit into a datagram.
    const transform = new CounterModeTransform({ rtp: keys, rtcp: keys });
    const plain = `8000 0000 00000000 00000000 ${'00'.repeat(48)}`;
    expect(protectRtp(transform, plain, 0).slice(24, 24 + 96)).toBe(
      'e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0',
    );
  });

  const transform = new CounterModeTransform(deriveSessionKeys('AES_CM_128_HMAC_SHA1_80', MASTER));

  it('protects RTP as the reference packet of libsrtp', () => {
    const plain = `800f1234 decafbad cafebabe ${'ab'.repeat(16)}`;
    const sealed = '800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb';
    expect(protectRtp(transform, plain, 0x1234)).toBe(sealed);
    const packet = hex(sealed);
    expect(packet.subarray(0, transform.unprotectRtp(packet, 0x1234)).toString('hex')).toBe(hex(plain).toString('hex'));
  });

  it('protects RTCP as the reference packet of libsrtp', () => {
    const plain = `81c8000b cafebabe ${'ab'.repeat(16)}`;
    const sealed = '81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798';
    expect(protectRtcp(transform, plain, 1)).toBe(sealed);
    const packet = hex(sealed);
    expect(packet.subarray(0, transform.unprotectRtcp(packet)).toString('hex')).toBe(hex(plain).toString('hex'));
  });
});

describe('GCM', () => {
  const keys: SessionKeys = {
    cipher: hex('000102030405060708090a0b0c0d0e0f'),
    salt: hex('517569642070726f2071756f'),
    authentication: Buffer.alloc(0),
  };
  const transform = new GcmTransform({ rtp: keys, rtcp: keys });

  it('protects RTP as RFC 7714 §16.1.1', () => {
    const header = '8040f17b8041f8d35501a0b2';
    const plain = `${header}47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573`;
    const sealed =
      header +
      'f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833' +
      '899d7f27beb16a9152cf765ee4390cce';
    expect(protectRtp(transform, plain, 0xf17b)).toBe(sealed);
    const packet = hex(sealed);
    expect(packet.subarray(0, transform.unprotectRtp(packet, 0xf17b)).toString('hex')).toBe(plain);
  });

  it('protects RTCP as RFC 7714 §17.1', () => {
    const plain =
      '81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef';
    const sealed =
      '81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b' +
      'c84aa45896cf4d2fc5abf87245d9eade800005d4';
    expect(protectRtcp(transform, plain, 0x5d4)).toBe(sealed);
    const packet = hex(sealed);
    expect(packet.subarray(0, transform.unprotectRtcp(packet)).toString('hex')).toBe(plain);
  });
});
