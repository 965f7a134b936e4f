import type { Exchange } from './http/exchange.ts';
import { type HeaderFields, MadeAnswers } from './http/made-answers.ts';
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
/**
 * What is handed to an HTTP/2 connection at once: so much of a body must move in the time that a client may be stuck. Of
 * HTTP/1.1 the socket tells whether anything moves.
 */
const SLICE_BYTES = 64 * 1024;
const IMMUTABLE = 'public, max-age=3600, immutable';

export interface Playlist {
  readonly body: Buffer;
  /** True when others are sent the same buffer. */
  readonly isShared: boolean;
  readonly type: string;
  readonly cacheControl: string;
}

/** Bytes of media, in pieces that are sent one after another as they are. */
export interface Media {
  readonly pieces: readonly Uint8Array[];
  readonly type: string;
}

/** Writes the server's answers, all with the headers that pages of other origins need. */
export class Answerer {
  readonly #headers: HeaderFields;
  readonly #made = new MadeAnswers();
  /** False when an operator's header ends each connection. */
  readonly #mayMake: boolean;

  constructor(options: Pick<HlsOptions, 'extraHeaders'>) {
    this.#headers = [
      ['Access-Control-Allow-Origin', '*'],
      ['Access-Control-Expose-Headers', 'Content-Length, Content-Range, Date, Server, Retry-After'],
      ['Timing-Allow-Origin', '*'],
      ['X-Content-Type-Options', 'nosniff'],
      ...options.extraHeaders,
    ];
    this.#mayMake = !options.extraHeaders.some(([name]) => name.toLowerCase() === 'connection');
  }

  /** Answers a CORS preflight (Fetch standard §3.2.2). */
  preflight(exchange: Exchange): void {
    this.#prepare(exchange, 204);
    setUnlessGiven(exchange, 'Access-Control-Allow-Methods', METHODS);
    setUnlessGiven(exchange, 'Access-Control-Allow-Headers', '*, Authorization, Range');
    setUnlessGiven(exchange, 'Access-Control-Max-Age', '86400');
    exchange.header('Allow', METHODS);
    exchange.end();
  }

  /** Answers with an error that tells in words what to do. Never cached for longer than a second. */
  fail(exchange: Exchange, failure: { status: number; code: string; message: string }): void {
    if (exchange.begun) return;
    const body = Buffer.from(JSON.stringify({ code: failure.code, message: failure.message }));
    this.#prepare(exchange, failure.status);
    exchange.header('Cache-Control', failure.status === 404 ? 'max-age=1' : 'no-store');
    const [name, value] = OF_STATUS[failure.status] ?? [];
    if (name !== undefined && value !== undefined) exchange.header(name, value);
    // What follows a URL that is too long or a body that nobody reads is not worth parsing.
    if (failure.status === 405 || failure.status === 414) exchange.header('Connection', 'close');
    exchange.header('Content-Type', 'application/json; charset=utf-8');
    exchange.header('Content-Length', body.byteLength);
    send(exchange, body);
  }

  /** Sends a playlist or manifest; gives the bytes of its body. */
  playlist(exchange: Exchange, { body, isShared, type, cacheControl }: Playlist): number {
    const size = body.byteLength;
    const fields = (): HeaderFields => [
      ...this.#headers,
      ['Content-Type', type],
      ['Cache-Control', cacheControl],
      ['Content-Length', size],
    ];
    if (isShared && this.#mayMake && exchange.takesMade) {
      exchange.sendMade(this.#made.of([body], size, fields));
      return size;
    }
    exchange.status = 200;
    for (const [name, value] of fields()) exchange.header(name, value);
    return send(exchange, body);
  }

  /** Sends media or a single range of it (RFC 9110 §14); gives the bytes of the body. */
  media(exchange: Exchange, { pieces, type }: Media): number {
    let size = 0;
    for (const piece of pieces) size += piece.byteLength;
    if (size > 0 && exchange.range === undefined && this.#mayMake && exchange.takesMade) {
      const fields = (): HeaderFields => [...this.#headers, ...mediaFields(type), ['Content-Length', size]];
      exchange.sendMade(this.#made.of(pieces, size, fields));
      return size;
    }
    const range = this.mediaHead(exchange, { size, type });
    if (range === undefined) return 0;
    return send(exchange, ...partOf(pieces, range.first, range.last + 1));
  }

  /**
   * Writes the head of an answer with media, and gives the bytes that are to follow, both ends included; undefined when
   * there are none and the answer is complete.
   */
  mediaHead(
    exchange: Exchange,
    { size, type }: { readonly size: number; readonly type: string },
  ): { readonly first: number; readonly last: number } | undefined {
    const range = exchange.method === 'GET' ? parseRange(exchange.range, size) : undefined;
    if (range === 'unsatisfiable') {
      this.#prepare(exchange, 416);
      exchange.header('Accept-Ranges', 'bytes');
      exchange.header('Content-Range', `bytes */${size}`);
      exchange.header('Content-Length', 0);
      exchange.end();
      return undefined;
    }
    this.#prepare(exchange, range === undefined ? 200 : 206);
    for (const [name, value] of mediaFields(type)) exchange.header(name, value);
    const { first, last } = range ?? { first: 0, last: size - 1 };
    if (range !== undefined) exchange.header('Content-Range', `bytes ${first}-${last}/${size}`);
    exchange.header('Content-Length', last - first + 1);
    if (!exchange.isHead && size > 0) return { first, last };
    exchange.end();
    return undefined;
  }

  /** Begins an answer with media that is still being made, of a length that nobody knows (RFC 9112 §7.1). */
  growing(exchange: Exchange, type: string): void {
    this.#prepare(exchange, 200);
    exchange.header('Content-Type', type);
    exchange.header('Cache-Control', IMMUTABLE);
  }

  #prepare(exchange: Exchange, status: number): void {
    exchange.status = status;
    for (const [name, value] of this.#headers) exchange.header(name, value);
  }
}

/** Of media that is complete. */
function mediaFields(type: string): HeaderFields {
  return [
    ['Accept-Ranges', 'bytes'],
    ['Content-Type', type],
    ['Cache-Control', IMMUTABLE],
  ];
}

function setUnlessGiven(exchange: Exchange, name: string, value: string): void {
  if (!exchange.hasHeader(name)) exchange.header(name, value);
}

/** The bytes from `first` to before `end` of all pieces together; nothing is copied. */
export function partOf(pieces: readonly Uint8Array[], first: number, end: number): Uint8Array[] {
  const part: Uint8Array[] = [];
  let offset = 0;
  for (const piece of pieces) {
    const from = Math.max(0, first - offset);
    const to = Math.min(piece.byteLength, end - offset);
    if (from < to) part.push(from === 0 && to === piece.byteLength ? piece : piece.subarray(from, to));
    offset += piece.byteLength;
  }
  return part;
}

/** Sends the body, or only its headers when the request was HEAD; gives its bytes. Nothing is copied. */
function send(exchange: Exchange, ...pieces: readonly Uint8Array[]): number {
  if (exchange.isHead || exchange.over) {
    exchange.end();
    return 0;
  }
  const [first] = pieces;
  if (pieces.length === 1 && first !== undefined && first.byteLength <= SLICE_BYTES) {
    exchange.end(first);
    return first.byteLength;
  }
  if (exchange.isHttp2) pump(exchange, pieces);
  else exchange.sendAll(pieces);
  return pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
}

/** Hands over slices as fast as the client takes them, so that it can be seen whether it does. */
function pump(exchange: Exchange, pieces: readonly Uint8Array[]): void {
  let index = 0;
  let offset = 0;
  const more = (): void => {
    for (let piece = pieces[index]; piece !== undefined; piece = pieces[index]) {
      const slice = piece.subarray(offset, offset + SLICE_BYTES);
      offset += slice.byteLength;
      if (offset >= piece.byteLength) {
        index++;
        offset = 0;
      }
      if (!exchange.write(slice)) return;
    }
    exchange.onDrain = undefined;
    exchange.end();
  };
  exchange.onDrain = more;
  more();
}
