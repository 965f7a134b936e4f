import Type, { type Static } from 'typebox';

/** One quality that a stream can be had in. */
export const LadderRow = Type.Object({
  /** Name of its profile. */
  name: Type.String(),
  /** 0 while the picture of the source is not known. */
  width: Type.Integer(),
  height: Type.Integer(),
  fps: Type.Number(),
  /** Bits a second with sound, expected. */
  bandwidth: Type.Integer(),
  /** The picture goes through as it is. */
  original: Type.Boolean(),
  /** Processor cores that it is expected to take while somebody watches it. */
  estimatedCores: Type.Number(),
  /** True while it is being made. */
  running: Type.Boolean(),
  /** Processor cores that it takes now; absent while it does not run, or while that is not known. */
  usedCores: Type.Optional(Type.Number()),
  /** Why it was given up. */
  failure: Type.Optional(Type.String()),
});

export type LadderRow = Static<typeof LadderRow>;

/** Body of `GET /api/ladder?stream=NAME`: the qualities of a stream, what they cost, and what is free. */
export const LadderBody = Type.Object({
  /** Best first; empty while the picture of the stream is not known, or when qualities are off. */
  renditions: Type.Array(LadderRow),
  /** Processor cores: for all of it, that may be used for pictures, and that are used for those of all streams. */
  estimatedCores: Type.Number(),
  limitCores: Type.Number(),
  usedCores: Type.Number(),
  /** What is missing and why, for people. */
  notes: Type.Array(Type.String()),
});

export type LadderBody = Static<typeof LadderBody>;
