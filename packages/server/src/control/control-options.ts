import { validateHeaderName, validateHeaderValue } from 'node:http';
import { MediaServerError } from '../core/index.ts';
import type { TlsIdentity } from '../io/index.ts';
import type { DisableRestAuth } from './auth/rest-guard.ts';

/** Settings of the control server, named as in flashphoner.properties. */
export interface ControlOptions {
  /** Address to listen on. Default `0.0.0.0`. */
  readonly host: string;
  /** `http.port`; 0 takes any free port. Default 8081. */
  readonly port: number;
  /** The same by HTTPS, at `https.port` of the same address; 0 takes any free port. Default: off. */
  readonly https?: { readonly port: number; readonly identity: TlsIdentity } | undefined;
  /** `disable_rest_auth`: who needs no password. Default `auto`. */
  readonly disableRestAuth: DisableRestAuth;
  /** `http_max_connections`, of each of the two ports. Default 20 000. */
  readonly maxConnections: number;
  /** `rest_access_control_allow_origin`. Default `*`. */
  readonly allowOrigin: string;
  /** `rest_access_control_allow_headers`. Default `content-type,x-requested-with`. */
  readonly allowHeaders: string;
  /** `rest_access_control_allow_methods`. Default `POST`. */
  readonly allowMethods: string;
  /** `rest_access_control_headers`: complete `Name: value` headers, parted by `;`, in place of the three above. */
  readonly accessControlHeaders?: string | undefined;
  /** `rest_terminate_all_enabled`: `/stream/terminate` without any field ends all streams. Default: refused. */
  readonly terminateAllEnabled: boolean;
  /** Jobs of `/rest-api/v3`; clients may ask for less. */
  readonly jobs: {
    /** `jobs_max_prefer_wait_time`: how long a request is held until it is answered with 202. Default 5000. */
    readonly maxWaitMs: number;
    /** `jobs_max_prefer_timeout`: how long a job may run. Default 60 000. */
    readonly maxTimeoutMs: number;
  };
  /** A request that is not complete by then is answered with 408, so that slow senders can't hold sockets. Default 30 000. */
  readonly requestTimeoutMs: number;
  /** For tests: an answer of the REST API that is not as its schema says is an error. Default false. */
  readonly checkAnswers?: boolean | undefined;
}

export const DEFAULT_CONTROL_OPTIONS: ControlOptions = Object.freeze({
  host: '0.0.0.0',
  port: 8081,
  disableRestAuth: 'auto',
  maxConnections: 20_000,
  allowOrigin: '*',
  allowHeaders: 'content-type,x-requested-with',
  allowMethods: 'POST',
  terminateAllEnabled: false,
  jobs: Object.freeze({ maxWaitMs: 5000, maxTimeoutMs: 60_000 }),
  requestTimeoutMs: 30_000,
});

/**
 * The CORS headers of every answer under `/rest-api` (rest-api.md §1.2).
 * @throws MediaServerError CONFIG_INVALID
 */
export function corsHeaders(options: ControlOptions): ReadonlyMap<string, string> {
  const list = options.accessControlHeaders?.trim();
  const headers = list === undefined || list === '' ? defaultHeaders(options) : parseHeaders(list);
  for (const [name, value] of headers) checkHeader(name, value);
  return headers;
}

function defaultHeaders(options: ControlOptions): Map<string, string> {
  return new Map([
    ['access-control-allow-origin', options.allowOrigin],
    ['access-control-allow-headers', options.allowHeaders],
    ['access-control-allow-methods', options.allowMethods],
  ]);
}

function parseHeaders(list: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const part of list.split(';')) {
    if (part.trim() === '') continue;
    const colon = part.indexOf(':');
    if (colon < 1) throw invalid(part.trim());
    headers.set(part.slice(0, colon).trim().toLowerCase(), part.slice(colon + 1).trim());
  }
  return headers;
}

function checkHeader(name: string, value: string): void {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  } catch (cause) {
    throw invalid(`${name}: ${value}`, cause);
  }
}

function invalid(header: string, cause?: unknown): MediaServerError {
  return new MediaServerError(
    'CONFIG_INVALID',
    `"${header}" is not a header of the form "Name: value" (rest_access_control_*)`,
    { cause },
  );
}
