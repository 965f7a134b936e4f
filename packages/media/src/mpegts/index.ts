export { TS_TIMESTAMP_OFFSET, TsMuxer } from './writer.ts';
