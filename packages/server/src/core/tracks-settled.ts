import type { Stream } from './stream.ts';

/** A stream of which so much has come with one track is believed to have no other. */
const SECOND_TRACK_WAIT_US = 500_000;
/** The same of a stream whose publisher agreed on sending that other track: pictures begin later than sound. */
const AGREED_TRACK_WAIT_US = 1_500_000;
/** It is not waited for longer. */
const LONGEST_WAIT_MS = 2000;

/**
 * True when it is known what a stream consists of, or can't be waited for any longer. Encoders may announce a track long
 * before its first packet, and the other track with its own first one: until packets come, nothing is known.
 * @param waitedMs How long has been waited
 */
export function tracksSettled(stream: Stream, waitedMs: number, longestWaitMs = LONGEST_WAIT_MS): boolean {
  const { video, audio } = stream.state;
  if (stream.ended || (video !== undefined && audio !== undefined)) return true;
  const oldest = stream.log.at(stream.log.start);
  const known = video !== undefined || audio !== undefined;
  const { tracksComplete, agreedTracks } = stream.publisher ?? {};
  const isAwaited = agreedTracks?.some(({ kind }) => stream.state[kind] === undefined) === true;
  if (known && (tracksComplete === true || (agreedTracks !== undefined && !isAwaited))) return true;
  if (waitedMs > longestWaitMs) return true;
  const waitUs = isAwaited ? AGREED_TRACK_WAIT_US : SECOND_TRACK_WAIT_US;
  return known && oldest !== undefined && stream.lastDtsUs - oldest.dtsUs > waitUs;
}
