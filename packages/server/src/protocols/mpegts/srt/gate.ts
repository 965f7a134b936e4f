import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { Counters, Log, SrtTransport } from '../../../core/index.ts';
import { BusyTicks, plainAddress, type Ticker } from '../../../io/index.ts';
import { Cookies } from './cookies.ts';
import { type Admission, type FlowParts, SrtFlow } from './flow.ts';
import {
  type Handshake,
  inductionAnswer,
  libraryReason,
  REFUSAL,
  type RefusalCode,
  readHandshake,
  readStreamId,
  refusalOf,
} from './wire/handshake.ts';

/** Callers that are being decided about, or whose connection is being made. */
const MAX_PENDING = 256;
const MAX_PENDING_PER_ADDRESS = 16;
const CHECK_INTERVAL_MS = 1000;
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;
const HSV5 = 5;

export interface SrtGateOptions {
  /** Address of this machine to listen at, IPv4 or IPv6. */
  readonly address: string;
  /** 0: a free one. */
  readonly port: number;
  /** Callers need it; empty or absent: none. */
  readonly passphrase?: string | undefined;
  readonly latencyMs: number;
  /** Callers at once. Those that were refused or have ended count as long as nobody else wants their place. */
  readonly maxCallers: number;
}

export interface SrtGateDeps {
  readonly srt: SrtTransport;
  readonly ticker: Ticker;
  readonly log: Log;
  readonly counters: Counters;
}

/** Someone who wants to connect and has proved that its address is its own. */
export interface SrtCaller {
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Of this machine, which the caller sent to. */
  readonly localPort: number;
  /** As it came; empty when there is none. */
  readonly streamId: string;
}

/** Decides about a caller. `gone` aborts when it is not worth it any more. Must not throw. */
export type DecideCaller = (caller: SrtCaller, gone: AbortSignal) => Promise<Admission>;

/**
 * A UDP port for SRT callers, in front of the SRT library: it reads their handshakes, answers the first one itself
 * (without keeping anything), has the second one decided about, and lets through to the library who was admitted.
 */
export class SrtGate {
  readonly #options: SrtGateOptions;
  readonly #deps: SrtGateDeps;
  readonly #decide: DecideCaller;
  readonly #cookies = new Cookies();
  readonly #flows = new Map<string, SrtFlow>();
  readonly #pendingOf = new Map<string, number>();
  readonly #pending = new Set<SrtFlow>();
  #socket: Socket | undefined;
  #tick: Disposable | undefined;
  readonly #ticks: BusyTicks;
  #port = 0;
  #closing: Promise<void> | undefined;

  constructor(deps: SrtGateDeps, options: SrtGateOptions, decide: DecideCaller) {
    this.#deps = deps;
    this.#ticks = new BusyTicks(deps.ticker, (nowMs) => this.#onTick(nowMs));
    this.#options = options;
    this.#decide = decide;
  }

  /** Where it listens, once it does. */
  get port(): number {
    return this.#port;
  }

  /** Callers that it knows of at this moment. */
  get callers(): number {
    return this.#flows.size;
  }

  /** Rejects with the system's error (EADDRINUSE). */
  async start(): Promise<void> {
    const { address, port } = this.#options;
    const type = isIPv6(address) ? 'udp6' : 'udp4';
    // Callers are known by addresses: nothing is to be looked up, and nothing to be waited for.
    const socket = createSocket({ type, lookup: (host, _options, done) => done(null, host, type === 'udp6' ? 6 : 4) });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(port, address, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    // What can't be sent is lost, as on the way.
    socket.on('error', () => undefined);
    try {
      socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
    } catch {
      // The system's own size has to do.
    }
    socket.on('message', (datagram, from) => this.#onDatagram(datagram, from));
    this.#socket = socket;
    this.#port = socket.address().port;
    this.#tick = this.#deps.ticker.on((nowMs) => this.#check(nowMs), CHECK_INTERVAL_MS);
  }

  /** Ends all connections; resolves when the port is free. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const flow of [...this.#flows.values()]) flow.close();
    this.#tick?.[Symbol.dispose]();
    this.#ticks.close();
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket !== undefined) await new Promise<void>((resolve) => socket.close(resolve));
  }

  // Hot path: once per datagram of all callers.
  #onDatagram(datagram: Buffer, from: RemoteInfo): void {
    // No answer can be sent to port 0: the system refuses it by an error.
    if (from.port === 0) return;
    const key = `${from.address}:${from.port}`;
    const flow = this.#flows.get(key);
    const handshake = readHandshake(datagram);
    if (handshake === undefined) return flow?.fromCaller(datagram, undefined);
    if (handshake.type === 'induction') return this.#answerInduction(datagram, { key, from });
    if (handshake.type !== 'conclusion') return flow?.fromCaller(datagram, handshake);
    if (flow !== undefined && flow.socketId === handshake.socketId) return flow.fromCaller(datagram, handshake);
    if (!this.#cookies.isGood(handshake.cookie, key)) return;
    // An encoder that began anew keeps its port.
    flow?.close();
    this.#onCaller(datagram, handshake, { key, from });
  }

  /** As many bytes as came: nothing to be won by a wrong address. */
  #answerInduction(datagram: Buffer, { key, from }: Origin): void {
    this.#send(inductionAnswer(datagram, this.#cookies.give(key)), from);
  }

  #onCaller(conclusion: Buffer, handshake: Handshake, origin: Origin): void {
    const { key, from } = origin;
    const remoteAddress = plainAddress(from.address);
    const waiting = this.#pendingOf.get(remoteAddress) ?? 0;
    // They try again in a quarter of a second.
    if (this.#pending.size >= MAX_PENDING || waiting >= MAX_PENDING_PER_ADDRESS) return;
    if (this.#flows.size >= this.#options.maxCallers && !this.#makeRoom())
      return this.#refuse(conclusion, from, { code: REFUSAL.overload, why: 'as many SRT callers as may be' });
    const streamId = handshake.version === HSV5 ? readStreamId(conclusion) : undefined;
    if (streamId === undefined)
      return this.#refuse(conclusion, from, { code: REFUSAL.badRequest, why: 'its SRT handshake can not be read' });
    const flow = new SrtFlow(
      conclusion,
      handshake,
      this.#partsOf(() => flow, origin),
    );
    this.#flows.set(key, flow);
    this.#pending.add(flow);
    this.#ticks.begin();
    this.#pendingOf.set(remoteAddress, waiting + 1);
    const caller = { remoteAddress, remotePort: from.port, localPort: this.#port, streamId };
    void this.#decide(caller, flow.gone).then((admission) => {
      if ('refusal' in admission) this.#count(from, admission.message);
      flow.decide(admission);
    });
  }

  /** Who is over makes room: otherwise a few who are refused again and again would keep all others out. */
  #makeRoom(): boolean {
    for (const flow of this.#flows.values()) {
      if (!flow.isOver) continue;
      flow.close();
      return true;
    }
    return false;
  }

  #partsOf(flow: () => SrtFlow, { key, from }: Origin): FlowParts {
    const { srt, log, counters } = this.#deps;
    const { passphrase, latencyMs } = this.#options;
    return {
      ...{ transport: srt, log, latencyMs, passphrase: passphrase === '' ? undefined : passphrase },
      reply: (datagram) => this.#send(datagram, from),
      onConnected: () => counters.count('srt_connections'),
      onTurnedAway: (reason) => this.#count(from, libraryReason(reason)),
      onSettled: () => this.#settled(flow(), plainAddress(from.address)),
      onGone: () => {
        if (this.#flows.get(key) === flow()) this.#flows.delete(key);
      },
    };
  }

  #refuse(conclusion: Buffer, from: RemoteInfo, { code, why }: { code: RefusalCode; why: string }): void {
    this.#count(from, why);
    this.#send(refusalOf(conclusion, code), from);
  }

  #count(from: RemoteInfo, reason: string): void {
    this.#deps.counters.count('srt_refused');
    this.#deps.log.info({ remoteAddress: plainAddress(from.address), reason }, 'SRT caller refused');
  }

  #onTick(nowMs: number): boolean {
    for (const flow of this.#pending) flow.tick(nowMs);
    return this.#pending.size > 0;
  }

  #check(nowMs: number): void {
    for (const flow of this.#flows.values()) flow.tick(nowMs);
  }

  #settled(flow: SrtFlow, remoteAddress: string): void {
    if (!this.#pending.delete(flow)) return;
    const left = (this.#pendingOf.get(remoteAddress) ?? 1) - 1;
    if (left > 0) this.#pendingOf.set(remoteAddress, left);
    else this.#pendingOf.delete(remoteAddress);
  }

  #send(datagram: Buffer, { port, address }: RemoteInfo): void {
    this.#socket?.send(datagram, port, address);
  }
}

interface Origin {
  readonly key: string;
  readonly from: RemoteInfo;
}
