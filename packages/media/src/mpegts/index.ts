export { TsDemuxer, type TsDemuxerCounts, type TsDemuxerEvents, type TsDemuxerOptions } from './demux/demuxer.ts';
export { planTsInPlace } from './plan.ts';
export { TS_TIMESTAMP_OFFSET, TsMuxer } from './writer.ts';
