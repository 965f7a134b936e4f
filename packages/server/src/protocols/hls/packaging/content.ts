import { codecString, videoSize } from '@sluice/media';
import type { CutTracks } from '../cut.ts';
import type { SegmentWindow } from '../segment-window.ts';

/** What a packager has in its files. */
export interface PackagedContent {
  /** RFC 6381 codec strings; undefined for what is not there. */
  readonly video: string | undefined;
  readonly audio: string | undefined;
  /** Pixels and pictures a second, where they are known. */
  readonly size: { readonly width: number; readonly height: number; readonly fps?: number | undefined } | undefined;
  /** Bits a second, of all tracks: of the segment with the most, and of all listed ones. */
  readonly peakBandwidth: number;
  readonly averageBandwidth: number;
}

/** Tells what is in the segments of a window, whose newest ones consist of `tracks`. */
export function contentOf(
  window: SegmentWindow,
  tracks: CutTracks | undefined,
  pictureSize: PackagedContent['size'],
): PackagedContent {
  const { listed, growing } = window;
  const video = tracks?.video;
  let peakBandwidth = 0;
  let bits = 0;
  let us = 0;
  for (const { byteLength, durationUs } of listed.length > 0 || growing === undefined ? listed : [growing]) {
    if (durationUs === 0) continue;
    peakBandwidth = Math.max(peakBandwidth, (byteLength * 8e6) / durationUs);
    bits += byteLength * 8;
    us += durationUs;
  }
  return {
    video: video && codecString(video),
    audio: tracks?.audio && codecString(tracks.audio),
    size: (video && videoSize(video)) ?? pictureSize,
    peakBandwidth,
    averageBandwidth: us === 0 ? 0 : (bits * 1e6) / us,
  };
}
