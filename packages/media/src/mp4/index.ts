export {
  type FragmentSample,
  type FragmentTrack,
  type MediaSegmentOptions,
  writeInitSegment,
  writeMediaSegment,
} from './fmp4.ts';
export { type ByteSource, type Mp4Sample, Mp4Reader, type Mp4Track } from './reader.ts';
