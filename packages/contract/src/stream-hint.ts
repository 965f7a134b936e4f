import Type, { type Static } from 'typebox';

/** What the server can find wrong with, or worth knowing about, what a publisher sends. */
export const StreamHintCode = Type.Union([
  /** Key frames are far apart: players start slowly. */
  Type.Literal('KEY_FRAME_INTERVAL_LONG'),
  /** Key frames come at changing distances: segments differ in length. */
  Type.Literal('KEY_FRAME_INTERVAL_VARIES'),
  /** The video has B-frames, which WebRTC can not carry. */
  Type.Literal('B_FRAMES'),
  /** The publisher sends sound only. */
  Type.Literal('VIDEO_MISSING'),
  /** The publisher sends pictures only. */
  Type.Literal('AUDIO_MISSING'),
  /** Far fewer pictures arrive than the encoder announced. */
  Type.Literal('FPS_LOW'),
  /** Sound and picture of the same moment arrive far apart. */
  Type.Literal('AUDIO_VIDEO_OFFSET'),
  /** HLS players or browsers can not play the video codec. */
  Type.Literal('VIDEO_CODEC_NOT_PLAYABLE'),
  /** HLS players or browsers can not play the audio codec. */
  Type.Literal('AUDIO_CODEC_NOT_PLAYABLE'),
  /** Packets arrive with long pauses between them. */
  Type.Literal('PUBLISHER_STALLS'),
]);

export type StreamHintCode = Static<typeof StreamHintCode>;

/** A hint to the publisher of a live stream. */
export const StreamHint = Type.Object({
  code: StreamHintCode,
  /** `error`: some viewers see or hear nothing. `warning`: they suffer. `info`: may well be on purpose. */
  severity: Type.Union([Type.Literal('info'), Type.Literal('warning'), Type.Literal('error')]),
  /** Plain English for people: what is so, what follows from it, and what to do. One or two sentences. */
  text: Type.String(),
});

export type StreamHint = Static<typeof StreamHint>;
