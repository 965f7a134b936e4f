import type { Socket } from 'node:net';
import { ProtocolError } from '@sluice/media';
import {
  type ClientConnection,
  type ConnectionDescription,
  ENDING_INFO,
  type Log,
  withoutCredentials,
} from '../../../core/index.ts';
import { connectionName, plainAddress } from '../../../io/index.ts';
import { RtspHeaders } from '../wire/headers.ts';
import { type RtspEvent, RtspReader, type RtspRequest } from '../wire/reader.ts';
import { writeResponse } from '../wire/writer.ts';
import type { RtspContext } from './context.ts';
import { RtspConversation } from './conversation.ts';
import { type RtspPeer, type RtspReply, refusal } from './peer.ts';
import type { RtspOutcome } from './publication.ts';
import { TunnelDecoder, type TunnelEnd } from './tunnels.ts';

/** Requests that wait for the answer to an earlier one; with more of them the socket is not read. */
const MAX_WAITING_REQUESTS = 8;
/** How long the last bytes of a closed connection may take to leave. */
const CLOSE_LINGER_MS = 2000;
/** Reasons may name a stream, whose name may be the address of a camera. */
const ADDRESS = /[a-z0-9+.-]+:\/\/[^\s"]+/gi;
/** Of a tunnel, where the connection that brings them can't be held back. */
const MAX_TUNNELLED_REQUESTS = 100;
const MAX_AGENT_CHARACTERS = 256;
const MAX_COOKIE_CHARACTERS = 128;
const TUNNEL_TYPE = 'application/x-rtsp-tunnelled';
const LEFT: RtspOutcome = { failed: false, info: ENDING_INFO.sessionDisconnect };

/**
 * One connection to the RTSP server: reads requests, answers them in order, and carries interleaved frames. It may also
 * turn out to be one of the two connections of an HTTP tunnel.
 */
export class RtspConnection implements RtspPeer, ClientConnection, TunnelEnd {
  readonly sessionId: string;
  readonly remoteAddress: string;
  readonly output: Socket;
  /** Resolves when the socket is closed and nothing is left. */
  readonly closed: Promise<void>;
  readonly #context: RtspContext;
  readonly #log: Log;
  readonly #reader: RtspReader;
  readonly #conversation: RtspConversation;
  readonly #createdAt = Date.now();
  readonly #waiting: RtspRequest[] = [];
  #answering = false;
  #registration: Disposable | undefined;
  #agent = '';
  /** Of a tunnel's GET. */
  #cookie: string | undefined;
  /** Of a tunnel's POST: where its bytes go. */
  #upstreamOf: { readonly end: TunnelEnd; readonly decoder: TunnelDecoder } | undefined;
  #hasAsked = false;
  #aliveMs = performance.now();
  #messageSinceMs = performance.now();
  #takenBytes = 0;
  #finishedMs = Number.NaN;

  constructor(socket: Socket, context: RtspContext) {
    this.output = socket;
    this.#context = context;
    this.remoteAddress = plainAddress(socket.remoteAddress);
    this.sessionId = connectionName(socket);
    this.#log = context.log.child({ session: this.sessionId });
    this.#reader = new RtspReader(context.options.reader);
    this.#conversation = new RtspConversation(this, context);
    socket.on('data', (bytes) => this.#onData(bytes));
    socket.on('drain', () => this.#next());
    socket.on('error', (error) => this.#log.debug({ error: error.message }, 'RTSP connection failed'));
    socket.on('end', () => this.finish('peer left'));
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.#onClose();
        resolve();
      });
    });
  }

  get secure(): boolean {
    return 'encrypted' in this.output;
  }

  get tunnelled(): boolean {
    return this.#cookie !== undefined;
  }

  get open(): boolean {
    return Number.isNaN(this.#finishedMs);
  }

  get agent(): string {
    return this.#agent;
  }

  send(bytes: Buffer): void {
    if (!this.output.destroyed && Number.isNaN(this.#finishedMs)) this.output.write(bytes);
  }

  alive(): void {
    this.#aliveMs = performance.now();
  }

  receive(bytes: Uint8Array): void {
    if (!Number.isNaN(this.#finishedMs)) return;
    const began = this.#reader.inMessage;
    try {
      this.#reader.push(bytes, (event) => this.#onEvent(event));
    } catch (error) {
      this.#onBroken(error);
    }
    if (!began) this.#messageSinceMs = performance.now();
  }

  /** Ends the session at once, and the connection when what was written has left. Idempotent. */
  finish(reason: string, outcome = LEFT): void {
    if (!Number.isNaN(this.#finishedMs)) return;
    this.#finishedMs = performance.now();
    this.#conversation.end(reason, outcome);
    this.#waiting.length = 0;
    this.output.end();
    this.output.resume();
  }

  /** Somebody else than the client wants it gone. */
  close(reason: string): void {
    this.#conversation.session?.close(reason);
    this.finish(reason, { failed: false, info: reason });
  }

  /** Called about once a second: ends what is silent, slow or over. */
  check(nowMs: number): void {
    if (!Number.isNaN(this.#finishedMs)) {
      if (nowMs - this.#finishedMs > CLOSE_LINGER_MS) this.output.destroy();
      return;
    }
    if (this.#upstreamOf !== undefined) {
      if (!this.#upstreamOf.end.open) this.finish('its tunnel is closed');
      return;
    }
    const { headerTimeoutMs, sessionTimeoutMs } = this.#context.options;
    const { takenBytes } = this.#conversation;
    // Who takes what it is sent is there, also when it says nothing.
    if (takenBytes !== this.#takenBytes || this.#answering) this.alive();
    this.#takenBytes = takenBytes;
    const isIncomplete = !this.#hasAsked || this.#reader.inMessage;
    if (isIncomplete && nowMs - this.#messageSinceMs > headerTimeoutMs)
      return this.#drop(`no whole request came within ${headerTimeoutMs} ms`, true);
    if (nowMs - this.#aliveMs > sessionTimeoutMs) return this.#drop(`nothing came for ${sessionTimeoutMs} ms`, true);
    const reason = this.#conversation.check(nowMs);
    if (reason !== undefined) this.#drop(reason, false);
  }

  describe(): ConnectionDescription {
    const session = this.#conversation.session?.describe();
    return {
      sessionId: this.sessionId,
      appKey: session?.appKey ?? this.#context.options.defaultAppKey,
      protocol: 'rtsp',
      mediaProvider: 'RTSP',
      status: session === undefined ? 'PENDING' : 'ESTABLISHED',
      login: '',
      clientVersion: this.#agent,
      remoteAddress: this.remoteAddress,
      createDate: this.#createdAt,
      keepAlive: true,
      bytesIn: this.output.bytesRead,
      bytesOut: this.output.bytesWritten,
      custom: session?.custom ?? {},
    };
  }

  #onData(bytes: Buffer): void {
    if (this.#upstreamOf === undefined) this.receive(bytes);
    else this.#passOn(bytes);
  }

  #onEvent(event: RtspEvent): void {
    this.alive();
    if (event.type === 'interleaved') return this.#conversation.interleaved(event.channel, event.payload);
    // We ask for nothing, so there is nothing to answer.
    if (event.type === 'response') return;
    this.#hasAsked = true;
    if (event.version.startsWith('HTTP')) return this.#onHttp(event);
    this.#agent = (event.headers.get('User-Agent') ?? this.#agent).slice(0, MAX_AGENT_CHARACTERS);
    this.#registration ??= this.#context.connections.add(this);
    this.#waiting.push(event);
    if (this.#waiting.length >= MAX_WAITING_REQUESTS) this.output.pause();
    if (this.tunnelled && this.#waiting.length > MAX_TUNNELLED_REQUESTS)
      throw new ProtocolError('RTSP_TOO_MANY_REQUESTS', `${this.#waiting.length} requests without waiting for answers`);
    this.#next();
  }

  /** Answers the next request, unless an answer is under way or the client does not read those that it has. */
  #next(): void {
    if (this.#answering || this.output.writableNeedDrain) return;
    const request = this.#waiting.shift();
    if (request === undefined) return;
    if (this.#waiting.length < MAX_WAITING_REQUESTS) this.output.resume();
    this.#answering = true;
    void this.#conversation
      .answer(request)
      .then((reply) => this.#answer(request, reply))
      .finally(() => {
        this.#answering = false;
        this.#next();
      });
  }

  #answer({ headers }: RtspRequest, reply: RtspReply): void {
    if (!Number.isNaN(this.#finishedMs)) return;
    const { status, reason, body } = reply;
    if (status >= 400) this.#noteRefusal(status, reason);
    const fields = RtspHeaders.of({ CSeq: headers.get('CSeq'), Server: 'Sluice', ...reply.headers });
    this.send(
      writeResponse({
        status,
        headers: fields,
        ...(reason !== undefined && { reason }),
        ...(body !== undefined && { body }),
      }),
    );
    reply.after?.();
    if (reply.close === true) this.finish(reason ?? `refused with ${status}`);
  }

  /** RTSP over HTTP: a GET for what we send, a POST for what the client sends. */
  #onHttp({ method, headers }: RtspRequest): void {
    const cookie = headers.get('x-sessioncookie')?.slice(0, MAX_COOKIE_CHARACTERS);
    this.#agent = (headers.get('User-Agent') ?? '').slice(0, MAX_AGENT_CHARACTERS);
    if (cookie !== undefined && method === 'GET' && this.#openTunnel(cookie)) return;
    if (cookie !== undefined && method === 'POST' && this.#joinTunnel(cookie)) return;
    this.#noteRefusal(404, `HTTP ${method}`);
    this.#sendHttp(404, {});
    this.finish('no RTSP');
  }

  #openTunnel(cookie: string): boolean {
    if (!this.#context.tunnels.open(cookie, this.remoteAddress, this)) return false;
    this.#cookie = cookie;
    this.#sendHttp(200, { 'Content-Type': TUNNEL_TYPE, 'Cache-Control': 'no-store', Pragma: 'no-cache' });
    return true;
  }

  #joinTunnel(cookie: string): boolean {
    const end = this.#context.tunnels.find(cookie, this.remoteAddress);
    if (end === undefined) return false;
    this.#upstreamOf = { end, decoder: new TunnelDecoder() };
    this.#reader.stop();
    // What came with the head has been fed already, and is in the reader when this call is over.
    queueMicrotask(() => this.#passOn(this.#reader.rest()));
    return true;
  }

  #passOn(bytes: Uint8Array): void {
    const upstream = this.#upstreamOf;
    if (upstream === undefined || bytes.length === 0) return;
    try {
      upstream.end.receive(upstream.decoder.push(bytes));
    } catch (error) {
      this.#onBroken(error);
    }
  }

  #sendHttp(status: 200 | 404, fields: Readonly<Record<string, string>>): void {
    const headers = RtspHeaders.of({ Server: 'Sluice', Connection: 'close', ...fields });
    this.send(writeResponse({ status, headers, version: 'HTTP/1.0' }));
  }

  #onBroken(error: unknown): void {
    if (error instanceof ProtocolError) {
      this.#context.counters.count('rtsp_protocol_errors');
      this.#note(error.message);
      if (this.#upstreamOf === undefined) {
        const { status, reason = '' } = refusal(400, error.message);
        this.send(writeResponse({ status, reason, headers: RtspHeaders.of({ Server: 'Sluice' }) }));
      }
    } else this.#log.error({ err: error }, 'unexpected error in an RTSP connection');
    this.finish('protocol error', { failed: true, info: ENDING_INFO.error });
  }

  #drop(reason: string, silent: boolean): void {
    if (silent) this.#context.counters.count('rtsp_silent_clients');
    this.#note(reason);
    this.#conversation.session?.close(reason);
    this.finish(reason, { failed: true, info: reason });
    // Who does not read gets nothing more.
    if (this.output.writableNeedDrain) this.output.destroy();
  }

  #noteRefusal(status: number, reason: string | undefined): void {
    this.#context.counters.count('rtsp_refused');
    this.#note(`${status} ${reason ?? ''}`);
  }

  #note(reason: string): void {
    const held = this.#context.faults.take();
    if (held >= 0)
      this.#log.warn(
        { reason: reason.replaceAll(ADDRESS, withoutCredentials), suppressed: held },
        'RTSP client refused or dropped',
      );
  }

  #onClose(): void {
    this.finish('peer left');
    if (this.#cookie !== undefined) this.#context.tunnels.close(this.#cookie, this.remoteAddress, this);
    this.#registration?.[Symbol.dispose]();
  }
}
