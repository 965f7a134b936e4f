import { createSocket, type Socket } from 'node:dgram';
import type { Log, SrtConnection, SrtEndCode, SrtEvents, SrtOpen, SrtTransport } from '../../../core/index.ts';
import {
  type Handshake,
  inductionFor,
  isShutdown,
  REFUSAL,
  type RefusalCode,
  readHandshake,
  refusalOf,
  shutdownFor,
  withCookie,
} from './wire/handshake.ts';

const LOOPBACK = '127.0.0.1';
/** How often the listener in the other process is asked whether it is there yet. */
const KNOCK_INTERVAL_MS = 30;
/** Callers of libsrt give up after 3 s. */
const OPEN_TIMEOUT_MS = 4000;
/** Another program may take the port that was found free. */
const MAX_PORTS = 3;
/** libsrt takes its peer for dead after 5 s without a sign of life. */
const SILENCE_MS = 8000;
/** What is under way at the end still gets through, and refusals are repeated when they got lost. */
const LINGER_MS = 3000;

/** Someone who is to be let in: takes the connection, then what becomes of it. */
export interface SrtGuest extends SrtEvents {
  /** Comes first, with the means to end it. */
  enter(connection: SrtConnection): void;
}

/** What was decided about a caller. */
export type Admission =
  | { readonly direction: SrtOpen['direction']; readonly guest: SrtGuest }
  | { readonly refusal: RefusalCode; readonly message: string };

export interface FlowParts {
  readonly transport: SrtTransport;
  readonly log: Log;
  readonly passphrase: string | undefined;
  readonly latencyMs: number;
  /** Sends a datagram to the caller. */
  reply(datagram: Buffer): void;
  /** The connection stands. */
  onConnected(): void;
  /** The SRT library turned it away: mostly for its passphrase. */
  onTurnedAway(reason: number): void;
  /** It was refused, or stands, or is gone: it waits for nothing any more. Once. */
  onSettled(): void;
  /** Once; nothing follows. */
  onGone(): void;
}

/**
 * `asking`: who decides has not answered. `opening`: the library shakes hands. `refused` and `ending` are over, but
 * what got lost on the way to the caller is said again.
 */
type FlowState = 'asking' | 'opening' | 'open' | 'refused' | 'ending' | 'gone';

/**
 * One caller that has proved its address: its datagrams go to a listener of its own on loopback, in the process of the
 * SRT library, and back. The library sees a whole handshake: the flow makes the first half of it itself, and swaps the
 * cookie that the gate gave for the library's.
 */
export class SrtFlow {
  readonly socketId: number;
  readonly #parts: FlowParts;
  readonly #decided = new AbortController();
  /** The newest one: callers repeat it until they are answered. */
  #conclusion: Buffer;
  #state: FlowState = 'asking';
  #settled = false;
  #refusal: Buffer | undefined;
  #admission: Extract<Admission, { guest: SrtGuest }> | undefined;
  #guestTold = false;
  #relay: Socket | undefined;
  #relayReady = false;
  #connection: SrtConnection | undefined;
  #cookie: number | undefined;
  #ports = 0;
  #knockedMs = 0;
  #heardMs = performance.now();
  #sinceMs = performance.now();

  constructor(conclusion: Buffer, handshake: Handshake, parts: FlowParts) {
    this.#conclusion = conclusion;
    this.socketId = handshake.socketId;
    this.#parts = parts;
  }

  /** Aborts when the caller is gone before it was decided about. */
  get gone(): AbortSignal {
    return this.#decided.signal;
  }

  /** True when it is kept only to say again what may have been lost. */
  get isOver(): boolean {
    return this.#state === 'refused' || this.#state === 'ending';
  }

  /** To be called once with what was decided. */
  decide(admission: Admission): void {
    if (this.#state !== 'asking') {
      if ('guest' in admission) admission.guest.onClosed('the caller is gone', 'ended');
      return;
    }
    if ('refusal' in admission) return this.#refuse(admission.refusal);
    this.#admission = admission;
    this.#enter('opening');
    admission.guest.enter(this.#handle());
    this.#listen();
  }

  /** A datagram of the caller. Hot path: one send. */
  fromCaller(datagram: Buffer, handshake: Handshake | undefined): void {
    this.#heardMs = performance.now();
    if (handshake?.type === 'conclusion') return this.#onConclusion(datagram);
    // The library's answer may have come before the news that it has agreed.
    if (this.#cookie !== undefined && this.#state !== 'refused') this.#relay?.send(datagram);
  }

  /** Called on every tick while it is pending, otherwise about once a second. */
  tick(nowMs: number): void {
    const age = nowMs - this.#sinceMs;
    if (this.#state === 'opening') {
      if (age > OPEN_TIMEOUT_MS) this.#end('the SRT handshake did not come to its end', 'timeout');
      else if (nowMs - this.#knockedMs >= KNOCK_INTERVAL_MS) this.#knock(nowMs);
    } else if (this.#state === 'asking') {
      if (nowMs - this.#heardMs > LINGER_MS) this.#end('the caller is gone', 'ended');
    } else if (this.#state === 'open') {
      if (nowMs - this.#heardMs > SILENCE_MS) this.#end('nothing came from the caller any more', 'broken');
    } else if (age > LINGER_MS) this.close();
  }

  /** Drops it at once. Idempotent. */
  close(): void {
    if (this.#state === 'gone') return;
    const wasOpen = this.#state === 'open';
    this.#enter('gone');
    this.#decided.abort();
    if (wasOpen) this.#parts.reply(shutdownFor(this.socketId));
    this.#connection?.close();
    this.#tellGuest('the server ends it', 'ended');
    this.#relay?.close();
    this.#relay = undefined;
    this.#parts.onGone();
  }

  #enter(state: FlowState): void {
    this.#state = state;
    this.#sinceMs = performance.now();
    if (state === 'opening' || this.#settled) return;
    this.#settled = true;
    this.#parts.onSettled();
  }

  #refuse(code: RefusalCode): void {
    this.#refusal = refusalOf(this.#conclusion, code);
    this.#enter('refused');
    this.#parts.reply(this.#refusal);
  }

  #onConclusion(datagram: Buffer): void {
    this.#conclusion = datagram;
    if (this.#refusal !== undefined) this.#parts.reply(this.#refusal);
    else if (this.#cookie !== undefined) this.#relay?.send(withCookie(datagram, this.#cookie));
  }

  /** Has a listener opened for it on a port of loopback that is free at this moment. */
  #listen(): void {
    this.#ports++;
    const probe = createSocket('udp4');
    probe.once('error', (error) => this.#end(error.message, 'failed'));
    probe.bind(0, LOOPBACK, () => {
      const { port } = probe.address();
      probe.close(() => this.#open(port));
    });
  }

  #open(port: number): void {
    const admission = this.#admission;
    if (this.#state !== 'opening' || admission === undefined) return;
    const { transport, passphrase, latencyMs } = this.#parts;
    this.#connection = transport.open(
      {
        ...{ mode: 'listener', address: LOOPBACK, port, latencyMs, passphrase },
        direction: admission.direction,
        connectTimeoutMs: OPEN_TIMEOUT_MS,
      },
      {
        onConnected: () => this.#connected(),
        onData: (bytes) => admission.guest.onData(bytes),
        onWritable: () => admission.guest.onWritable(),
        onClosed: (reason, code) => this.#onClosed(reason, code),
      },
    );
    const relay = createSocket({ type: 'udp4' });
    this.#relay = relay;
    // Nobody listens there yet, or no longer.
    relay.on('error', () => undefined);
    relay.on('message', (datagram) => this.#fromLibrary(datagram));
    relay.connect(port, LOOPBACK, () => {
      this.#relayReady = true;
    });
  }

  /** Asks the listener for its cookie. */
  #knock(nowMs: number): void {
    if (!this.#relayReady || this.#cookie !== undefined) return;
    this.#knockedMs = nowMs;
    this.#relay?.send(inductionFor(this.#conclusion));
  }

  /** Hot path: one send. */
  #fromLibrary(datagram: Buffer): void {
    const handshake = this.#state === 'opening' ? readHandshake(datagram) : undefined;
    if (handshake?.type === 'induction') {
      if (this.#cookie !== undefined) return;
      this.#cookie = handshake.cookie;
      this.#relay?.send(withCookie(this.#conclusion, handshake.cookie));
      return;
    }
    this.#parts.reply(datagram);
    if (handshake?.type === 'refusal') return this.#turnedAway(datagram, handshake.reason);
    if (this.#state === 'ending' && isShutdown(datagram)) this.close();
  }

  #connected(): void {
    if (this.#state !== 'opening') return;
    this.#enter('open');
    this.#parts.onConnected();
    this.#admission?.guest.onConnected();
  }

  /** The library has refused the caller, and waits for another one. */
  #turnedAway(datagram: Buffer, reason: number): void {
    this.#refusal = datagram;
    this.#enter('refused');
    this.#connection?.close();
    this.#parts.onTurnedAway(reason);
    this.#tellGuest('the SRT library refused the caller, mostly for its passphrase', 'refused');
  }

  #onClosed(reason: string, code: SrtEndCode): void {
    this.#connection = undefined;
    if (this.#state === 'opening' && code === 'failed' && this.#ports < MAX_PORTS) {
      this.#relay?.close();
      this.#relay = undefined;
      this.#relayReady = false;
      this.#cookie = undefined;
      return this.#listen();
    }
    this.#end(reason, code);
  }

  /** Ends it from here; what is under way still goes through for a while. */
  #end(reason: string, code: SrtEndCode): void {
    if (this.#state === 'ending' || this.#state === 'gone') return;
    if (this.#state === 'open') this.#parts.reply(shutdownFor(this.socketId));
    if (this.#state === 'opening') this.#refuse(REFUSAL.failed);
    this.#enter('ending');
    this.#decided.abort();
    this.#connection?.close();
    this.#connection = undefined;
    this.#tellGuest(reason, code);
  }

  #tellGuest(reason: string, code: SrtEndCode): void {
    if (this.#guestTold || this.#admission === undefined) return;
    this.#guestTold = true;
    this.#admission.guest.onClosed(reason, code);
  }

  /** The connection as its guest has it. */
  #handle(): SrtConnection {
    const connection = (): SrtConnection | undefined => this.#connection;
    return {
      get queuedBytes() {
        return connection()?.queuedBytes ?? 0;
      },
      write: (bytes) => connection()?.write(bytes) ?? true,
      close: () => this.#left(),
    };
  }

  /** The guest ends it: what it wrote goes out, and the library says goodbye. */
  #left(): void {
    this.#guestTold = true;
    if (this.#state !== 'open' && this.#state !== 'opening') return;
    this.#enter('ending');
    this.#connection?.close();
    this.#connection = undefined;
  }
}
