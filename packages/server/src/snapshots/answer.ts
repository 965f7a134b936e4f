import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { KeptFile } from './picture-cache.ts';
import type { Refusal } from './snapshot-request.ts';

const METHODS = 'GET, HEAD, OPTIONS';
/** Headers of errors by their status: what a token has to do with it, and when to come again, seconds. */
const OF_STATUS: Readonly<Record<number, readonly [string, string]>> = {
  401: ['WWW-Authenticate', 'Bearer'],
  405: ['Allow', METHODS],
  429: ['Retry-After', '2'],
  503: ['Retry-After', '2'],
};
const ALLOW_HEADERS = 'Access-Control-Allow-Headers';
const TYPES = { png: 'image/png', jpeg: 'image/jpeg' } as const;

/** Writes answers with pictures, with the headers that pages of other origins need. */
export class Answerer {
  readonly #headers: readonly (readonly [string, string])[];
  readonly #cacheControl: string;

  constructor(options: { readonly headers: readonly (readonly [string, string])[]; readonly cacheMs: number }) {
    this.#headers = [['X-Content-Type-Options', 'nosniff'], ...options.headers];
    this.#cacheControl = `max-age=${Math.floor(options.cacheMs / 1000)}`;
  }

  /** Answers a CORS preflight (Fetch standard §3.2.2). */
  preflight(response: ServerResponse): void {
    this.#prepare(response);
    response.setHeader('Access-Control-Allow-Methods', METHODS);
    // A token may come in a header that `*` does not stand for (Fetch standard §4.9).
    const allowed = String(response.getHeader(ALLOW_HEADERS) ?? '*');
    if (!/\bauthorization\b/i.test(allowed)) response.setHeader(ALLOW_HEADERS, `${allowed}, Authorization`);
    response.setHeader('Access-Control-Max-Age', '86400');
    response.writeHead(204, { Allow: METHODS }).end();
  }

  /** Sends a picture, or tells that the client has it (RFC 9110 §13.1.2). The file is not copied. */
  picture(response: ServerResponse, format: 'png' | 'jpeg', { bytes, etag }: KeptFile): void {
    if (response.headersSent || response.destroyed) return;
    this.#prepare(response);
    response.setHeader('ETag', etag);
    response.setHeader('Cache-Control', this.#cacheControl);
    if (isKnown(response.req.headers['if-none-match'], etag)) {
      response.writeHead(304).end();
      return;
    }
    response.setHeader('Content-Type', TYPES[format]);
    response.setHeader('Content-Length', bytes.byteLength);
    response.writeHead(200);
    response.end(response.req.method === 'HEAD' ? undefined : bytes);
  }

  /** Answers with an error body (rest-api.md §1.5). */
  refuse(response: ServerResponse, { status, message }: Refusal): void {
    if (response.headersSent || response.destroyed) return;
    const error = STATUS_CODES[status] ?? 'Error';
    const path = response.req.url?.split('?', 1)[0] ?? '';
    const body = JSON.stringify({ timestamp: Date.now(), status, error, message, path });
    this.#prepare(response);
    response.setHeader('Cache-Control', 'no-store');
    const [name, value] = OF_STATUS[status] ?? [];
    if (name !== undefined && value !== undefined) response.setHeader(name, value);
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    response.setHeader('Content-Length', Buffer.byteLength(body));
    response.writeHead(status);
    response.end(response.req.method === 'HEAD' ? undefined : body);
  }

  #prepare(response: ServerResponse): void {
    for (const [name, value] of this.#headers) response.setHeader(name, value);
  }
}

/** Whether a list of tags, or `*`, has the tag; weak ones compare like strong ones there (RFC 9110 §13.1.2). */
function isKnown(list: string | undefined, etag: string): boolean {
  if (list === undefined) return false;
  return list.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
}
