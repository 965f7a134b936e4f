import { type PictureSize, type Stream, sizeInForm } from '../core/index.ts';
import { AS_THE_SOURCE, type RenditionProfile, USUAL_AUDIO } from './profile.ts';
import type { SourcePicture } from './source-picture.ts';
import { usualBps } from './usual-bitrate.ts';

/** Of the lines of the source, and of its bits: a line of half of it carries the first, one of a quarter the second. */
const STEPS = [
  { divisor: 2, share: 1 / 3 },
  { divisor: 3, share: 1 / 8 },
] as const;
/** Smaller pictures are not worth it, unless the source is smaller itself. */
const LEAST_LINES = 120;
/** Less is not worth to be encoded. */
const LEAST_BPS = 60_000;
/** What takes more than this share of the source is of no use. */
const MOST_SHARE = 0.6;
/** A stream whose publisher is held up at the moment is taken for at least this share of the most that it took. */
const HELD_UP_SHARE = 1 / 3;
/** Rates are made whole by this. */
const STEP_BPS = 10_000;
/** More pictures a second than this are halved. */
const USUAL_FPS = 30;

/**
 * Profiles of what is made of a stream for viewers whose line does not carry it: few, and the same for all of them, so that
 * they share encoders.
 */
export class ThinProfiles {
  readonly #kept = new WeakMap<Stream, { readonly epoch: number; readonly profiles: readonly RenditionProfile[] }>();

  /** Those that were made last for the same publication; undefined when there are none. */
  kept(stream: Stream): readonly RenditionProfile[] | undefined {
    const kept = this.#kept.get(stream);
    return kept?.epoch === stream.state.epoch ? kept.profiles : undefined;
  }

  /** By what the stream takes now, to be kept while one of them is made; none while that says little of it. */
  renew(stream: Stream, source: SourcePicture): readonly RenditionProfile[] {
    const { knownBps } = source;
    const takenBps = Math.max(source.bitrateBps, (knownBps ?? 0) * HELD_UP_SHARE);
    const profiles = knownBps === undefined ? [] : profilesBelow(source, takenBps);
    this.#kept.set(stream, { epoch: stream.state.epoch, profiles });
    return profiles;
  }
}

function profilesBelow({ size, fps = 0 }: SourcePicture, bitrateBps: number): RenditionProfile[] {
  const profiles = STEPS.map(({ divisor, share }) => {
    const height = linesOf(size, divisor);
    const mostBps = Math.min(bitrateBps * share, usualBps(sizeInForm(size, { height })));
    const stepBps = Math.max(LEAST_BPS, Math.floor(mostBps / STEP_BPS) * STEP_BPS);
    const rate = fps > USUAL_FPS ? Math.ceil(fps / 2) : undefined;
    const name = `${height}p ${stepBps / 1000} kbit/s`;
    return { name, video: { ...AS_THE_SOURCE, height, bitrateBps: stepBps, fps: rate }, audio: USUAL_AUDIO };
  });
  return profiles.filter(({ name, video }, i) => {
    const isOther = profiles.findIndex((one) => one.name === name) === i;
    return isOther && video.bitrateBps <= bitrateBps * MOST_SHARE;
  });
}

function linesOf({ height }: PictureSize, divisor: number): number {
  return Math.floor(Math.max(height / divisor, Math.min(height, LEAST_LINES)) / 2) * 2;
}
