import type { Stream } from '../core/index.ts';

/** A track that has sent nothing for this long has no offset to the other any more. */
const SILENT_MS = 5000;

/**
 * By how much a stream's sound arrives ahead of the picture of the same moment, milliseconds; negative when behind, 0
 * unless both arrive. Measured by decoding times and smoothed over about half a second: what a player must buffer, not
 * what its viewer sees.
 */
export function audioVideoOffsetMs({ videoRate, audioRate }: Stream, nowMs = performance.now()): number {
  const arrives = (arrivedMs: number): boolean => arrivedMs > 0 && nowMs - arrivedMs < SILENT_MS;
  if (!arrives(videoRate.arrivedMs) || !arrives(audioRate.arrivedMs)) return 0;
  return Math.round(videoRate.lagMs - audioRate.lagMs);
}
