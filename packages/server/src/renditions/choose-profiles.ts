import type { PictureSize } from '../core/index.ts';
import { keepsSize, type RenditionProfile } from './profile.ts';

/** Profiles that are of use for a source, and sentences about those that are not. */
export interface ChosenProfiles {
  readonly profiles: readonly RenditionProfile[];
  readonly notes: readonly string[];
}

/**
 * Pictures are never made larger: profiles above the source are left out, but for the lowest of all when all are. Those
 * without size always stay.
 */
export function chooseProfiles(all: readonly RenditionProfile[], source: PictureSize): ChosenProfiles {
  const sized = all.filter((profile) => !keepsSize(profile));
  const fitting = sized.filter((profile) => !isLarger(profile, source));
  const lowest = sized.reduce<RenditionProfile | undefined>(
    (low, one) => (low === undefined || linesOf(one, source) < linesOf(low, source) ? one : low),
    undefined,
  );
  const kept = new Set(fitting.length > 0 || lowest === undefined ? fitting : [lowest]);
  const { width, height } = source;
  return {
    profiles: all.filter((profile) => keepsSize(profile) || kept.has(profile)),
    notes: sized
      .filter((profile) => !kept.has(profile))
      .map(({ name }) => `${name} is left out: it is larger than the stream, which has ${width}x${height}`),
  };
}

function isLarger({ video }: RenditionProfile, source: PictureSize): boolean {
  return video.height === undefined ? (video.width ?? 0) > source.width : video.height > source.height;
}

/** Height that a profile stands for, with the shape of the source. */
function linesOf({ video }: RenditionProfile, { width, height }: PictureSize): number {
  return video.height ?? ((video.width ?? width) * height) / width;
}
