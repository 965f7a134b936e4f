import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { Understood } from './desk.ts';
import { type Exchange, HeaderList, type Peer, peerOf } from './exchange.ts';

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

/** A request that Node's servers of HTTP/1.1 and HTTP/2 took. */
export class NodeExchange implements Exchange {
  readonly method: string;
  readonly url: string;
  readonly userAgent: string;
  readonly range: string | undefined;
  readonly isHttp2: boolean;
  readonly peer: Peer;
  understood: Understood | undefined;
  readonly #request: IncomingMessage | Http2ServerRequest;
  readonly #response: Response;
  /** Names and values for HTTP/1.1, which are written at once: Node would look at each of them several times. */
  readonly #head = new HeaderList();
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

  get ended(): boolean {
    return this.#ended;
  }

  get over(): boolean {
    return this.#ended || this.#gone;
  }

  get gone(): boolean {
    return this.#gone;
  }

  get begun(): boolean {
    return this.#gone || this.#response.headersSent;
  }

  get isQueued(): boolean {
    return !this.isHttp2 && (this.#response as ServerResponse).socket === null;
  }

  set onGone(listener: (() => void) | undefined) {
    this.#onGone = listener;
  }

  set onDrain(listener: (() => void) | undefined) {
    if (!this.#hearsDrain && listener !== undefined) {
      this.#hearsDrain = true;
      this.#response.on('drain', () => this.#onDrain?.());
    }
    this.#onDrain = listener;
  }

  set onEnd(listener: (status: number) => void) {
    this.#onEnd = listener;
  }

  set status(status: number) {
    if (!this.begun) this.#response.statusCode = status;
  }

  header(name: string, value: string | number): void {
    if (this.begun) return;
    if (this.isHttp2) {
      if (!OF_CONNECTIONS.has(name.toLowerCase())) this.#response.setHeader(name, value);
      return;
    }
    this.#head.set(name, value);
  }

  hasHeader(name: string): boolean {
    return this.isHttp2 ? (this.#response as Http2ServerResponse).hasHeader(name) : this.#head.has(name);
  }

  /** Before the first part of the body. */
  #begin(): void {
    const response = this.#response as ServerResponse;
    if (!this.isHttp2 && !response.headersSent) response.writeHead(response.statusCode, this.#head.entries as string[]);
  }

  write(chunk: Uint8Array): boolean {
    if (this.over) return true;
    this.#begin();
    return this.#response.write(chunk);
  }

  sendAll(pieces: readonly Uint8Array[]): void {
    if (this.over) return;
    this.#begin();
    this.#response.cork();
    for (const piece of pieces) this.#response.write(piece);
    this.end();
  }

  get takesMade(): boolean {
    return false;
  }

  sendMade(answer: readonly Uint8Array[]): void {
    throw new Error(`${answer.length} pieces are not for this exchange`);
  }

  end(chunk?: Uint8Array): void {
    if (this.over) return;
    this.#ended = true;
    this.#onEnd?.(this.#response.statusCode);
    this.#begin();
    this.#response.end(chunk);
  }

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

function ignore(): void {}
