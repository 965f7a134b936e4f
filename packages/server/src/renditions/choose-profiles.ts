import { type PictureSize, sizeInForm } from '../core/index.ts';
import { keepsSize, type RenditionProfile } from './profile.ts';
import { usualBps } from './usual-bitrate.ts';

/** What the choice of profiles must know of a source. */
export interface ProfiledSource {
  readonly size: PictureSize;
  /** Bits a second that its picture is known to take; undefined while that is not known. */
  readonly knownBps: number | undefined;
}

/** Profiles that are of use for a source, and sentences about those that are not. */
export interface ChosenProfiles {
  readonly profiles: readonly RenditionProfile[];
  readonly notes: readonly string[];
}

/** A picture of the source's own size is made anew only if it takes no more than this share of its bits. */
const SAME_SIZE_SHARE = 0.5;
/** The least quality is to take less than the source, whatever its profile says: this share at most, */
const LEAST_SHARE = 0.8;
/** but never less than this. */
const LEAST_BPS = 50_000;

/**
 * Pictures are never made larger: profiles above the source are left out, but for the lowest of all when all are. So are
 * those that take as much as the source or more, where that has a quality of its own and its bitrate is known: players
 * would prefer them. Of these the best that is smaller stays when nothing else would, with fewer bits. Profiles without
 * size always stay.
 */
export function chooseProfiles(all: readonly RenditionProfile[], source: ProfiledSource): ChosenProfiles {
  const { size } = source;
  const sized = all.filter((profile) => !keepsSize(profile));
  const fitting = sized.filter((profile) => !isLarger(profile, size));
  const useful = all.some(keepsSize) ? usefulOf(fitting, source) : fitting;
  const lowest = sized.reduce<RenditionProfile | undefined>(
    (low, one) => (low === undefined || linesOf(one, size) < linesOf(low, size) ? one : low),
    undefined,
  );
  const chosen = fitting.length > 0 || lowest === undefined ? useful : [lowest];
  const kept = new Map(chosen.map((profile) => [profile.name, profile]));
  return {
    profiles: all.flatMap((profile) => (keepsSize(profile) ? profile : (kept.get(profile.name) ?? []))),
    notes: sized.filter(({ name }) => !kept.has(name)).map((profile) => noteOf(profile, source, fitting)),
  };
}

/** Without those that a viewer gains nothing by. */
function usefulOf(fitting: readonly RenditionProfile[], { size, knownBps }: ProfiledSource) {
  if (knownBps === undefined) return fitting;
  const useful = fitting.filter((profile) => {
    const share = isSmaller(profile, size) ? 1 : SAME_SIZE_SHARE;
    return bitrateOf(profile, size) < knownBps * share;
  });
  if (useful.length > 0) return useful;
  const smaller = fitting.filter((profile) => isSmaller(profile, size));
  const [largest] = smaller.sort((one, other) => linesOf(other, size) - linesOf(one, size));
  return largest === undefined ? [] : [withFewerBits(largest, size, knownBps * LEAST_SHARE)];
}

/** Halved, so that a source whose rate goes up and down a little has the same quality made all the time. */
function withFewerBits(profile: RenditionProfile, size: PictureSize, mostBps: number): RenditionProfile {
  let bitrateBps = bitrateOf(profile, size);
  while (bitrateBps > mostBps && bitrateBps / 2 >= LEAST_BPS) bitrateBps = Math.round(bitrateBps / 2);
  return { ...profile, video: { ...profile.video, bitrateBps } };
}

function noteOf(
  profile: RenditionProfile,
  { size, knownBps }: ProfiledSource,
  fitting: readonly RenditionProfile[],
): string {
  const { width, height } = size;
  if (!fitting.includes(profile))
    return `${profile.name} is left out: it is larger than the stream, which has ${width}x${height}`;
  return `${profile.name} is left out: the stream takes ${Math.round((knownBps ?? 0) / 1000)} kbit/s as it is`;
}

function bitrateOf({ video }: RenditionProfile, source: PictureSize): number {
  return video.bitrateBps ?? usualBps(sizeInForm(source, { width: video.width, height: video.height }));
}

function isSmaller({ video }: RenditionProfile, source: PictureSize): boolean {
  const { width, height } = sizeInForm(source, { width: video.width, height: video.height });
  // An odd side becomes an even one.
  return width < source.width - 1 || height < source.height - 1;
}

function isLarger({ video }: RenditionProfile, source: PictureSize): boolean {
  return video.height === undefined ? (video.width ?? 0) > source.width : video.height > source.height;
}

/** Height that a profile stands for, with the shape of the source. */
function linesOf({ video }: RenditionProfile, { width, height }: PictureSize): number {
  return video.height ?? ((video.width ?? width) * height) / width;
}
