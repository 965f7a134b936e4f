import type { Track } from '@sluice/media';
import { type Adaptations, type AdaptedStream, type Stream, tracksSettled } from '../../../core/index.ts';
import type { Ticker } from '../../../io/index.ts';

export interface TrackWait {
  /** For a stream that shows no track, or no packet. */
  readonly trackWaitMs: number;
  /** For a track that is being converted. */
  readonly conversionWaitMs: number;
  readonly signal: AbortSignal;
}

/**
 * Resolves with what a player can be told of a stream, video first: as soon as all its tracks are known, or can't be
 * waited for any longer. Empty when nothing can be played.
 */
export function tracksKnown(
  lease: AdaptedStream,
  env: { readonly adaptations: Adaptations; readonly ticker: Ticker },
  wait: TrackWait,
): Promise<readonly Track[]> {
  const beganMs = performance.now();
  const isKnown = (nowMs: number): boolean => {
    if (wait.signal.aborted || lease.stream.ended || lease.source.ended) return true;
    const waitedMs = nowMs - beganMs;
    if (!tracksSettled(lease.source, waitedMs, wait.trackWaitMs)) return false;
    return waitedMs > wait.conversionWaitMs || !isConverting(lease, env.adaptations);
  };
  return new Promise((resolve) => {
    const finish = (): void => resolve(tracksOf(lease.stream));
    if (isKnown(beganMs)) return finish();
    const listener = env.ticker.on((nowMs) => {
      if (!isKnown(nowMs)) return;
      listener[Symbol.dispose]();
      finish();
    });
  });
}

function tracksOf({ state }: Stream): readonly Track[] {
  return [state.video, state.audio].filter((track) => track !== undefined);
}

/** True while a track that can be given is still missing in the form that the player gets. */
function isConverting({ stream, source, acceptance, leftOut }: AdaptedStream, adaptations: Adaptations): boolean {
  if (stream === source) return false;
  const needs = adaptations.needsConversion(source, acceptance);
  return (['video', 'audio'] as const).some(
    (kind) => (needs[kind] === 'yes' || needs[kind] === 'no') && stream.state[kind] === undefined && !(kind in leftOut),
  );
}
