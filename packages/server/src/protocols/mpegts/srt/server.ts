import { ProtocolError } from '@sluice/media';
import {
  type AdaptedStream,
  type ErrorCode,
  type FanOut,
  FanOuts,
  findStream,
  MediaServerError,
  type ProtocolDeps,
  type SrtTransport,
  type Stream,
} from '../../../core/index.ts';
import { BusyTicks, type Ticker } from '../../../io/index.ts';
import { TsFormat } from '../packager.ts';
import { tsAcceptance } from './acceptance.ts';
import type { Admission } from './flow.ts';
import { type SrtCaller, SrtGate } from './gate.ts';
import { DEFAULT_SRT_SERVER_OPTIONS, type SrtServerOptions } from './options.ts';
import { checkedPassphrase } from './passphrase.ts';
import { SrtPeer } from './peer.ts';
import { SrtPlayback } from './playback.ts';
import { SrtPublication } from './publication.ts';
import { REFUSAL, type RefusalCode } from './wire/handshake.ts';
import { readRequest } from './wire/stream-id.ts';

const CHECK_INTERVAL_MS = 1000;
const ACCEPTANCE = tsAcceptance();

/** Codes of SRT for refusals of ours. */
const CODES: Readonly<Partial<Record<ErrorCode, RefusalCode>>> = {
  TOKEN_REQUIRED: REFUSAL.unauthorised,
  ACCESS_DENIED: REFUSAL.forbidden,
  APPLICATION_UNKNOWN: REFUSAL.forbidden,
  URL_DENIED: REFUSAL.forbidden,
  TOO_MANY_ATTEMPTS: REFUSAL.overload,
  STREAM_LIMIT: REFUSAL.overload,
  RELAY_LIMIT: REFUSAL.overload,
  STREAM_NAME_BUSY: REFUSAL.conflict,
  STREAM_NAME_INVALID: REFUSAL.badRequest,
  STREAM_NOT_FOUND: REFUSAL.notFound,
  SOURCE_NOT_FOUND: REFUSAL.notFound,
  FILE_NOT_FOUND: REFUSAL.notFound,
};

export interface SrtServerDeps extends ProtocolDeps {
  readonly srt: SrtTransport;
  readonly ticker: Ticker;
}

/** A player's place in what all players of a stream share. */
export interface TsPlace {
  readonly lease: AdaptedStream;
  readonly fanOut: FanOut;
}

type SrtSession = SrtPublication | SrtPlayback;

/** What sessions need of their server. */
export interface SrtContext {
  readonly deps: SrtServerDeps;
  readonly options: SrtServerOptions;
  opened(session: SrtSession): void;
  closed(session: SrtSession, reason: string): void;
  /** Undefined when nothing of the stream can be sent. */
  placeFor(stream: Stream): TsPlace | undefined;
  viewerLeft(place: TsPlace): void;
}

/**
 * The common SRT port: callers publish (`publish:NAME`) and play (`read:NAME`) any stream as MPEG-TS; see `readRequest`
 * for all forms of stream ids.
 */
export class SrtServer implements SrtContext {
  readonly deps: SrtServerDeps;
  readonly options: SrtServerOptions;
  readonly #gate: SrtGate;
  readonly #fanOuts: FanOuts;
  readonly #sessions = new Set<SrtSession>();
  #tick: Disposable | undefined;
  readonly #polling: BusyTicks;
  #closing: Promise<void> | undefined;

  /** @throws MediaServerError CONFIG_INVALID for a passphrase that can't be used */
  constructor(deps: SrtServerDeps, options: Partial<SrtServerOptions> = {}) {
    this.deps = deps;
    this.#polling = new BusyTicks(deps.ticker, (nowMs) => this.#poll(nowMs));
    this.options = { ...DEFAULT_SRT_SERVER_OPTIONS, ...options };
    const { address, port, latencyMs, maxCallers, flushIntervalMs } = this.options;
    const passphrase = checkedPassphrase(this.options.passphrase);
    this.#fanOuts = new FanOuts({ flushIntervalMs });
    const gate = { address, port, passphrase, latencyMs, maxCallers };
    this.#gate = new SrtGate(deps, gate, (caller, gone) => this.#decide(caller, gone));
  }

  get port(): number {
    return this.#gate.port;
  }

  /** Publications and playbacks of this moment. */
  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** @throws MediaServerError PORT_IN_USE */
  async start(): Promise<void> {
    try {
      await this.#gate.start();
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
      const { address, port } = this.options;
      throw new MediaServerError('PORT_IN_USE', `UDP port ${port} of ${address} is taken (srt.port)`, { cause });
    }
    this.#tick = this.deps.ticker.on((nowMs) => this.#check(nowMs), CHECK_INTERVAL_MS);
  }

  /** Ends all sessions; resolves when the port is free. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  opened(session: SrtSession): void {
    this.#sessions.add(session);
    this.#polling.begin();
    const { mediaType, streamName, sessionId } = session.describe();
    this.deps.log.info({ session: sessionId, stream: streamName, mediaType }, 'SRT connection begins');
  }

  closed(session: SrtSession, reason: string): void {
    this.#sessions.delete(session);
    const { mediaType, streamName, sessionId, bytesIn, bytesOut } = session.describe();
    const facts = { session: sessionId, stream: streamName, mediaType, bytesIn, bytesOut, reason };
    this.deps.log.info(facts, 'SRT connection ends');
  }

  placeFor(stream: Stream): TsPlace | undefined {
    const { adaptations } = this.deps;
    const lease = adaptations.lease(stream, ACCEPTANCE, { steady: true });
    const fanOut = this.#fanOuts.get(lease.stream, '', () => new TsFormat(lease.stream));
    const needs = adaptations.needsConversion(stream, ACCEPTANCE);
    const { video, audio } = stream.state;
    const canSend = (kind: 'video' | 'audio', track: typeof video): boolean =>
      track !== undefined && (adaptations.enabled ? needs[kind] !== 'impossible' : fanOut.carries(track));
    if (canSend('video', video) || canSend('audio', audio)) return { lease, fanOut };
    this.viewerLeft({ lease, fanOut });
    return undefined;
  }

  viewerLeft({ lease, fanOut }: TsPlace): void {
    this.#fanOuts.viewerLeft(fanOut);
    lease[Symbol.dispose]();
  }

  async #close(): Promise<void> {
    this.#tick?.[Symbol.dispose]();
    this.#polling.close();
    for (const session of [...this.#sessions]) session.close('server stops');
    await this.#gate.close();
    this.#fanOuts.close();
  }

  async #decide(caller: SrtCaller, gone: AbortSignal): Promise<Admission> {
    let peer: SrtPeer | undefined;
    try {
      peer = new SrtPeer(caller, readRequest(caller.streamId), this);
      const closed = new AbortController();
      peer.onClose = () => closed.abort();
      await peer.admit();
      const signal = AbortSignal.any([gone, closed.signal]);
      const admission = await this.#admitted(peer, signal);
      if (!signal.aborted) return admission;
      throw new MediaServerError('ACCESS_DENIED', 'the caller is gone');
    } catch (error) {
      peer?.refused(error);
      return this.#refusalOf(error);
    }
  }

  /** @throws MediaServerError STREAM_NAME_BUSY, STREAM_NOT_FOUND */
  async #admitted(peer: SrtPeer, signal: AbortSignal): Promise<Admission> {
    const { streamName, request } = peer;
    if (request.mode === 'publish') {
      // The name itself is taken when the connection stands: until then the passphrase is not known to be right.
      if (this.deps.streams.get(streamName)?.live === true)
        throw new MediaServerError('STREAM_NAME_BUSY', `stream "${streamName}" is already being published`);
      return { direction: 'receive', guest: new SrtPublication(peer, this) };
    }
    const stream = await this.#findStream(streamName, signal);
    if (stream === undefined) throw new MediaServerError('STREAM_NOT_FOUND', `no stream "${streamName}"`);
    return { direction: 'send', guest: new SrtPlayback(peer, stream, this) };
  }

  /** Sources may take longer than a caller waits: the next attempt finds what this one began. */
  async #findStream(name: string, gone: AbortSignal): Promise<Stream | undefined> {
    const waitMs = this.options.playWaitMs;
    const signal = AbortSignal.any([gone, AbortSignal.timeout(waitMs)]);
    const late = new Promise<undefined>((resolve) => {
      if (signal.aborted) resolve(undefined);
      signal.addEventListener('abort', () => resolve(undefined), { once: true });
    });
    return Promise.race([findStream(this.deps, name, { waitMs, signal }), late]);
  }

  #refusalOf(error: unknown): Admission {
    if (error instanceof ProtocolError) return { refusal: REFUSAL.badRequest, message: error.message };
    if (error instanceof MediaServerError)
      return { refusal: CODES[error.code] ?? REFUSAL.failed, message: error.message };
    this.deps.log.error({ err: error }, 'unexpected error while an SRT caller was decided about');
    return { refusal: REFUSAL.failed, message: 'internal error' };
  }

  #poll(nowMs: number): boolean {
    for (const session of this.#sessions) if (session instanceof SrtPlayback) session.poll(nowMs);
    return this.#sessions.size > 0;
  }

  #check(nowMs: number): void {
    for (const session of this.#sessions) session.check(nowMs);
  }
}
