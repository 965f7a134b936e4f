import type { Codec } from '../../packet.ts';

/** Which temporal layer a frame is of, and whether one who got only lower layers can go on with this one here. */
export interface TemporalMark {
  /** 0 is the base; frames of lower layers do not need those of higher ones. */
  readonly layer: number;
  readonly start: boolean;
}

/** All marks there can be, so that reading one costs no allocation. */
const MARKS: readonly (readonly [later: TemporalMark, start: TemporalMark])[] = Array.from(
  { length: 8 },
  (_, layer) => [
    { layer, start: false },
    { layer, start: true },
  ],
);

/** The mark of a layer, 0 to 7. The base can always be gone on with. */
export function temporalMark(layer: number, start: boolean): TemporalMark | undefined {
  return MARKS[layer]?.[start || layer === 0 ? 1 : 0];
}

/**
 * What the payload itself says of its frame's temporal layer: the descriptors of VP8 (RFC 7741 §4.2) and VP9 (RFC 9628
 * §4.2); for H.264, whose slices that no other picture refers to (`nal_ref_idc` 0) are as good as a layer above all others,
 * and only for those. Undefined where nothing is said. Never throws.
 *
 * Hot path: allocates nothing.
 */
export function rtpTemporalMark(codec: Codec, payload: Uint8Array): TemporalMark | undefined {
  switch (codec) {
    case 'vp8':
      return vp8Mark(payload);
    case 'vp9':
      return vp9Mark(payload);
    case 'h264':
      return isDisposable(payload) ? temporalMark(1, true) : undefined;
    default:
      return undefined;
  }
}

function vp8Mark(payload: Uint8Array): TemporalMark | undefined {
  const flags = payload[1] ?? 0;
  if (((payload[0] ?? 0) & 0x80) === 0 || (flags & 0x20) === 0) return undefined;
  let position = 2;
  if ((flags & 0x80) !== 0) position += ((payload[2] ?? 0) & 0x80) !== 0 ? 2 : 1;
  if ((flags & 0x40) !== 0) position += 1;
  const byte = payload[position];
  return byte === undefined ? undefined : temporalMark(byte >> 6, (byte & 0x20) !== 0);
}

function vp9Mark(payload: Uint8Array): TemporalMark | undefined {
  const flags = payload[0] ?? 0;
  if ((flags & 0x20) === 0) return undefined;
  let position = 1;
  if ((flags & 0x80) !== 0) position += ((payload[1] ?? 0) & 0x80) !== 0 ? 2 : 1;
  const byte = payload[position];
  return byte === undefined ? undefined : temporalMark(byte >> 5, (byte & 0x10) !== 0);
}

/** A slice of an ordinary picture, whole or a fragment (RFC 6184 §5.3, §5.8), that nothing refers to. */
function isDisposable(payload: Uint8Array): boolean {
  const head = payload[0] ?? 0;
  if ((head & 0x60) !== 0) return false;
  const type = head & 0x1f;
  return type === 1 || (type === 28 && ((payload[1] ?? 0) & 0x1f) === 1);
}
