export {
  type FragmentSample,
  type FragmentTrack,
  type InitSegmentOptions,
  isFmp4Carriable,
  type MediaSegmentOptions,
  writeInitSegment,
  writeMediaSegment,
} from './fmp4.ts';
export { Mp4FragmentWriter, type Mp4FragmentWriterOptions } from './fragment-writer.ts';
export { type CutRange, planMp4Cut } from './plan-cut.ts';
export { planMp4InPlace } from './plan-in-place.ts';
export { planMp4Rewrite } from './plan-rewrite.ts';
export { Mp4Reader } from './reader.ts';
