import { ProtocolError, type Track } from '../packet.ts';

const KEY_HEADER_BYTES = 10;

/** True when a VP8 frame is a key frame (RFC 6386 §9.1). False for anything shorter than its frame tag. */
export function isVp8Key(frame: Uint8Array): boolean {
  return frame.length > 3 && ((frame[0] ?? 1) & 1) === 0;
}

/**
 * Size in pixels from the header of a VP8 key frame, RFC 6386 §9.1, without the scaling that it may ask for.
 * @throws ProtocolError VP8_BAD_FRAME for other frames and broken headers.
 */
export function parseVp8KeyFrame(frame: Uint8Array): { width: number; height: number } {
  if (!isVp8Key(frame) || frame.length < KEY_HEADER_BYTES) throw badFrame('not a whole key frame header');
  if (frame[3] !== 0x9d || frame[4] !== 0x01 || frame[5] !== 0x2a) throw badFrame('no start code');
  const width = (((frame[7] ?? 0) << 8) | (frame[6] ?? 0)) & 0x3fff;
  const height = (((frame[9] ?? 0) << 8) | (frame[8] ?? 0)) & 0x3fff;
  if (width === 0 || height === 0) throw badFrame('a size of zero');
  return { width, height };
}

/** Makes a VP8 track with the 90 kHz clock; VP8 needs no configuration. */
export function vp8Track(id: number): Track {
  return { id, kind: 'video', codec: 'vp8', clockRate: 90000, parameters: [] };
}

function badFrame(reason: string): ProtocolError {
  return new ProtocolError('VP8_BAD_FRAME', `bad VP8 frame: ${reason}`);
}
