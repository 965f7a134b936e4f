import { decodeUtf8 } from '../amf/utf8.ts';
import { readU16, readU24, writeU16 } from './bytes.ts';

/** The header extension of a packet, not taken apart yet. */
export interface RtpExtensions {
  /** "defined by profile" of RFC 3550 §5.3.1: 0xBEDE and 0x1000 to 0x100F hold elements of RFC 8285; 0 for none. */
  readonly profile: number;
  /** What follows the length, a view into the packet. */
  readonly data: Uint8Array;
}

/** An element of a header extension that is to be written. */
export interface RtpExtension {
  /** 1 to 255 as negotiated; 15 and above make the two-byte form necessary. */
  readonly id: number;
  /** At most 255 bytes; over 16, or none at all, make the two-byte form necessary. */
  readonly value: Uint8Array;
}

/** The extension of packets without one. */
export const NO_EXTENSIONS: RtpExtensions = { profile: 0, data: new Uint8Array(0) };

const ONE_BYTE = 0xbede;
const TWO_BYTE = 0x1000;
const STOP_ID = 15;

/**
 * The value of the element with that id, a view into the packet; undefined when there is none or the extension breaks
 * off before it. Reads the one-byte and the two-byte form (RFC 8285 §4.2 and §4.3). Never throws.
 *
 * Hot path: allocates only the view.
 */
export function extension(packet: { readonly extensions: RtpExtensions }, id: number): Uint8Array | undefined {
  const { profile, data } = packet.extensions;
  if (profile === ONE_BYTE) return findOneByte(data, id);
  return (profile & 0xfff0) === TWO_BYTE ? findTwoByte(data, id) : undefined;
}

function findOneByte(data: Uint8Array, id: number): Uint8Array | undefined {
  let position = 0;
  while (position < data.length) {
    const head = data[position] ?? 0;
    position += 1;
    // A single zero is padding; an id of zero with a length ends the elements, as the reserved 15 does.
    if (head === 0) continue;
    const found = head >> 4;
    if (found === STOP_ID || found === 0) return undefined;
    const end = position + (head & 0x0f) + 1;
    if (end > data.length) return undefined;
    if (found === id) return data.subarray(position, end);
    position = end;
  }
  return undefined;
}

function findTwoByte(data: Uint8Array, id: number): Uint8Array | undefined {
  let position = 0;
  while (position < data.length) {
    const found = data[position] ?? 0;
    position += 1;
    if (found === 0) continue;
    const end = position + 1 + (data[position] ?? 0);
    if (end > data.length) return undefined;
    if (found === id) return data.subarray(position + 1, end);
    position = end;
  }
  return undefined;
}

/** Bytes of the elements with their padding, without the four bytes before them. */
export function extensionDataLength(extensions: readonly RtpExtension[]): number {
  const headBytes = needsTwoBytes(extensions) ? 2 : 1;
  let length = 0;
  for (let i = 0; i < extensions.length; i++) length += headBytes + (extensions[i]?.value.length ?? 0);
  return (length + 3) & ~3;
}

/** Writes a whole header extension at `offset` and gives where it ends. Allocates nothing. */
export function writeExtensions(target: Uint8Array, offset: number, extensions: readonly RtpExtension[]): number {
  const twoBytes = needsTwoBytes(extensions);
  const end = offset + 4 + extensionDataLength(extensions);
  writeU16(target, offset, twoBytes ? TWO_BYTE : ONE_BYTE);
  writeU16(target, offset + 2, (end - offset - 4) >> 2);
  let position = offset + 4;
  for (let i = 0; i < extensions.length; i++) {
    const element = extensions[i];
    if (element === undefined) continue;
    const { id, value } = element;
    if (twoBytes) {
      target[position] = id;
      target[position + 1] = value.length;
    } else target[position] = (id << 4) | (value.length - 1);
    position += twoBytes ? 2 : 1;
    target.set(value, position);
    position += value.length;
  }
  while (position < end) {
    target[position] = 0;
    position += 1;
  }
  return end;
}

function needsTwoBytes(extensions: readonly RtpExtension[]): boolean {
  for (let i = 0; i < extensions.length; i++) {
    const element = extensions[i];
    if (element === undefined) continue;
    if (element.id >= STOP_ID || element.value.length === 0 || element.value.length > 16) return true;
  }
  return false;
}

/** A text element such as MID, RID or repaired RID (RFC 8843 §15, RFC 8852 §3); undefined when there is none. */
export function textExtension(packet: { readonly extensions: RtpExtensions }, id: number): string | undefined {
  const value = extension(packet, id);
  return value && decodeUtf8(value);
}

/**
 * The transport-wide sequence number of a packet, 0 to 65535
 * (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2); undefined when there is none.
 */
export function transportSequence(packet: { readonly extensions: RtpExtensions }, id: number): number | undefined {
  const value = extension(packet, id);
  return value === undefined || value.length < 2 ? undefined : readU16(value, 0);
}

/**
 * When the packet left its sender, in seconds modulo 64 with 18 bits of fraction ("abs-send-time"), as that 24-bit
 * number; undefined when there is none.
 */
export function absoluteSendTime(packet: { readonly extensions: RtpExtensions }, id: number): number | undefined {
  const value = extension(packet, id);
  return value === undefined || value.length < 3 ? undefined : readU24(value, 0);
}
