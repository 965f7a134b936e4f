import type { Socket } from 'node:net';
import type { Understood } from './desk.ts';
import { type Exchange, HeaderList, type Peer } from './exchange.ts';
import type { PlainRequest } from './plain-request.ts';
import { responseHead } from './response-head.ts';
import { sendAtOnce } from './send-at-once.ts';

/** A body up to this size is copied behind its head, so that both are one write. */
const JOINED_BYTES = 16 * 1024;
const LAST_CHUNK = '0\r\n\r\n';
const NO_CONTENT = 204;

/** A request as it came, with what became of it when the same one came before. */
export interface ReadRequest {
  readonly plain: PlainRequest;
  understood: Understood | undefined;
}

/** The connection of an exchange. */
export interface DirectCarrier {
  readonly socket: Socket;
  readonly peer: Peer;
  /** Is told once that the answer was handed over as a whole; with `close` the connection is to end after it. */
  finished(close: boolean): void;
  /** Calls the exchange's `drained` from now on when all that was written has left. */
  hearDrain(): void;
}

/** A request that was read from its socket without Node's HTTP, and whose answer is written there. */
export class DirectExchange implements Exchange {
  readonly isHttp2 = false;
  readonly isQueued = false;
  readonly #read: ReadRequest;
  readonly #request: PlainRequest;
  readonly #carrier: DirectCarrier;
  readonly #head = new HeaderList();
  #status = 200;
  #headSent = false;
  #chunked = false;
  #ended = false;
  #gone = false;
  #isLate = false;
  #onGone: (() => void) | undefined;
  #onDrain: (() => void) | undefined;
  #onEnd: ((status: number) => void) | undefined;

  constructor(read: ReadRequest, carrier: DirectCarrier) {
    this.#read = read;
    this.#request = read.plain;
    this.#carrier = carrier;
  }

  get understood(): Understood | undefined {
    return this.#read.understood;
  }

  set understood(understood: Understood | undefined) {
    this.#read.understood = understood;
  }

  get method(): string {
    return this.#request.method;
  }

  get url(): string {
    return this.#request.url;
  }

  get userAgent(): string {
    return this.#request.userAgent;
  }

  get range(): string | undefined {
    return this.#request.range;
  }

  get peer(): Peer {
    return this.#carrier.peer;
  }

  get isHead(): boolean {
    return this.#request.method === 'HEAD';
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
    return this.#headSent || this.#gone;
  }

  set onGone(listener: (() => void) | undefined) {
    this.#onGone = listener;
  }

  set onDrain(listener: (() => void) | undefined) {
    if (listener !== undefined) this.#carrier.hearDrain();
    this.#onDrain = listener;
  }

  set onEnd(listener: (status: number) => void) {
    this.#onEnd = listener;
  }

  set status(status: number) {
    if (!this.begun) this.#status = status;
  }

  header(name: string, value: string | number): void {
    if (!this.begun) this.#head.set(name, value);
  }

  hasHeader(name: string): boolean {
    return this.#head.has(name);
  }

  write(chunk: Uint8Array): boolean {
    const { socket } = this.#carrier;
    if (this.over || chunk.byteLength === 0) return true;
    if (!this.#headSent) socket.write(this.#takeHead(undefined), 'latin1');
    if (this.isHead) return true;
    if (!this.#chunked) return socket.write(chunk);
    socket.cork();
    socket.write(`${chunk.byteLength.toString(16)}\r\n`, 'latin1');
    socket.write(chunk);
    const goesOn = socket.write('\r\n', 'latin1');
    socket.uncork();
    return goesOn;
  }

  sendAll(pieces: readonly Uint8Array[]): void {
    if (this.over) return;
    const { socket } = this.#carrier;
    let size = 0;
    for (const piece of pieces) size += piece.byteLength;
    socket.cork();
    if (!this.#headSent) socket.write(this.#takeHead(size), 'latin1');
    if (!this.isHead) for (const piece of pieces) socket.write(piece);
    this.#finish();
    socket.uncork();
  }

  get takesMade(): boolean {
    return !this.over && !this.#headSent && !this.isHead && !this.#request.close;
  }

  sendMade(answer: readonly Uint8Array[]): void {
    this.#headSent = true;
    const [first] = answer;
    if (answer.length === 1 && first !== undefined) {
      this.#send(first);
      this.#finish();
      return;
    }
    const { socket } = this.#carrier;
    socket.cork();
    for (const piece of answer) socket.write(piece);
    this.#finish();
    socket.uncork();
  }

  end(chunk?: Uint8Array): void {
    if (this.over) return;
    if (this.#headSent) {
      if (chunk !== undefined) this.write(chunk);
      if (this.#chunked && !this.isHead) this.#carrier.socket.write(LAST_CHUNK, 'latin1');
      this.#finish();
      return;
    }
    if (chunk !== undefined && chunk.byteLength > JOINED_BYTES) {
      this.sendAll([chunk]);
      return;
    }
    const head = this.#takeHead(chunk?.byteLength ?? 0);
    const body = this.isHead ? undefined : chunk;
    const answer = Buffer.allocUnsafe(head.length + (body?.byteLength ?? 0));
    answer.write(head, 'latin1');
    if (body !== undefined) answer.set(body, head.length);
    this.#send(answer);
    this.#finish();
  }

  /** Sends what is a whole answer. */
  #send(answer: Uint8Array): void {
    const { socket } = this.#carrier;
    // The connection is not idle before its client has the answer; what goes beside Node is no news to its timer.
    if (this.#isLate && socket.timeout !== undefined) socket.setTimeout(socket.timeout);
    sendAtOnce(socket, answer);
  }

  /** It was not answered at once. */
  wait(): void {
    this.#isLate = true;
  }

  drop(): void {
    if (!this.#gone) this.#carrier.socket.destroy();
  }

  /** All that was written has left. */
  drained(): void {
    this.#onDrain?.();
  }

  /** The connection is gone, or the answer as a whole. */
  leave(): void {
    if (this.#gone) return;
    this.#gone = true;
    const listener = this.#onGone;
    this.#onGone = undefined;
    this.#onDrain = undefined;
    listener?.();
  }

  #finish(): void {
    this.#ended = true;
    this.#onEnd?.(this.#status);
    this.#carrier.finished(this.#closes);
    this.leave();
  }

  get #closes(): boolean {
    return this.#request.close || String(this.#head.get('Connection') ?? '').toLowerCase() === 'close';
  }

  /** The head as text; `size` is that of the body where it is known. */
  #takeHead(size: number | undefined): string {
    this.#headSent = true;
    const head = this.#head;
    if (!head.has('Content-Length') && this.#status !== NO_CONTENT) {
      if (size === undefined) {
        this.#chunked = true;
        head.set('Transfer-Encoding', 'chunked');
      } else head.set('Content-Length', size);
    }
    return responseHead(this.#status, head, this.#request.close);
  }
}
