import { type Cipher, createCipheriv, hash } from 'node:crypto';
import { isRtcpHeader, RTCP_HEADER_BYTES, rtpHeaderBytes } from './header.ts';
import type { SessionKeys } from './session-keys.ts';
import { ENCRYPTED_FLAG, MAX_PACKET_BYTES, RTCP_INDEX_BYTES, type SrtpTransform } from './transform.ts';

const TAG_BYTES = 10;
const BLOCK_BYTES = 16;
const SHA1_BYTES = 20;
const SHA1_BLOCK_BYTES = 64;

// All calls are synchronous, so all peers share the memory that is only needed within one.
const COUNTERS = Buffer.alloc(MAX_PACKET_BYTES + 1);
const COUNTER_WORDS = new DataView(COUNTERS.buffer, COUNTERS.byteOffset, COUNTERS.length);
const AUTHENTICATED = Buffer.alloc(SHA1_BLOCK_BYTES + MAX_PACKET_BYTES + 4);

/** AES-128 in counter mode with HMAC-SHA1, 80 bits of it (RFC 3711 §4.1.1, §4.2.1). */
export class CounterModeTransform implements SrtpTransform {
  readonly #rtp: CounterModeKey;
  readonly #rtcp: CounterModeKey;

  constructor(keys: { readonly rtp: SessionKeys; readonly rtcp: SessionKeys }) {
    this.#rtp = new CounterModeKey(keys.rtp);
    this.#rtcp = new CounterModeKey(keys.rtcp);
  }

  protectRtp(packet: Buffer, length: number, index: number): number {
    const header = rtpHeaderBytes(packet, length);
    if (header === 0) return 0;
    this.#rtp.setPacket(packet.readUInt32BE(8), index);
    this.#rtp.crypt(packet, header, length);
    packet.write(this.#rtp.digestWithRollOver(packet, length), length, TAG_BYTES, 'binary');
    return length + TAG_BYTES;
  }

  unprotectRtp(packet: Buffer, index: number): number {
    const length = packet.length - TAG_BYTES;
    const header = rtpHeaderBytes(packet, length);
    if (header === 0) return 0;
    this.#rtp.setPacket(packet.readUInt32BE(8), index);
    if (!isTag(packet, length, this.#rtp.digestWithRollOver(packet, length))) return 0;
    this.#rtp.crypt(packet, header, length);
    return length;
  }

  protectRtcp(packet: Buffer, length: number, index: number): number {
    if (!isRtcpHeader(packet, length)) return 0;
    const end = length + RTCP_INDEX_BYTES;
    this.#rtcp.setPacket(packet.readUInt32BE(4), index);
    this.#rtcp.crypt(packet, RTCP_HEADER_BYTES, length);
    packet.writeUInt32BE(ENCRYPTED_FLAG + index, length);
    packet.write(this.#rtcp.digest(packet, end), end, TAG_BYTES, 'binary');
    return end + TAG_BYTES;
  }

  unprotectRtcp(packet: Buffer): number {
    const index = this.rtcpIndex(packet);
    if (index < 0) return 0;
    const end = packet.length - TAG_BYTES;
    this.#rtcp.setPacket(packet.readUInt32BE(4), index);
    if (!isTag(packet, end, this.#rtcp.digest(packet, end))) return 0;
    this.#rtcp.crypt(packet, RTCP_HEADER_BYTES, end - RTCP_INDEX_BYTES);
    return end - RTCP_INDEX_BYTES;
  }

  rtcpIndex(packet: Buffer): number {
    const end = packet.length - TAG_BYTES - RTCP_INDEX_BYTES;
    if (!isRtcpHeader(packet, end)) return -1;
    return packet.readUInt32BE(end) - ENCRYPTED_FLAG;
  }
}

/**
 * Counter mode by one long-lived AES-ECB object that encrypts the counters, and HMAC by two plain hashes: half the
 * price of `createCipheriv` and `createHmac` for each packet. Digests are binary strings because Node makes those
 * three times as fast as buffers of 20 bytes.
 */
class CounterModeKey {
  readonly #aes: Cipher;
  readonly #salt: readonly [number, number, number, number];
  readonly #innerPad: Buffer;
  /** The outer pad, and room for the inner digest behind it. */
  readonly #outer: Buffer;
  #word1 = 0;
  #word2 = 0;
  #word3 = 0;

  constructor(keys: SessionKeys) {
    this.#aes = createCipheriv('aes-128-ecb', keys.cipher, null);
    const salt = keys.salt;
    this.#salt = [salt.readInt32BE(0), salt.readInt32BE(4), salt.readInt32BE(8), salt.readInt16BE(12) << 16];
    this.#innerPad = Buffer.alloc(SHA1_BLOCK_BYTES, 0x36);
    this.#outer = Buffer.alloc(SHA1_BLOCK_BYTES + SHA1_BYTES, 0x5c);
    for (const [i, byte] of keys.authentication.entries()) {
      this.#innerPad[i] = 0x36 ^ byte;
      this.#outer[i] = 0x5c ^ byte;
    }
  }

  /** Makes the initial counter of a packet (RFC 3711 §4.1.1): salt, SSRC from byte 4, index from byte 8. */
  setPacket(ssrc: number, index: number): void {
    const rollOver = Math.floor(index / 0x10000);
    this.#word1 = this.#salt[1] ^ ssrc;
    this.#word2 = this.#salt[2] ^ rollOver;
    this.#word3 = this.#salt[3] ^ (index << 16);
  }

  /** Adds the key stream to the bytes of a range: encrypts and decrypts. Hot path. */
  crypt(packet: Buffer, from: number, to: number): void {
    const length = to - from;
    if (length === 0) return;
    const blocks = Math.ceil(length / BLOCK_BYTES);
    const word0 = this.#salt[0];
    const word1 = this.#word1;
    const word2 = this.#word2;
    const word3 = this.#word3;
    for (let block = 0, at = 0; block < blocks; block++, at += BLOCK_BYTES) {
      COUNTER_WORDS.setInt32(at, word0);
      COUNTER_WORDS.setInt32(at + 4, word1);
      COUNTER_WORDS.setInt32(at + 8, word2);
      COUNTER_WORDS.setInt32(at + 12, word3 | block);
    }
    xor(packet, from, to, this.#aes.update(COUNTERS.subarray(0, blocks * BLOCK_BYTES)));
  }

  /** HMAC of the packet's first bytes. */
  digest(packet: Buffer, length: number): string {
    AUTHENTICATED.set(this.#innerPad);
    packet.copy(AUTHENTICATED, SHA1_BLOCK_BYTES, 0, length);
    return this.#finish(SHA1_BLOCK_BYTES + length);
  }

  /** HMAC of the packet's first bytes and the roll-over counter that `setPacket` was given. */
  digestWithRollOver(packet: Buffer, length: number): string {
    AUTHENTICATED.set(this.#innerPad);
    packet.copy(AUTHENTICATED, SHA1_BLOCK_BYTES, 0, length);
    AUTHENTICATED.writeInt32BE(this.#word2 ^ this.#salt[2], SHA1_BLOCK_BYTES + length);
    return this.#finish(SHA1_BLOCK_BYTES + length + 4);
  }

  #finish(bytes: number): string {
    this.#outer.write(hash('sha1', AUTHENTICATED.subarray(0, bytes), 'binary'), SHA1_BLOCK_BYTES, 'binary');
    return hash('sha1', this.#outer, 'binary');
  }
}

/** Four bytes at a time where both sides are aligned, which packets in buffers of their own are. */
function xor(packet: Buffer, from: number, to: number, stream: Buffer): void {
  let at = from;
  if (((packet.byteOffset + from) | stream.byteOffset) % 4 === 0) {
    const words = (to - from) >> 2;
    const target = new Int32Array(packet.buffer, packet.byteOffset + from, words);
    const source = new Int32Array(stream.buffer, stream.byteOffset, words);
    for (let i = 0; i < words; i++) target[i] = (target[i] as number) ^ (source[i] as number);
    at += words * 4;
  }
  for (; at < to; at++) packet[at] = (packet[at] as number) ^ (stream[at - from] as number);
}

/** Compares in a time that does not tell how much is right. */
function isTag(packet: Buffer, at: number, digest: string): boolean {
  let difference = 0;
  for (let i = 0; i < TAG_BYTES; i++) difference |= (packet[at + i] as number) ^ digest.charCodeAt(i);
  return difference === 0;
}
