import type { Stream, StreamState } from '../core/index.ts';

/** What the bitstream of a video track says about itself. */
export interface VideoDetails {
  readonly width: number;
  readonly height: number;
  /** RFC 6381 name, such as `avc1.64001f`. */
  readonly codecString?: string | undefined;
}

/** What the bitstream of an audio track says about itself. */
export interface AudioDetails {
  readonly sampleRate: number;
  readonly channels: number;
  /** RFC 6381 name, such as `mp4a.40.2`. */
  readonly codecString?: string | undefined;
}

/** What only a parser of bitstreams can tell about a stream; a track is absent when it is missing or can't be parsed. */
export interface StreamDetails {
  readonly video?: VideoDetails | undefined;
  readonly audio?: AudioDetails | undefined;
}

/** Parses the parameters of the stream's tracks. Called at most once a request and stream; must not throw. */
export type DescribeTrack = (stream: Stream) => StreamDetails;

/**
 * Asks `describe` once for each state of a stream, as parsing is most of the cost of a list of streams. Tracks without
 * parameters, whose packets may have to be looked at, are described anew each time.
 */
export function describeOnce(describe: DescribeTrack): DescribeTrack {
  const known = new WeakMap<StreamState, StreamDetails>();
  return (stream) => {
    const { state } = stream;
    const found = known.get(state);
    if (found !== undefined) return found;
    const details = describe(stream);
    const tracks = [state.video, state.audio].filter((track) => track !== undefined);
    if (tracks.length > 0 && tracks.every((track) => track.parameters.length > 0)) known.set(state, details);
    return details;
  };
}
