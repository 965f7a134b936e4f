/** Profiles of H.264 as WebRTC tells them apart (RFC 6184 §8.1, table 5). */
export type H264Profile =
  | 'constrained_baseline'
  | 'baseline'
  | 'extended'
  | 'main'
  | 'constrained_high'
  | 'high'
  | 'high_10'
  | 'high_422'
  | 'high_444';

/** What `profile-level-id` says. */
export interface H264ProfileLevel {
  readonly profile: H264Profile;
  /** level_idc, ten times the level: 31 for level 3.1, 9 for level 1b. */
  readonly level: number;
  /** Three bytes in lower-case hexadecimal. */
  readonly id: string;
}

/** What a missing parameter means (RFC 6184 §8.1): baseline, level 1. */
export const DEFAULT_H264_PROFILE_LEVEL_ID = '420010';

const CONSTRAINT_0 = 0x80;
const CONSTRAINT_1 = 0x40;
const CONSTRAINT_3 = 0x10;
const CONSTRAINED_HIGH = 0x0c;
const LEVEL_1_1 = 11;
const LEVEL_1B = 9;

/** Reads a `profile-level-id`; undefined when it is not one or of a profile that nobody sends by RTP. */
export function parseH264ProfileLevel(text: string): H264ProfileLevel | undefined {
  // FFmpeg's WHIP muxer writes its own flag for "constrained", 0x200, where one byte belongs.
  const id = text.toLowerCase().replace(/^(42|4d|58|64)200([0-9a-f]{2})$/, '$140$2');
  if (!/^[0-9a-f]{6}$/.test(id)) return undefined;
  const bytes = Number.parseInt(id, 16);
  const constraints = (bytes >> 8) & 0xff;
  const profile = profileOf(bytes >> 16, constraints);
  if (profile === undefined) return undefined;
  const levelIdc = bytes & 0xff;
  const isLevel1b = levelIdc === LEVEL_1_1 && bytes >> 16 <= 88 && (constraints & CONSTRAINT_3) !== 0;
  return { profile, level: isLevel1b ? LEVEL_1B : levelIdc, id };
}

function profileOf(profileIdc: number, constraints: number): H264Profile | undefined {
  const isSet = (flags: number): boolean => (constraints & flags) === flags;
  switch (profileIdc) {
    case 66:
      return isSet(CONSTRAINT_1) ? 'constrained_baseline' : 'baseline';
    case 77:
      return isSet(CONSTRAINT_0) ? 'constrained_baseline' : 'main';
    case 88:
      if (!isSet(CONSTRAINT_0)) return 'extended';
      return isSet(CONSTRAINT_1) ? 'constrained_baseline' : 'baseline';
    case 100:
      return isSet(CONSTRAINED_HIGH) ? 'constrained_high' : 'high';
    case 110:
      return 'high_10';
    case 122:
      return 'high_422';
    case 244:
      return 'high_444';
    default:
      return undefined;
  }
}

/** Profiles whose decoders also decode the key's streams (ITU-T H.264 §A.2). */
const DECODED_BY: Readonly<Record<H264Profile, readonly H264Profile[]>> = {
  constrained_baseline: ['baseline', 'main', 'extended', 'constrained_high', 'high', 'high_10', 'high_422', 'high_444'],
  baseline: ['extended'],
  extended: [],
  main: ['high', 'high_10', 'high_422', 'high_444'],
  constrained_high: ['high', 'high_10', 'high_422', 'high_444'],
  high: ['high_10', 'high_422', 'high_444'],
  high_10: ['high_422', 'high_444'],
  high_422: ['high_444'],
  high_444: [],
};

/** True when a decoder of profile `decoder` can decode streams of profile `stream`. */
export function h264ProfileDecodes(decoder: H264Profile, stream: H264Profile): boolean {
  return decoder === stream || DECODED_BY[stream].includes(decoder);
}
