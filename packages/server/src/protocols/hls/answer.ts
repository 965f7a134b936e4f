import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HlsOptions } from './options.ts';
import { parseRange } from './request.ts';

const METHODS = 'GET, HEAD, OPTIONS';
/** Headers of errors by their status: what a token has to do with it, and when to come again, seconds. */
const OF_STATUS: Readonly<Record<number, readonly [string, string]>> = {
  401: ['WWW-Authenticate', 'Bearer'],
  405: ['Allow', METHODS],
  429: ['Retry-After', '2'],
  503: ['Retry-After', '2'],
};

/** Writes the server's answers, all with the headers that pages of other origins need. */
export class Answerer {
  readonly #headers: readonly (readonly [string, string])[];

  constructor(options: Pick<HlsOptions, 'extraHeaders'>) {
    this.#headers = [
      ['Access-Control-Allow-Origin', '*'],
      ['Access-Control-Expose-Headers', 'Content-Length, Content-Range, Date, Server, Retry-After'],
      ['Timing-Allow-Origin', '*'],
      ['X-Content-Type-Options', 'nosniff'],
      ...options.extraHeaders,
    ];
  }

  /** Answers a CORS preflight (Fetch standard §3.2.2). */
  preflight(response: ServerResponse): void {
    this.#prepare(response);
    setUnlessGiven(response, 'Access-Control-Allow-Methods', METHODS);
    setUnlessGiven(response, 'Access-Control-Allow-Headers', '*, Authorization, Range');
    setUnlessGiven(response, 'Access-Control-Max-Age', '86400');
    response.writeHead(204, { Allow: METHODS }).end();
  }

  /** Answers with an error that tells in words what to do. Never cached for longer than a second. */
  fail(response: ServerResponse, failure: { status: number; code: string; message: string }): void {
    if (response.headersSent || response.destroyed) return;
    const body = Buffer.from(JSON.stringify({ code: failure.code, message: failure.message }));
    this.#prepare(response);
    response.setHeader('Cache-Control', failure.status === 404 ? 'max-age=1' : 'no-store');
    const [name, value] = OF_STATUS[failure.status] ?? [];
    if (name !== undefined && value !== undefined) response.setHeader(name, value);
    // What follows a URL that is too long or a body that nobody reads is not worth parsing.
    if (failure.status === 405 || failure.status === 414) response.setHeader('Connection', 'close');
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    response.setHeader('Content-Length', body.byteLength);
    response.statusCode = failure.status;
    end(response, body);
  }

  /** Sends a playlist, to be cached for no longer than half its target duration; gives the bytes of its body. */
  playlist(response: ServerResponse, { text, targetSeconds }: { text: string; targetSeconds: number }): number {
    const body = Buffer.from(text);
    // RFC 8216 §6.3.4: a client that found nothing new asks again after half the target duration. With the same answer
    // from its cache it would run dry beside segments that are there.
    const maxAgeSeconds = Math.min(1, Math.floor(targetSeconds / 2));
    this.#prepare(response);
    response.setHeader('Content-Type', 'application/vnd.apple.mpegurl');
    response.setHeader('Cache-Control', `max-age=${maxAgeSeconds}`);
    response.setHeader('Content-Length', body.byteLength);
    return end(response, body);
  }

  /** Sends a segment or a single range of it (RFC 9110 §14); gives the bytes of the body. */
  media(request: IncomingMessage, response: ServerResponse, media: { body: Uint8Array; type: string }): number {
    const size = media.body.byteLength;
    this.#prepare(response);
    response.setHeader('Accept-Ranges', 'bytes');
    const range = request.method === 'GET' ? parseRange(request.headers.range, size) : undefined;
    if (range === 'unsatisfiable') {
      response.writeHead(416, { 'Content-Range': `bytes */${size}`, 'Content-Length': 0 }).end();
      return 0;
    }
    response.setHeader('Content-Type', media.type);
    response.setHeader('Cache-Control', 'public, max-age=3600, immutable');
    if (range === undefined) {
      response.setHeader('Content-Length', size);
      return end(response, media.body);
    }
    response.statusCode = 206;
    response.setHeader('Content-Range', `bytes ${range.first}-${range.last}/${size}`);
    response.setHeader('Content-Length', range.last - range.first + 1);
    return end(response, media.body.subarray(range.first, range.last + 1));
  }

  #prepare(response: ServerResponse): void {
    for (const [name, value] of this.#headers) response.setHeader(name, value);
  }
}

function setUnlessGiven(response: ServerResponse, name: string, value: string): void {
  if (!response.hasHeader(name)) response.setHeader(name, value);
}

/** Sends the body, or only its headers when the request was HEAD. The body is not copied. */
function end(response: ServerResponse, body: Uint8Array): number {
  if (response.req.method === 'HEAD') {
    response.end();
    return 0;
  }
  response.end(body);
  return body.byteLength;
}
