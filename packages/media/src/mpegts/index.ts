export { planTsInPlace } from './plan.ts';
export { TS_TIMESTAMP_OFFSET, TsMuxer } from './writer.ts';
