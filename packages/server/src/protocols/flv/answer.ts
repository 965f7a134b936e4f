import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FlvOptions } from './options.ts';
import type { Refusal } from './request.ts';

const METHODS = 'GET, HEAD, OPTIONS';
/** Headers of errors by their status: what a token has to do with it, and when to come again, seconds. */
const OF_STATUS: Readonly<Record<number, readonly [string, string]>> = {
  401: ['WWW-Authenticate', 'Bearer'],
  405: ['Allow', METHODS],
  429: ['Retry-After', '2'],
  503: ['Retry-After', '2'],
};
const ALLOW_HEADERS = 'Access-Control-Allow-Headers';

/** Writes all answers that are not the stream itself, with the headers that pages of other origins need. */
export class Answerer {
  readonly #headers: readonly (readonly [string, string])[];

  constructor(options: Pick<FlvOptions, 'headers'>) {
    this.#headers = [['X-Content-Type-Options', 'nosniff'], ...options.headers];
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

  /** Begins the answer that carries a stream: of unknown length, ended by closing, so that bytes go as they are. */
  begin(response: ServerResponse): void {
    this.#prepare(response);
    response.removeHeader('Transfer-Encoding');
    response.setHeader('Content-Type', 'video/x-flv');
    response.setHeader('Cache-Control', 'no-store');
    // Nginx in front of us would otherwise collect the stream in its buffers.
    response.setHeader('X-Accel-Buffering', 'no');
    response.setHeader('Connection', 'close');
    response.writeHead(200);
  }

  /** Answers with an error body (rest-api.md §1.5). */
  refuse(response: ServerResponse, refusal: Refusal): void {
    if (response.headersSent || response.destroyed) return;
    const { status } = refusal;
    const body = errorBody(response.req, refusal);
    this.#prepare(response);
    response.setHeader('Cache-Control', 'no-store');
    const [name, value] = OF_STATUS[status] ?? [];
    if (name !== undefined && value !== undefined) response.setHeader(name, value);
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    response.setHeader('Content-Length', Buffer.byteLength(body));
    response.writeHead(status);
    response.end(response.req.method === 'HEAD' ? undefined : body);
  }

  /** The same on a connection that asked for a WebSocket and got none; ends it. */
  refuseUpgrade(request: IncomingMessage, socket: Duplex, refusal: Refusal): void {
    const { status } = refusal;
    const body = errorBody(request, refusal);
    const lines = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`,
      ...this.#headers.map(([name, value]) => `${name}: ${value}`),
      ...(status in OF_STATUS ? [OF_STATUS[status]?.join(': ')] : []),
      'Cache-Control: no-store',
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
    ];
    socket.once('finish', () => socket.destroy());
    socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
  }

  #prepare(response: ServerResponse): void {
    for (const [name, value] of this.#headers) response.setHeader(name, value);
  }
}

function errorBody(request: IncomingMessage, { status, message }: Refusal): string {
  const path = request.url?.split('?', 1)[0] ?? '';
  return JSON.stringify({ timestamp: Date.now(), status, error: STATUS_CODES[status] ?? 'Error', message, path });
}
