import type { ServerResponse } from 'node:http';

const METHODS = 'GET, HEAD, OPTIONS';
/** Headers of errors by their status: what a token has to do with it, and when to come again, seconds. */
const OF_STATUS: Readonly<Record<number, readonly [string, string]>> = {
  401: ['WWW-Authenticate', 'Bearer'],
  405: ['Allow', METHODS],
  429: ['Retry-After', '2'],
  503: ['Retry-After', '2'],
};

/** Writes all answers that are no file, with the headers that pages of other origins need. */
export class Answerer {
  readonly #headers: readonly (readonly [string, string])[];

  constructor(headers: readonly (readonly [string, string])[]) {
    this.#headers = [
      ['X-Content-Type-Options', 'nosniff'],
      ['Access-Control-Expose-Headers', 'Content-Length, Content-Range, Content-Disposition, ETag, Retry-After'],
      ...headers,
    ];
  }

  /** Sets what all answers have. */
  prepare(response: ServerResponse): void {
    for (const [name, value] of this.#headers) response.setHeader(name, value);
  }

  /** Answers a CORS preflight (Fetch standard §3.2.2). */
  preflight(response: ServerResponse): void {
    this.prepare(response);
    response.setHeader('Access-Control-Allow-Methods', METHODS);
    if (!response.hasHeader('Access-Control-Allow-Headers')) {
      response.setHeader('Access-Control-Allow-Headers', 'Authorization, Range, If-Range');
    }
    response.setHeader('Access-Control-Max-Age', '86400');
    response.writeHead(204, { Allow: METHODS }).end();
  }

  /** Answers with an error that tells in words what to do; never cached. */
  fail(response: ServerResponse, failure: { status: number; code: string; message: string }): void {
    if (response.headersSent || response.destroyed) return;
    const body = Buffer.from(JSON.stringify({ code: failure.code, message: failure.message }));
    this.prepare(response);
    response.setHeader('Cache-Control', 'no-store');
    const [name, value] = OF_STATUS[failure.status] ?? [];
    if (name !== undefined && value !== undefined) response.setHeader(name, value);
    // What follows a body that nobody reads is not worth parsing.
    if (failure.status === 405) response.setHeader('Connection', 'close');
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    response.setHeader('Content-Length', body.byteLength);
    response.statusCode = failure.status;
    response.end(response.req.method === 'HEAD' ? undefined : body);
  }
}
