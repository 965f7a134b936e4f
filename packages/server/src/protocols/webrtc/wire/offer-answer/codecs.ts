import {
  DEFAULT_H264_PROFILE_LEVEL_ID,
  type FormatParameters,
  type H264Profile,
  parseH264ProfileLevel,
  type RtpPayloadFormat,
} from '@sluice/media';
import type { RtpCodec } from './policy.ts';

/** A payload type of the offer that we know how to carry. */
export interface OfferedCodec {
  readonly codec: RtpCodec;
  readonly format: RtpPayloadFormat;
  /** H.264 only. */
  readonly packetizationMode: 0 | 1 | undefined;
  readonly h264Profile: H264Profile | undefined;
  /** VP9, AV1 and H.265: number of the profile. */
  readonly profileId: number | undefined;
  /** Position in the client's order of preference. */
  readonly position: number;
}

interface CodecFacts {
  readonly kind: 'video' | 'audio';
  readonly clockRate: number;
  /** Parameter that names the profile, and what it is when absent. */
  readonly profile?: { readonly name: string; readonly usual: number };
  /** Parameters that an answer repeats; the others are the client's own affair. */
  readonly echoed: readonly string[];
}

const CODECS: Readonly<Record<RtpCodec, CodecFacts>> = {
  h264: {
    kind: 'video',
    clockRate: 90_000,
    echoed: ['level-asymmetry-allowed', 'packetization-mode', 'profile-level-id'],
  },
  // RFC 7798 §7.1: profile 1 is Main.
  h265: {
    kind: 'video',
    clockRate: 90_000,
    profile: { name: 'profile-id', usual: 1 },
    echoed: ['profile-space', 'profile-id', 'tier-flag', 'level-id', 'tx-mode'],
  },
  vp8: { kind: 'video', clockRate: 90_000, echoed: [] },
  vp9: { kind: 'video', clockRate: 90_000, profile: { name: 'profile-id', usual: 0 }, echoed: ['profile-id'] },
  av1: {
    kind: 'video',
    clockRate: 90_000,
    profile: { name: 'profile', usual: 0 },
    echoed: ['level-idx', 'profile', 'tier'],
  },
  // RFC 7587 §6.1, and what browsers add.
  opus: {
    kind: 'audio',
    clockRate: 48_000,
    echoed: [
      'maxplaybackrate',
      'maxptime',
      'ptime',
      'minptime',
      'maxaveragebitrate',
      'stereo',
      'sprop-stereo',
      'cbr',
      'useinbandfec',
      'usedtx',
    ],
  },
  pcma: { kind: 'audio', clockRate: 8000, echoed: [] },
  pcmu: { kind: 'audio', clockRate: 8000, echoed: [] },
  g722: { kind: 'audio', clockRate: 8000, echoed: [] },
};

/** True for the name of a codec that WebRTC peers and we can exchange, in lower case. */
export function isRtpCodecName(name: string): name is RtpCodec {
  return Object.hasOwn(CODECS, name);
}

/** The profile that a codec has when nothing is said about it. */
export function usualProfile(codec: RtpCodec): number | undefined {
  return CODECS[codec].profile?.usual;
}

/** The payload types of a section that we can carry, in the client's order. */
export function offeredCodecs(kind: 'video' | 'audio', formats: readonly RtpPayloadFormat[]): OfferedCodec[] {
  const known: OfferedCodec[] = [];
  for (const [position, format] of formats.entries()) {
    const codec = codecOf(format);
    if (codec === undefined || CODECS[codec].kind !== kind) continue;
    const offered = describe(codec, format, position);
    if (offered !== undefined) known.push(offered);
  }
  return known;
}

function codecOf({ encodingName, clockRate }: RtpPayloadFormat): RtpCodec | undefined {
  const name = encodingName.toLowerCase();
  if (!Object.hasOwn(CODECS, name)) return undefined;
  const codec = name as RtpCodec;
  return CODECS[codec].clockRate === clockRate ? codec : undefined;
}

function describe(codec: RtpCodec, format: RtpPayloadFormat, position: number): OfferedCodec | undefined {
  const { parameters } = format;
  const base = { codec, format, position, packetizationMode: undefined, h264Profile: undefined, profileId: undefined };
  if (codec === 'h264') {
    const mode = parameters.get('packetization-mode') ?? '0';
    const { profile } =
      parseH264ProfileLevel(parameters.get('profile-level-id') ?? DEFAULT_H264_PROFILE_LEVEL_ID) ?? {};
    // Mode 2 is interleaved, which WebRTC has no use for (RFC 7742 §6.2).
    if ((mode !== '0' && mode !== '1') || profile === undefined) return undefined;
    return { ...base, packetizationMode: mode === '1' ? 1 : 0, h264Profile: profile };
  }
  // More than one RTP stream for a picture (RFC 7798 §7.1) is nothing that browsers do.
  if (codec === 'h265' && (parameters.get('tx-mode') ?? 'SRST').toUpperCase() !== 'SRST') return undefined;
  const { profile } = CODECS[codec];
  if (profile === undefined) return base;
  const profileId = Number(parameters.get(profile.name) ?? profile.usual);
  return Number.isInteger(profileId) ? { ...base, profileId } : undefined;
}

/** Parameters of a format as an answer has them: those of the offer that are not the client's own affair. */
export function answeredParameters({ codec, format }: OfferedCodec): FormatParameters {
  const { echoed } = CODECS[codec];
  const answered = new Map<string, string>();
  for (const [name, value] of format.parameters) {
    if (!echoed.includes(name)) continue;
    const isProfile = codec === 'h264' && name === 'profile-level-id';
    answered.set(name, isProfile ? (parseH264ProfileLevel(value)?.id ?? value) : value);
  }
  return answered;
}

/** Payload type of the retransmissions of `payloadType` (RFC 4588 §8.6). */
export function rtxPayloadType(formats: readonly RtpPayloadFormat[], payloadType: number): number | undefined {
  const apt = String(payloadType);
  const rtx = formats.find((f) => f.encodingName.toLowerCase() === 'rtx' && f.parameters.get('apt') === apt);
  return rtx?.payloadType;
}

/**
 * Payload type of `payloadType` with redundancy (RFC 2198), where all of its blocks are of that one: `a=fmtp:63
 * 111/111`.
 */
export function redPayloadType(formats: readonly RtpPayloadFormat[], payloadType: number): number | undefined {
  const own = formats.find((format) => format.payloadType === payloadType);
  return formats.find(({ encodingName, clockRate, channels, parameters }) => {
    if (encodingName.toLowerCase() !== 'red' || own?.clockRate !== clockRate || own.channels !== channels) return false;
    const blocks = [...parameters.keys()][0]?.split('/') ?? [];
    return blocks.length > 1 && blocks.every((block) => block === String(payloadType));
  })?.payloadType;
}
