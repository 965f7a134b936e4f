import Type, { type Static } from 'typebox';

const Series = Type.Array(Type.Number());

/**
 * Body of `GET /api/streams/<name>/history?since=<ms>`: how a live stream went in the last minutes, one sample a second.
 * The series are columns: all have the length of `timesMs`, oldest sample first. Our own, not part of the WCS API.
 *
 * `<name>` is percent-encoded, its slashes too. Without `since`, or with 0, all samples that are kept are told
 * (300 at most); with it, those whose time is greater. To go on, pass the last time that was told. Answers 404 when the
 * stream is not live, 400 when `since` is not a number.
 */
export const StreamHistoryBody = Type.Object({
  name: Type.String(),
  /** When the samples of this publication begin, milliseconds since 1970; a new value means a new publication. */
  startedMs: Type.Integer(),
  /** Distance of samples, milliseconds; larger where the server was too busy to take one. */
  intervalMs: Type.Integer(),
  /** When each sample was taken, milliseconds since 1970; strictly ascending. */
  timesMs: Type.Array(Type.Integer()),
  /** Bits of video received in the sample's second. */
  videoBitsPerSecond: Series,
  /** Bits of audio received in the sample's second. */
  audioBitsPerSecond: Series,
  /** Pictures received in the sample's second. */
  framesPerSecond: Series,
  /** Packets that did not go through in the sample's second, summed over publisher and viewers, without tracks left out on purpose. */
  drops: Series,
  /** Packets that the network lost in the sample's second, on the way from the publisher and to the viewers, as far as their protocols tell. */
  lost: Series,
  /** Viewers at the sample's time. */
  viewers: Series,
  /** Video since the newest key frame at the sample's time, milliseconds of media: what a new viewer is sent at once. */
  gopMs: Series,
  /** Distance of the last two key frames at the sample's time, milliseconds of media; 0 until two were seen. */
  keyFrameIntervalMs: Series,
  /** Longest pause between two packets that ended in the sample's second, or lasts at its end, milliseconds. */
  longestGapMs: Series,
});

export type StreamHistoryBody = Static<typeof StreamHistoryBody>;
