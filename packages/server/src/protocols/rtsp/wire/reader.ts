import { ProtocolError } from '@sluice/media';
import { RtspHeaders } from './headers.ts';

/** A request (RFC 2326 §6), or one of HTTP that opens a tunnel: `version` tells. */
export interface RtspRequest {
  readonly type: 'request';
  readonly method: string;
  readonly uri: string;
  /** As it came, such as `RTSP/1.0` or `HTTP/1.1`. A version that is not spoken here is for the caller to refuse. */
  readonly version: string;
  readonly headers: RtspHeaders;
  readonly body: Uint8Array;
}

/** A response (RFC 2326 §7), or one of HTTP to the request that opened a tunnel. */
export interface RtspResponse {
  readonly type: 'response';
  readonly version: string;
  readonly status: number;
  readonly reason: string;
  readonly headers: RtspHeaders;
  readonly body: Uint8Array;
}

/** Binary data between the messages (RFC 2326 §10.12): a packet of RTP or RTCP. */
export interface InterleavedFrame {
  readonly type: 'interleaved';
  readonly channel: number;
  /** Good only until the callback returns: it lies in what was read from the socket. */
  readonly payload: Uint8Array;
}

export type RtspEvent = RtspRequest | RtspResponse | InterleavedFrame;

export interface RtspReaderOptions {
  /** Longest line, bytes. */
  readonly maxLineBytes: number;
  /** Most header lines of one message. */
  readonly maxHeaders: number;
  /** Longest beginning of a message: all that stands before its body, bytes. */
  readonly maxHeadBytes: number;
  /** Longest body, bytes. */
  readonly maxBodyBytes: number;
}

export const DEFAULT_RTSP_READER_OPTIONS: RtspReaderOptions = {
  maxLineBytes: 8 * 1024,
  maxHeaders: 100,
  maxHeadBytes: 32 * 1024,
  maxBodyBytes: 256 * 1024,
};

const DOLLAR = 0x24;
const CR = 0x0d;
const LF = 0x0a;
const FRAME_HEADER_BYTES = 4;
const EMPTY = new Uint8Array(0);
const REQUEST_LINE = /^([A-Za-z][A-Za-z0-9_.-]{0,31}) +(\S(?:.*\S)?) +((?:RTSP|HTTP)\/\d{1,3}\.\d{1,3})$/;
const STATUS_LINE = /^((?:RTSP|HTTP)\/\d{1,3}\.\d{1,3}) +(\d{3})(?: +(.*))?$/;

interface Message {
  readonly start: RegExpExecArray;
  readonly response: boolean;
  readonly headers: RtspHeaders;
  lines: number;
  bytes: number;
}

/**
 * Reads RTSP of either side (RFC 2326): bytes in, requests, responses and interleaved frames out, no I/O. Lines end
 * with CRLF or LF. It holds at most one message or frame, within the limits.
 */
export class RtspReader {
  readonly #options: RtspReaderOptions;
  /** Bytes that wait for the rest of their line, body or frame: `#heldBytes` of `#held`. */
  #held: Uint8Array = EMPTY;
  #heldBytes = 0;
  /** So much of what is held has no end of line: it is not searched again. */
  #searched = 0;
  #message: Message | undefined;
  /** Bytes of the body that is under way, or -1 before the end of the header. */
  #bodyBytes = -1;
  #stopped = false;
  #failure: ProtocolError | undefined;

  constructor(options: Partial<RtspReaderOptions> = {}) {
    this.#options = { ...DEFAULT_RTSP_READER_OPTIONS, ...options };
  }

  /** Bytes that wait for what follows them. */
  get pendingBytes(): number {
    return this.#heldBytes;
  }

  /** A message has begun and its end is missing. A frame under way does not count. */
  get inMessage(): boolean {
    return this.#message !== undefined || (this.#heldBytes > 0 && this.#held[0] !== DOLLAR);
  }

  /** From within the callback: nothing more is read; `rest` gives what was not (a tunnel's body, other protocols). */
  stop(): void {
    this.#stopped = true;
  }

  /** After `stop`: takes the bytes behind the last event that were fed and not read. */
  rest(): Uint8Array {
    const rest = this.#held.slice(0, this.#heldBytes);
    this.#release();
    return rest;
  }

  /**
   * Feeds bytes and calls `onEvent` for all that they complete. After an error the reader gives only that error.
   * @throws ProtocolError RTSP_BAD_MESSAGE, RTSP_HEADER_TOO_LONG, RTSP_BODY_TOO_LONG
   */
  push(chunk: Uint8Array, onEvent: (event: RtspEvent) => void): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#heldBytes === 0) {
      const used = this.#parse(chunk, onEvent);
      if (used < chunk.length) this.#hold(chunk.subarray(used));
      return;
    }
    this.#hold(chunk);
    const data = this.#held.subarray(0, this.#heldBytes);
    const used = this.#parse(data, onEvent);
    if (used === 0) return;
    this.#release();
    if (used < data.length) this.#hold(data.subarray(used));
  }

  /** The position behind the last thing that was whole. */
  #parse(data: Uint8Array, onEvent: (event: RtspEvent) => void): number {
    let at = 0;
    while (at < data.length && !this.#stopped) {
      const next = this.#next(data, at, onEvent);
      if (next < 0) break;
      at = next;
    }
    return at;
  }

  /** Reads one frame, line or body; -1 when it is not whole. */
  #next(data: Uint8Array, at: number, onEvent: (event: RtspEvent) => void): number {
    if (this.#bodyBytes >= 0) return this.#body(data, at, onEvent);
    if (this.#message === undefined && data[at] === DOLLAR) return frame(data, at, onEvent);
    const { maxLineBytes } = this.#options;
    const newLine = data.indexOf(LF, at + this.#searched);
    if (newLine < 0) {
      this.#searched = data.length - at;
      if (this.#searched > maxLineBytes) this.#fail('RTSP_HEADER_TOO_LONG', `a line of over ${maxLineBytes} bytes`);
      return -1;
    }
    this.#searched = 0;
    const end = newLine > at && data[newLine - 1] === CR ? newLine - 1 : newLine;
    if (end - at > maxLineBytes) this.#fail('RTSP_HEADER_TOO_LONG', `a line of over ${maxLineBytes} bytes`);
    this.#line(text(data.subarray(at, end)), newLine + 1 - at, onEvent);
    return newLine + 1;
  }

  #line(line: string, bytes: number, onEvent: (event: RtspEvent) => void): void {
    const message = this.#message;
    if (message === undefined) {
      // RFC 2326 §4.1: empty lines before a message are ignored.
      if (line.trim() !== '') this.#message = this.#begin(line, bytes);
      return;
    }
    message.bytes += bytes;
    if (message.bytes > this.#options.maxHeadBytes) {
      this.#fail('RTSP_HEADER_TOO_LONG', `a header of over ${this.#options.maxHeadBytes} bytes`);
    }
    if (line === '') return this.#endOfHead(message, onEvent);
    message.lines += 1;
    if (message.lines > this.#options.maxHeaders) {
      this.#fail('RTSP_HEADER_TOO_LONG', `over ${this.#options.maxHeaders} header lines`);
    }
    if (line.startsWith(' ') || line.startsWith('\t')) return message.headers.fold(line.trim());
    // Cameras send lines that are no header; as other clients do, they are passed over.
    const colon = line.indexOf(':');
    if (colon > 0) message.headers.add(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }

  #begin(line: string, bytes: number): Message {
    const status = STATUS_LINE.exec(line.trimEnd());
    const start = status ?? REQUEST_LINE.exec(line.trimEnd());
    if (start === null) this.#fail('RTSP_BAD_MESSAGE', 'what came is no message of RTSP');
    return { start, response: status !== null, headers: new RtspHeaders(), lines: 0, bytes };
  }

  #endOfHead(message: Message, onEvent: (event: RtspEvent) => void): void {
    const bytes = this.#bodyLength(message);
    if (bytes > this.#options.maxBodyBytes) {
      this.#fail('RTSP_BODY_TOO_LONG', `a body of ${bytes} bytes, allowed ${this.#options.maxBodyBytes}`);
    }
    if (bytes === 0) return this.#complete(message, EMPTY, onEvent);
    this.#bodyBytes = bytes;
  }

  #bodyLength(message: Message): number {
    if (isTunnel(message)) return 0;
    const lengths = new Set(message.headers.all('Content-Length'));
    const [length = '0'] = lengths;
    if (lengths.size > 1 || !/^\d{1,15}$/.test(length)) {
      this.#fail('RTSP_BAD_MESSAGE', `a Content-Length of "${[...lengths].join(', ').slice(0, 60)}"`);
    }
    return Number(length);
  }

  #body(data: Uint8Array, at: number, onEvent: (event: RtspEvent) => void): number {
    const end = at + this.#bodyBytes;
    if (data.length < end || this.#message === undefined) return -1;
    this.#bodyBytes = -1;
    this.#complete(this.#message, data.slice(at, end), onEvent);
    return end;
  }

  #complete(message: Message, body: Uint8Array, onEvent: (event: RtspEvent) => void): void {
    this.#message = undefined;
    const [, first = '', second = '', third = ''] = message.start;
    const { headers } = message;
    if (message.response) {
      return onEvent({ type: 'response', version: first, status: Number(second), reason: third, headers, body });
    }
    onEvent({ type: 'request', method: first.toUpperCase(), uri: second, version: third, headers, body });
  }

  #hold(bytes: Uint8Array): void {
    const needed = this.#heldBytes + bytes.length;
    if (needed > this.#held.length) {
      const larger = new Uint8Array(Math.max(needed, this.#held.length * 2));
      larger.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = larger;
    }
    this.#held.set(bytes, this.#heldBytes);
    this.#heldBytes = needed;
  }

  #release(): void {
    this.#held = EMPTY;
    this.#heldBytes = 0;
  }

  #fail(code: string, message: string): never {
    this.#failure = new ProtocolError(code, message);
    this.#release();
    throw this.#failure;
  }
}

/** What follows the head of a tunnel's request or its good answer is a stream of RTSP, whatever length was told. */
function isTunnel(message: Message): boolean {
  const [, first = '', second = '', third = ''] = message.start;
  return message.response ? first.startsWith('HTTP') && second.startsWith('2') : third.startsWith('HTTP');
}

function frame(data: Uint8Array, at: number, onEvent: (event: RtspEvent) => void): number {
  if (data.length - at < FRAME_HEADER_BYTES) return -1;
  const start = at + FRAME_HEADER_BYTES;
  const end = start + (data[at + 2] ?? 0) * 256 + (data[at + 3] ?? 0);
  if (data.length < end) return -1;
  onEvent({ type: 'interleaved', channel: data[at + 1] ?? 0, payload: data.subarray(start, end) });
  return end;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
