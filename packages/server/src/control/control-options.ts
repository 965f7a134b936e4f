import { validateHeaderName, validateHeaderValue } from 'node:http';
import { MediaServerError } from '../core/index.ts';
import type { TlsIdentity } from '../io/index.ts';

/** Settings of the control server, named as in flashphoner.properties. */
export interface ControlOptions {
  /** Address to listen on. Default `0.0.0.0`. */
  readonly host: string;
  /** `http.port`; 0 takes any free port. Default 8081. */
  readonly port: number;
  /** The same by HTTPS, at `https.port` of the same address; 0 takes any free port. Default: off. */
  readonly https?: { readonly port: number; readonly identity: TlsIdentity } | undefined;
  /** `rest_access_control_allow_origin`. Default `*`. */
  readonly allowOrigin: string;
  /** `rest_access_control_allow_headers`. Default `content-type,x-requested-with`. */
  readonly allowHeaders: string;
  /** `rest_access_control_allow_methods`. Default `POST`. */
  readonly allowMethods: string;
  /** `rest_access_control_headers`: complete `Name: value` headers, parted by `;`, in place of the three above. */
  readonly accessControlHeaders?: string | undefined;
}

export const DEFAULT_CONTROL_OPTIONS: ControlOptions = Object.freeze({
  host: '0.0.0.0',
  port: 8081,
  allowOrigin: '*',
  allowHeaders: 'content-type,x-requested-with',
  allowMethods: 'POST',
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
