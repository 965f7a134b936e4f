import { EXPLAIN_METHODS } from '../explain/explain-method.ts';
import { APP_METHODS } from '../hooks/app-methods.ts';
import { CONNECTION_METHODS } from './connection-methods.ts';
import { DATA_METHODS } from './data-methods.ts';
import { HLS_METHODS } from './hls-methods.ts';
import { JOB_METHODS } from './job-methods.ts';
import type { RestMethod } from './rest-method.ts';
import { STREAM_METHODS } from './stream-methods.ts';

/** Every method that exists, in the order of the reference page. */
export const REST_METHODS: readonly RestMethod[] = [
  ...CONNECTION_METHODS,
  ...STREAM_METHODS,
  ...EXPLAIN_METHODS,
  ...DATA_METHODS,
  ...HLS_METHODS,
  ...APP_METHODS,
  ...JOB_METHODS,
];
