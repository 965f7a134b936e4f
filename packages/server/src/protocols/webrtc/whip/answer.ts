import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { linkHeaders, type WhipOptions } from './options.ts';
import { hostOf, type Refusal } from './request.ts';

/** Types of bodies. */
export const SDP_TYPE = 'application/sdp';
export const FRAGMENT_TYPE = 'application/trickle-ice-sdpfrag';

/** A stream's address takes offers, a session's address takes changes and the end (RFC 9725 §4). */
export const ENDPOINT_METHODS = 'POST, OPTIONS';
export const SESSION_METHODS = 'PATCH, DELETE, OPTIONS';

const ALL_METHODS = ['POST', 'PATCH', 'DELETE', 'OPTIONS'];
/** `*` would not cover `Authorization` (Fetch standard §3.2.4). */
const ALLOWED_HEADERS = ['Authorization', 'Content-Type', 'If-Match'];
const EXPOSED_HEADERS = ['Location', 'ETag', 'Link', 'Accept-Patch', 'Retry-After', 'WWW-Authenticate'];
/** What answers with these statuses advise to wait, seconds. */
const RETRY_AFTER: Readonly<Record<number, string>> = { 429: '10', 503: '2' };

/** Writes all answers of WHIP and WHEP, with the headers that pages of other origins need. */
export class Answerer {
  readonly #headers: readonly (readonly [string, string])[];
  readonly #iceServers: WhipOptions['iceServers'];

  constructor(options: Pick<WhipOptions, 'headers' | 'iceServers'>) {
    this.#headers = [['X-Content-Type-Options', 'nosniff'], ...options.headers];
    this.#iceServers = options.iceServers;
  }

  /** Answers OPTIONS, a CORS preflight or not (RFC 9725 §4.1, Fetch standard §3.2.2). */
  options(response: ServerResponse, allow: string): void {
    this.#prepare(response);
    extend(response, 'Access-Control-Allow-Methods', ALL_METHODS);
    extend(response, 'Access-Control-Allow-Headers', ALLOWED_HEADERS);
    response.setHeader('Access-Control-Max-Age', '86400');
    response.setHeader('Accept-Post', SDP_TYPE);
    response.setHeader('Accept-Patch', FRAGMENT_TYPE);
    this.#link(response);
    response.writeHead(204, { Allow: allow }).end();
  }

  /** The session is there (RFC 9725 §4.2). */
  created(
    response: ServerResponse,
    session: { readonly answer: string; readonly location: string; readonly etag: string },
  ): void {
    response.setHeader('Location', session.location);
    response.setHeader('ETag', session.etag);
    response.setHeader('Accept-Patch', FRAGMENT_TYPE);
    this.#link(response);
    this.#send(response, { status: 201, type: SDP_TYPE, body: session.answer });
  }

  /** ICE begins anew with what the fragment says (RFC 9725 §4.3.3). */
  restarted(response: ServerResponse, restart: { readonly fragment: string; readonly etag: string }): void {
    response.setHeader('ETag', restart.etag);
    this.#send(response, { status: 200, type: FRAGMENT_TYPE, body: restart.fragment });
  }

  /** Done, with nothing to say. */
  done(response: ServerResponse, status: 200 | 204): void {
    this.#prepare(response);
    response.setHeader('Cache-Control', 'no-store');
    response.writeHead(status, status === 200 ? { 'Content-Length': 0 } : {}).end();
  }

  /** Answers with an error body (rest-api.md §1.5); `allow` names the methods that would be right. */
  refuse(response: ServerResponse, refusal: Refusal & { readonly allow?: string | undefined }): void {
    if (response.headersSent || response.destroyed) return;
    const { status, allow } = refusal;
    if (allow !== undefined) response.setHeader('Allow', allow);
    const retryAfter = RETRY_AFTER[status];
    if (retryAfter !== undefined) response.setHeader('Retry-After', retryAfter);
    // RFC 6750 §3, as RFC 9725 §4.4 has clients authenticate.
    if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
    if (status === 415) {
      const isPatch = response.req.method === 'PATCH';
      response.setHeader(isPatch ? 'Accept-Patch' : 'Accept-Post', isPatch ? FRAGMENT_TYPE : SDP_TYPE);
    }
    // What is left of a body would be taken for the next request.
    if ((status === 408 || status === 413) && !response.req.complete) response.setHeader('Connection', 'close');
    this.#send(response, { status, type: 'application/json; charset=utf-8', body: errorBody(response.req, refusal) });
  }

  /** Refuses a WebSocket; ends the connection. */
  refuseUpgrade(request: IncomingMessage, socket: Duplex): void {
    const refusal = { status: 400, message: 'there is no WebSocket here: send an offer with POST' };
    const body = errorBody(request, refusal);
    const lines = [
      `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? 'Error'}`,
      ...this.#headers.map(([name, value]) => `${name}: ${value}`),
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Connection: close',
    ];
    socket.on('error', () => socket.destroy());
    socket.once('finish', () => socket.destroy());
    socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
  }

  #send(response: ServerResponse, content: { status: number; type: string; body: string }): void {
    this.#prepare(response);
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('Content-Type', content.type);
    response.setHeader('Content-Length', Buffer.byteLength(content.body));
    response.writeHead(content.status);
    response.end(response.req.method === 'HEAD' ? undefined : content.body);
  }

  #prepare(response: ServerResponse): void {
    for (const [name, value] of this.#headers) response.setHeader(name, value);
    extend(response, 'Access-Control-Expose-Headers', EXPOSED_HEADERS);
  }

  #link(response: ServerResponse): void {
    const links = linkHeaders(this.#iceServers(hostOf(response.req)));
    if (links.length > 0) response.setHeader('Link', links);
  }
}

/** Adds what pages need here to a list that is set for the whole web port, and may be too short. */
function extend(response: ServerResponse, name: string, needed: readonly string[]): void {
  const set = String(response.getHeader(name) ?? '').split(',');
  const words = [...set, ...needed].map((word) => word.trim()).filter((word) => word !== '');
  const unique = new Map(words.map((word) => [word.toLowerCase(), word]));
  response.setHeader(name, [...unique.values()].join(', '));
}

function errorBody(request: IncomingMessage, { status, message }: Refusal): string {
  const path = request.url?.split('?', 1)[0] ?? '';
  return JSON.stringify({ timestamp: Date.now(), status, error: STATUS_CODES[status] ?? 'Error', message, path });
}
