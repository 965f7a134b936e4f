import type { FinishedFacts } from '../file-plan.ts';
import type { CollectedTrack } from './collected-track.ts';
import { microseconds } from './track-time.ts';

/** What a file will hold that is made of these tracks. */
export function finishedFacts(tracks: readonly CollectedTrack[], tornBytes: number): FinishedFacts {
  let startUs = Number.POSITIVE_INFINITY;
  let endUs = 0;
  const facts = tracks.map((track) => {
    const { time, main } = track.source;
    const firstUs = microseconds(time, track.firstDts + track.presentationStart);
    const lastUs = microseconds(time, track.firstDts + track.presentationEnd);
    startUs = Math.min(startUs, firstUs);
    endUs = Math.max(endUs, lastUs);
    return { track: main.track, samples: track.count, durationUs: Math.max(0, lastUs - firstUs) };
  });
  return { durationUs: Math.max(0, endUs - startUs), tracks: facts, tornBytes };
}
