import { type H264Profile, h264ProfileDecodes, parseH264ProfileLevel } from '@sluice/media';
import { type OfferedCodec, usualProfile } from './codecs.ts';
import type { NegotiatedTrack } from './negotiated.ts';
import type { OfferPolicy, RtpCodec, SendPolicy, SourceFormat } from './policy.ts';

export interface CodecChoice {
  readonly offered: OfferedCodec;
  readonly match: NegotiatedTrack['match'];
}

/** Ranks by several measures, the first one that differs decides; smaller is better. */
type Rank = readonly number[];

/** The payload type that is used of those that the client offers; undefined when none can be. */
export function chooseCodec(
  kind: 'video' | 'audio',
  offered: readonly OfferedCodec[],
  policy: OfferPolicy,
): CodecChoice | undefined {
  const allowed: readonly RtpCodec[] = kind === 'video' ? policy.videoCodecs : policy.audioCodecs;
  const usable = offered.filter(({ codec }) => allowed.includes(codec));
  if (policy.direction === 'send') return chooseToSend(usable, policy[kind], policy);
  const wanted = profilesOf(policy.h264Profiles);
  const best = bestOf(usable, (one) => [allowed.indexOf(one.codec), ...formatRank(one, wanted)]);
  return best === undefined ? undefined : { offered: best, match: 'same' };
}

function chooseToSend(
  usable: readonly OfferedCodec[],
  source: SourceFormat | undefined,
  policy: SendPolicy,
): CodecChoice | undefined {
  if (source === undefined) return undefined;
  const wanted = profilesOf(policy.h264Profiles);
  const same = usable.filter(({ codec }) => codec === source.codec);
  const asIs = bestOf(same, (one) => [...sourceRank(one, source), ...formatRank(one, wanted)]);
  if (asIs !== undefined) return { offered: asIs, match: isSame(asIs, source) ? 'same' : 'differs' };
  const codec = usable.find((one) => source.conversions?.includes(one.codec))?.codec;
  const converted = bestOf(
    usable.filter((one) => one.codec === codec),
    (one) => formatRank(one, wanted),
  );
  return converted === undefined ? undefined : { offered: converted, match: 'converted' };
}

/** How well a payload type suits when nothing but our preferences decides. */
function formatRank(one: OfferedCodec, wanted: readonly H264Profile[]): Rank {
  if (one.codec === 'h264') {
    const profile = one.h264Profile === undefined ? -1 : wanted.indexOf(one.h264Profile);
    return [one.packetizationMode === 1 ? 0 : 1, profile < 0 ? wanted.length : profile, one.position];
  }
  return [one.profileId === usualProfile(one.codec) ? 0 : 1, one.position];
}

/** How well a payload type suits the stream that is to be sent with it. */
function sourceRank(one: OfferedCodec, source: SourceFormat): Rank {
  if (one.codec !== 'h264') return [one.profileId === (source.profileId ?? usualProfile(one.codec)) ? 0 : 1];
  const mode = one.packetizationMode === 1 ? 0 : 1;
  const stream = profileOfSource(source);
  if (stream === undefined || one.h264Profile === undefined) return [mode, 0];
  return [mode, profileDistance(one.h264Profile, stream)];
}

/** From the simplest to the richest. */
const PROFILES: readonly H264Profile[] = [
  'constrained_baseline',
  'baseline',
  'extended',
  'main',
  'constrained_high',
  'high',
  'high_10',
  'high_422',
  'high_444',
];

/**
 * How far an offered profile is from the stream's, those that decode it before their neighbours that do not. High
 * 4:4:4, which Chromium offers, decodes High by the book, but not in hardware: Main, which is nearer, does better.
 */
function profileDistance(offered: H264Profile, stream: H264Profile): number {
  const steps = Math.abs(PROFILES.indexOf(offered) - PROFILES.indexOf(stream));
  return steps === 0 ? 0 : steps * 2 - (h264ProfileDecodes(offered, stream) ? 1 : 0);
}

/** True when the client says that it can decode just this (RFC 6184 §8.2.2: the profile must match). */
function isSame(one: OfferedCodec, source: SourceFormat): boolean {
  if (one.codec !== 'h264') return one.profileId === (source.profileId ?? usualProfile(one.codec));
  if (one.packetizationMode === 0 && source.packetizationMode !== 0) return false;
  const stream = profileOfSource(source);
  return stream === undefined || one.h264Profile === undefined || h264ProfileDecodes(one.h264Profile, stream);
}

function profileOfSource({ profileLevelId }: SourceFormat): H264Profile | undefined {
  return profileLevelId === undefined ? undefined : parseH264ProfileLevel(profileLevelId)?.profile;
}

function profilesOf(ids: readonly string[]): H264Profile[] {
  return ids.map((id) => parseH264ProfileLevel(id)?.profile).filter((profile) => profile !== undefined);
}

function bestOf(all: readonly OfferedCodec[], rank: (one: OfferedCodec) => Rank): OfferedCodec | undefined {
  let best: { one: OfferedCodec; rank: Rank } | undefined;
  for (const one of all) {
    const mine = rank(one);
    if (best === undefined || isBefore(mine, best.rank)) best = { one, rank: mine };
  }
  return best?.one;
}

function isBefore(one: Rank, other: Rank): boolean {
  for (const [i, value] of one.entries()) {
    const difference = value - (other[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
