import { constants, type Http2Session, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Counters } from '../../../core/index.ts';
import { type Exchange, type Peer, peerOf } from './exchange.ts';

/** A connection without a request for this long is ended: pings alone don't keep it. */
const IDLE_MS = 120_000;
/** A stream whose client takes nothing of its answer for this long is ended. */
const STALL_MS = 20_000;
/** Requests that a connection may take back before they are answered, in this time: a player that seeks drops some. */
const MAX_RESETS = 200;
const RESET_WINDOW_MS = 10_000;

interface OpenStream {
  readonly exchange: Exchange;
  /** Bytes that are still to be sent when it was looked at last, and since when they are so many. */
  left: number;
  sinceMs: number;
}

/** What is known of one HTTP/2 connection. */
export class SessionGuard {
  readonly peer: Peer;
  readonly #session: ServerHttp2Session;
  readonly #counters: Counters;
  readonly #streams = new Map<ServerHttp2Stream, OpenStream>();
  #lastRequestMs = performance.now();
  #resets = 0;
  #windowMs = 0;

  constructor(session: ServerHttp2Session, counters: Counters) {
    this.#session = session;
    this.#counters = counters;
    this.peer = peerOf(session.socket);
  }

  /** A request has come. */
  opened(stream: ServerHttp2Stream, exchange: Exchange): void {
    this.#lastRequestMs = performance.now();
    this.#streams.set(stream, { exchange, left: 0, sinceMs: this.#lastRequestMs });
    stream.once('close', () => this.#closed(stream));
  }

  /** Ends streams that are stuck, and the connection when nobody uses it. */
  sweep(nowMs: number): void {
    for (const [stream, open] of this.#streams) {
      const left = stream.writableLength;
      if (left === 0 || left !== open.left) {
        open.left = left;
        open.sinceMs = nowMs;
      } else if (nowMs - open.sinceMs > STALL_MS) {
        this.#counters.count('hls_slow_viewers');
        this.#streams.delete(stream);
        open.exchange.drop();
        stream.destroy();
      }
    }
    if (this.#streams.size === 0 && nowMs - this.#lastRequestMs > IDLE_MS) this.#session.destroy();
  }

  /** CVE-2023-44487: requests that are taken back at once cost more than they cost the client. */
  #closed(stream: ServerHttp2Stream): void {
    const open = this.#streams.get(stream);
    this.#streams.delete(stream);
    if (open === undefined || open.exchange.ended) return;
    const nowMs = performance.now();
    if (nowMs - this.#windowMs > RESET_WINDOW_MS) {
      this.#windowMs = nowMs;
      this.#resets = 0;
    }
    if (++this.#resets <= MAX_RESETS || this.#session.destroyed) return;
    this.#counters.count('hls_http2_floods');
    this.#session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }
}

/** The HTTP/2 connections of a door. */
export class SessionGuards {
  readonly #guards = new Map<Http2Session, SessionGuard>();
  readonly #counters: Counters;

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  add(session: ServerHttp2Session): void {
    if (session.destroyed) return;
    this.#guards.set(session, new SessionGuard(session, this.#counters));
    session.once('close', () => this.#guards.delete(session));
    // Frames that break the protocol, floods of pings and settings among them, end the connection by an error.
    session.on('error', () => this.#counters.count('hls_http2_floods'));
  }

  of(session: Http2Session): SessionGuard | undefined {
    return this.#guards.get(session);
  }

  sweep(nowMs: number): void {
    for (const guard of this.#guards.values()) guard.sweep(nowMs);
  }
}
