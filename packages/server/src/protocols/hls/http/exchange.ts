import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { connectionName, plainAddress } from '../../../io/index.ts';

/** Whose connection it is. */
export interface Peer {
  /** As people write it; see plainAddress. */
  readonly address: string;
  /** WCS's name of the connection; see connectionName. */
  readonly connectionName: string;
}

/** What both versions of HTTP have in common of the answers that we write. */
interface Response {
  statusCode: number;
  readonly headersSent: boolean;
  setHeader(name: string, value: string | number): unknown;
  write(chunk: Uint8Array): boolean;
  cork(): void;
  end(chunk?: Uint8Array): unknown;
  on(event: 'drain' | 'close' | 'error', listener: () => void): unknown;
}

/**
 * One request and its answer, the same by HTTP/1.1 and HTTP/2. Nothing of it throws when the client is gone: what is
 * written then is lost.
 */
export class Exchange {
  readonly method: string;
  /** As it came; its length is for the caller to check. */
  readonly url: string;
  readonly userAgent: string;
  readonly range: string | undefined;
  readonly isHttp2: boolean;
  readonly peer: Peer;
  readonly #request: IncomingMessage | Http2ServerRequest;
  readonly #response: Response;
  /** Names and values for HTTP/1.1, which are written at once: Node would look at each of them several times. */
  readonly #head: (string | number)[] = [];
  #gone = false;
  #ended = false;
  #onGone: (() => void) | undefined;
  #onDrain: (() => void) | undefined;
  #hearsDrain = false;
  #onEnd: ((status: number) => void) | undefined;

  constructor(
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
    peer?: Peer,
  ) {
    this.#request = request;
    this.#response = response as Response;
    this.isHttp2 = request instanceof Http2ServerRequest;
    this.method = request.method ?? '';
    this.url = request.url ?? '/';
    this.userAgent = request.headers['user-agent'] ?? '';
    this.range = request.headers.range;
    this.peer = peer ?? peerOf(request.socket);
    // HTTP/2 tells of an aborted stream by an error of the request.
    request.on('error', ignore);
    response.on('error', () => this.drop());
    response.on('close', () => this.#close());
  }

  get isHead(): boolean {
    return this.method === 'HEAD';
  }

  /** True when the answer is on its way as a whole. */
  get ended(): boolean {
    return this.#ended;
  }

  /** True when the answer is on its way as a whole, or nobody waits for it any more. */
  get over(): boolean {
    return this.#ended || this.#gone;
  }

  /** True when nobody waits for the answer any more: it was sent, or the client is gone. */
  get gone(): boolean {
    return this.#gone;
  }

  /** True when the beginning of the answer has been sent, or can't be any more. */
  get begun(): boolean {
    return this.#gone || this.#response.headersSent;
  }

  /** True when the client sent it without waiting for an answer before it: those could pile up without end. */
  get isQueued(): boolean {
    return !this.isHttp2 && (this.#response as ServerResponse).socket === null;
  }

  /** Is called once when the exchange is over, however that came; one listener at a time, undefined for none. */
  set onGone(listener: (() => void) | undefined) {
    this.#onGone = listener;
  }

  /** Is called when what was written has left; one listener at a time. */
  set onDrain(listener: (() => void) | undefined) {
    if (!this.#hearsDrain && listener !== undefined) {
      this.#hearsDrain = true;
      this.#response.on('drain', () => this.#onDrain?.());
    }
    this.#onDrain = listener;
  }

  /** Is called when the answer is handed over as a whole, with its status. */
  set onEnd(listener: (status: number) => void) {
    this.#onEnd = listener;
  }

  set status(status: number) {
    if (!this.begun) this.#response.statusCode = status;
  }

  /** Sets a header unless it can't be any more. What HTTP/2 has no connections to say is left out there. */
  header(name: string, value: string | number): void {
    if (this.begun) return;
    if (this.isHttp2) {
      if (!OF_CONNECTIONS.has(name.toLowerCase())) this.#response.setHeader(name, value);
      return;
    }
    const at = this.#find(name);
    if (at >= 0) this.#head[at + 1] = value;
    else this.#head.push(name, value);
  }

  hasHeader(name: string): boolean {
    return this.isHttp2 ? (this.#response as Http2ServerResponse).hasHeader(name) : this.#find(name) >= 0;
  }

  #find(name: string): number {
    const head = this.#head;
    for (let i = 0; i < head.length; i += 2) {
      const other = head[i] as string;
      if (other === name || (other.length === name.length && other.toLowerCase() === name.toLowerCase())) return i;
    }
    return -1;
  }

  /** Before the first part of the body. */
  #begin(): void {
    const response = this.#response as ServerResponse;
    if (!this.isHttp2 && !response.headersSent) response.writeHead(response.statusCode, this.#head as string[]);
  }

  /** Sends a part of the body; false when the client is slow, until `onDrain`. */
  write(chunk: Uint8Array): boolean {
    if (this.over) return true;
    this.#begin();
    return this.#response.write(chunk);
  }

  /** Sends all of a body at once, as little as possible of it in pieces of its own; nothing is copied. Ends the answer. */
  sendAll(pieces: readonly Uint8Array[]): void {
    if (this.over) return;
    this.#begin();
    this.#response.cork();
    for (const piece of pieces) this.#response.write(piece);
    this.end();
  }

  /** Ends the answer, with the last part of its body. */
  end(chunk?: Uint8Array): void {
    if (this.over) return;
    this.#ended = true;
    this.#onEnd?.(this.#response.statusCode);
    this.#begin();
    this.#response.end(chunk);
  }

  /** Ends it without an answer, or in the middle of one: HTTP/1.1 has no other way than to end the connection. */
  drop(): void {
    if (this.#gone) return;
    const request = this.#request;
    if (request instanceof Http2ServerRequest) request.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    else request.socket.destroy();
  }

  #close(): void {
    this.#gone = true;
    const listener = this.#onGone;
    this.#onGone = undefined;
    this.#onDrain = undefined;
    listener?.();
  }
}

/** RFC 9113 §8.2.2: a server that sends one of them breaks the protocol. */
const OF_CONNECTIONS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

/** The peer of a socket; its facts are gone when it is. */
export function peerOf(socket: Parameters<typeof connectionName>[0]): Peer {
  return { address: plainAddress(socket.remoteAddress), connectionName: connectionName(socket) };
}

function ignore(): void {}
