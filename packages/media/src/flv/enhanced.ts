import { ProtocolError } from '../packet.ts';

/** Packet types that audio and video share (Enhanced RTMP v2, AudioPacketType and VideoPacketType). */
export const EX_SEQUENCE_START = 0;
export const EX_CODED_FRAMES = 1;
export const EX_SEQUENCE_END = 2;
const EX_MOD_EX = 7;

/** AvMultitrackType: how the tracks of one message are laid out. */
const ONE_TRACK = 0;
const MANY_TRACKS = 1;
const MANY_TRACKS_MANY_CODECS = 2;

/** The only type of modifier that is defined: nanoseconds to add to the presentation time. */
const MOD_EX_TIMESTAMP_NANO = 0;
/** No writer is known to use more than one; each one costs its sender at least three bytes. */
const MAX_MODIFIERS = 16;
/** The track that a receiver takes when it takes one only. */
const DEFAULT_TRACK_ID = 0;
const FOURCC_BYTES = 4;

/** The first byte of an enhanced tag, and the modifiers after it. */
export interface EnhancedHeader {
  /** AudioPacketType or VideoPacketType. */
  packetType: number;
  /** Nanoseconds to add to the presentation time, 0 to 999999. */
  timestampOffsetNs: number;
  /** Where the FourCC or the multitrack header begins. */
  position: number;
}

/** What one enhanced tag says about the default track. */
export interface EnhancedPayload {
  packetType: number;
  fourCc: string;
  /** What follows the header, for this track alone; a view into the body. */
  data: Uint8Array;
}

/**
 * Reads the packet type and the ModEx modifiers of a tag body in Enhanced RTMP v2 form ("ExVideoTagHeader",
 * "ExAudioTagHeader"). Modifiers of unknown type are passed over.
 * @throws ProtocolError FLV_BAD_TAG when the body ends inside them, or there are more than 16.
 */
export function parseEnhancedHeader(body: Uint8Array): EnhancedHeader {
  let packetType = (body[0] ?? 0) & 15;
  let timestampOffsetNs = 0;
  let position = 1;
  for (let count = 0; packetType === EX_MOD_EX; count += 1) {
    if (count === MAX_MODIFIERS) throw badTag(`more than ${MAX_MODIFIERS} modifiers`);
    let size = byteAt(body, position) + 1;
    position += 1;
    if (size === 256) {
      size = byteAt(body, position) * 256 + byteAt(body, position + 1) + 1;
      position += 2;
    }
    const next = byteAt(body, position + size);
    if (next >> 4 === MOD_EX_TIMESTAMP_NANO && size >= 3) {
      timestampOffsetNs = Math.min(readUint24(body, position), 999_999);
    }
    packetType = next & 15;
    position += size + 1;
  }
  return { packetType, timestampOffsetNs, position };
}

/**
 * Reads FourCC and data of the default track (id 0) from what follows the {@link EnhancedHeader}.
 * @param multitrack The packet type that announces several tracks: 5 for audio, 6 for video.
 * @returns undefined when the tag is about other tracks only, or lays them out in an unknown way.
 * @throws ProtocolError FLV_BAD_TAG when the body ends inside a header or a track.
 */
export function parseEnhancedPayload(
  body: Uint8Array,
  header: EnhancedHeader,
  multitrack: 5 | 6,
): EnhancedPayload | undefined {
  let { packetType, position } = header;
  if (packetType !== multitrack) {
    return { packetType, fourCc: readFourCc(body, position), data: body.subarray(position + FOURCC_BYTES) };
  }
  const layout = byteAt(body, position) >> 4;
  packetType = byteAt(body, position) & 15;
  position += 1;
  if (packetType === multitrack) throw badTag('several tracks inside of several tracks');
  if (layout > MANY_TRACKS_MANY_CODECS) return undefined;
  let fourCc = '';
  if (layout !== MANY_TRACKS_MANY_CODECS) {
    fourCc = readFourCc(body, position);
    position += FOURCC_BYTES;
  }
  if (layout === ONE_TRACK) {
    if (byteAt(body, position) !== DEFAULT_TRACK_ID) return undefined;
    return { packetType, fourCc, data: body.subarray(position + 1) };
  }
  while (position < body.length) {
    if (layout !== MANY_TRACKS) {
      fourCc = readFourCc(body, position);
      position += FOURCC_BYTES;
    }
    const trackId = byteAt(body, position);
    const size = readUint24(body, position + 1);
    position += 4;
    if (size > body.length - position) throw badTag('a track exceeds the tag');
    if (trackId === DEFAULT_TRACK_ID) {
      return { packetType, fourCc, data: body.subarray(position, position + size) };
    }
    position += size;
  }
  return undefined;
}

/** A FourCC as text. It goes into log lines, so nothing unprintable may come through. */
function readFourCc(body: Uint8Array, position: number): string {
  if (position + FOURCC_BYTES > body.length) throw badTag('it ends inside the FourCC');
  let text = '';
  for (const byte of body.subarray(position, position + FOURCC_BYTES)) {
    text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?';
  }
  return text;
}

/** Reads an unsigned 24-bit number. */
function readUint24(body: Uint8Array, position: number): number {
  return (byteAt(body, position) << 16) | (byteAt(body, position + 1) << 8) | byteAt(body, position + 2);
}

function byteAt(body: Uint8Array, position: number): number {
  const byte = body[position];
  if (byte === undefined) throw badTag(`it ends after ${body.length} bytes`);
  return byte;
}

/** The error of every tag parser. */
export function badTag(reason: string): ProtocolError {
  return new ProtocolError('FLV_BAD_TAG', `bad FLV tag: ${reason}`);
}
