import type { Stream } from '../../core/index.ts';
import type { WantedKinds } from './request.ts';

/** What a viewer wants, and of that what can be sent of the stream as it is now. */
export interface Receivable {
  readonly wants: WantedKinds;
  readonly carried: WantedKinds;
}

/**
 * Which tracks the FLV header of a viewer who begins now announces, or undefined while it is too early to tell.
 *
 * A player waits for an announced track before it shows anything, and browsers can't add one later. So a stream that
 * shows one track is given `trackWaitMs` to show the other, counted in its own time where that is known (a stream that
 * has run for longer needs no wait), or else by the viewer's clock.
 * @param waitedMs How long the viewer has been looking at a stream with at least one track.
 */
export function announcedTracks(
  stream: Stream,
  { wants, carried }: Receivable,
  wait: { readonly waitedMs: number; readonly trackWaitMs: number },
): WantedKinds | undefined {
  const { video, audio } = stream.state;
  if (video === undefined && audio === undefined) return undefined;
  const complete =
    stream.publisher?.tracksComplete === true ||
    ((!wants.video || video !== undefined) && (!wants.audio || audio !== undefined));
  if (!complete && Math.max(wait.waitedMs, cachedMs(stream)) < wait.trackWaitMs) return undefined;
  return {
    video: wants.video && video !== undefined && carried.video,
    audio: wants.audio && audio !== undefined && carried.audio,
  };
}

function cachedMs(stream: Stream): number {
  const oldest = stream.log.at(stream.log.start);
  return oldest === undefined ? 0 : (stream.lastDtsUs - oldest.dtsUs) / 1000;
}
