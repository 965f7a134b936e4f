export {
  type FragmentSample,
  type FragmentTrack,
  type InitSegmentOptions,
  isFmp4Carriable,
  type MediaSegmentOptions,
  writeInitSegment,
  writeMediaSegment,
} from './fmp4.ts';
export { Mp4Reader, type Mp4Sample, type Mp4Track } from './reader.ts';
