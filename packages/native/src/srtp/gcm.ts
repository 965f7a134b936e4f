import { createCipheriv, createDecipheriv } from 'node:crypto';
import { isRtcpHeader, RTCP_HEADER_BYTES, rtpHeaderBytes } from './header.ts';
import type { SessionKeys } from './session-keys.ts';
import { ENCRYPTED_FLAG, RTCP_INDEX_BYTES, type SrtpTransform } from './transform.ts';

const TAG_BYTES = 16;
const CIPHER = 'aes-128-gcm';
const OPTIONS = { authTagLength: TAG_BYTES } as const;

// All calls are synchronous, so all peers share the memory that is only needed within one.
const NONCE = Buffer.alloc(12);
const RTCP_ASSOCIATED = Buffer.alloc(RTCP_HEADER_BYTES + RTCP_INDEX_BYTES);

/** AES-128 in Galois/counter mode (RFC 7714). */
export class GcmTransform implements SrtpTransform {
  readonly #rtp: SessionKeys;
  readonly #rtcp: SessionKeys;

  constructor(keys: { readonly rtp: SessionKeys; readonly rtcp: SessionKeys }) {
    this.#rtp = keys.rtp;
    this.#rtcp = keys.rtcp;
  }

  protectRtp(packet: Buffer, length: number, index: number): number {
    const header = rtpHeaderBytes(packet, length);
    if (header === 0) return 0;
    setNonce(this.#rtp.salt, packet.readUInt32BE(8), index);
    seal(this.#rtp.cipher, packet.subarray(0, header), packet.subarray(header, length + TAG_BYTES));
    return length + TAG_BYTES;
  }

  unprotectRtp(packet: Buffer, index: number): number {
    const length = packet.length - TAG_BYTES;
    const header = rtpHeaderBytes(packet, length);
    if (header === 0) return 0;
    setNonce(this.#rtp.salt, packet.readUInt32BE(8), index);
    return open(this.#rtp.cipher, packet.subarray(0, header), packet.subarray(header)) ? length : 0;
  }

  protectRtcp(packet: Buffer, length: number, index: number): number {
    if (!isRtcpHeader(packet, length)) return 0;
    const end = length + TAG_BYTES;
    packet.writeUInt32BE(ENCRYPTED_FLAG + index, end);
    setNonce(this.#rtcp.salt, packet.readUInt32BE(4), index);
    seal(this.#rtcp.cipher, rtcpAssociated(packet, end), packet.subarray(RTCP_HEADER_BYTES, end));
    return end + RTCP_INDEX_BYTES;
  }

  unprotectRtcp(packet: Buffer): number {
    const index = this.rtcpIndex(packet);
    if (index < 0) return 0;
    const end = packet.length - RTCP_INDEX_BYTES;
    setNonce(this.#rtcp.salt, packet.readUInt32BE(4), index);
    const sealed = packet.subarray(RTCP_HEADER_BYTES, end);
    return open(this.#rtcp.cipher, rtcpAssociated(packet, end), sealed) ? end - TAG_BYTES : 0;
  }

  rtcpIndex(packet: Buffer): number {
    const end = packet.length - RTCP_INDEX_BYTES;
    if (!isRtcpHeader(packet, end - TAG_BYTES)) return -1;
    return packet.readUInt32BE(end) - ENCRYPTED_FLAG;
  }
}

/** RFC 7714 §8.1 and §9.1 are one: two zeros, SSRC, and the index in 48 bits, all mixed with the salt. */
function setNonce(salt: Buffer, ssrc: number, index: number): void {
  NONCE.set(salt);
  xorInt32(2, ssrc);
  xorInt32(6, Math.floor(index / 0x10000));
  NONCE[10] = (NONCE[10] as number) ^ ((index >> 8) & 0xff);
  NONCE[11] = (NONCE[11] as number) ^ (index & 0xff);
}

function xorInt32(at: number, value: number): void {
  NONCE.writeInt32BE(NONCE.readInt32BE(at) ^ value, at);
}

/** Associated data of SRTCP: the first header and the word of the index (RFC 7714 §9.2). */
function rtcpAssociated(packet: Buffer, indexAt: number): Buffer {
  packet.copy(RTCP_ASSOCIATED, 0, 0, RTCP_HEADER_BYTES);
  packet.copy(RTCP_ASSOCIATED, RTCP_HEADER_BYTES, indexAt, indexAt + RTCP_INDEX_BYTES);
  return RTCP_ASSOCIATED;
}

/** Encrypts all of `body` but its last bytes, which take the tag. Hot path. */
function seal(key: Buffer, associated: Buffer, body: Buffer): void {
  const length = body.length - TAG_BYTES;
  const cipher = createCipheriv(CIPHER, key, NONCE, OPTIONS);
  cipher.setAAD(associated);
  if (length > 0) body.set(cipher.update(body.subarray(0, length)));
  cipher.final();
  body.set(cipher.getAuthTag(), length);
}

/** Decrypts all of `body` but its last bytes, the tag. Changes nothing and gives false when it is not authentic. */
function open(key: Buffer, associated: Buffer, body: Buffer): boolean {
  const length = body.length - TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, key, NONCE, OPTIONS);
  decipher.setAAD(associated);
  decipher.setAuthTag(body.subarray(length));
  const plain = length > 0 ? decipher.update(body.subarray(0, length)) : undefined;
  try {
    decipher.final();
  } catch {
    return false;
  }
  if (plain !== undefined) body.set(plain);
  return true;
}
