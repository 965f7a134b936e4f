import type { Stream } from '../core/index.ts';

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
