import { EXPLAIN_METHODS } from '../explain/explain-method.ts';
import { APP_METHODS } from '../hooks/app-methods.ts';
import { CONNECTION_METHODS } from './connection-methods.ts';
import { DATA_METHODS } from './data-methods.ts';
import { HLS_METHODS } from './hls-methods.ts';
import { JOB_METHODS } from './job-methods.ts';
import { MPEGTS_METHODS } from './mpegts-methods.ts';
import { PULL_METHODS } from './pull-methods.ts';
import { PUSH_METHODS } from './push-methods.ts';
import { RECORDER_METHODS, STREAM_RECORDING_METHODS } from './recorder-methods.ts';
import { RECORDING_METHODS } from './recording-methods.ts';
import type { RestMethod } from './rest-method.ts';
import { RTSP_METHODS } from './rtsp-methods.ts';
import { SNAPSHOT_METHODS } from './snapshot-methods.ts';
import { STREAM_METHODS } from './stream-methods.ts';
import { VOD_METHODS } from './vod-methods.ts';

/** Every method that exists, in the order of the reference page. */
export const REST_METHODS: readonly RestMethod[] = [
  ...CONNECTION_METHODS,
  ...STREAM_METHODS,
  ...STREAM_RECORDING_METHODS,
  ...SNAPSHOT_METHODS,
  ...EXPLAIN_METHODS,
  ...DATA_METHODS,
  ...HLS_METHODS,
  ...RECORDER_METHODS,
  ...RECORDING_METHODS,
  ...VOD_METHODS,
  ...PUSH_METHODS,
  ...PULL_METHODS,
  ...RTSP_METHODS,
  ...MPEGTS_METHODS,
  ...APP_METHODS,
  ...JOB_METHODS,
];
