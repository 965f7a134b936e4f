import {
  type Counters,
  MediaServerError,
  type OutboundAddress,
  type PullAttempt,
  type PushAttempt,
  type RelayEnd,
  type RelayEndCode,
  type RelayLink,
  type RelayLinkFacts,
  type SrtConnection,
  type SrtEndCode,
  type SrtOpen,
  type SrtTransport,
} from '../../../core/index.ts';
import { plainAddress, type Ticker } from '../../../io/index.ts';
import { readSrtAddress, type SrtAddress } from './relay-address.ts';

const CHECK_INTERVAL_MS = 250;

/** What a link does with its connection, by its direction. */
export interface SrtRole {
  readonly direction: SrtOpen['direction'];
  /** Where the address has no stream id. */
  readonly streamId: string | undefined;
  /** True once media has come or gone out. */
  readonly flows: boolean;
  begin(connection: SrtConnection, finish: (end: RelayEnd) => void): void;
  onData(bytes: Uint8Array): void;
  onWritable(): void;
  /** Called on every tick. */
  tick(nowMs: number): void;
  /** Called some times a second from `begin` on; tells why it is to end. */
  check(nowMs: number): RelayEnd | undefined;
  /** Gives back what it has. Idempotent. */
  release(): void;
  facts(): Pick<RelayLinkFacts, 'bytesIn' | 'bytesOut' | 'packets' | 'drops'>;
}

export interface SrtLinkDeps {
  readonly srt: SrtTransport;
  readonly ticker: Ticker;
  readonly counters: Counters;
  readonly latencyMs: number;
}

const CODES: Readonly<Record<SrtEndCode, RelayEndCode>> = {
  timeout: 'unreachable',
  refused: 'refused',
  ended: 'ended',
  broken: 'unreachable',
  failed: 'unreachable',
};

/** One attempt to call another server by SRT, and what becomes of it. */
export class SrtRelayLink implements RelayLink {
  readonly ended: Promise<RelayEnd>;
  readonly #attempt: PullAttempt | PushAttempt;
  readonly #role: SrtRole;
  readonly #deps: SrtLinkDeps;
  readonly #tick: Disposable;
  readonly #startedMs = performance.now();
  #resolve: (end: RelayEnd) => void = () => undefined;
  #connection: SrtConnection | undefined;
  #remoteAddress = '';
  #begun = false;
  #over = false;
  #checkedMs = 0;

  constructor(attempt: PullAttempt | PushAttempt, role: SrtRole, deps: SrtLinkDeps) {
    this.#attempt = attempt;
    this.#role = role;
    this.#deps = deps;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#tick = deps.ticker.on((nowMs) => this.#onTick(nowMs));
    void this.#call().catch((error: unknown) => this.#finish(endOfAddress(error)));
  }

  facts(): RelayLinkFacts {
    return {
      ...this.#role.facts(),
      remoteAddress: this.#remoteAddress,
      transport: 'UDP',
      queuedBytes: this.#connection?.queuedBytes ?? 0,
    };
  }

  close(reason: string): void {
    this.#finish({ code: 'closed', message: reason });
  }

  async #call(): Promise<void> {
    const address = readSrtAddress(this.#attempt.url);
    const target = await this.#attempt.outbound.resolve(this.#attempt.url);
    if (!this.#over) this.#open(address, target);
  }

  #open({ streamId, passphrase, latencyMs }: SrtAddress, { address, port = 0 }: OutboundAddress): void {
    this.#remoteAddress = plainAddress(address);
    this.#connection = this.#deps.srt.open(
      {
        ...{ mode: 'caller', address, port, passphrase },
        direction: this.#role.direction,
        streamId: streamId ?? this.#role.streamId,
        latencyMs: latencyMs ?? this.#deps.latencyMs,
        connectTimeoutMs: this.#attempt.connectTimeoutMs,
      },
      {
        onConnected: () => this.#connected(),
        onData: (bytes) => this.#role.onData(bytes),
        onWritable: () => this.#role.onWritable(),
        onClosed: (reason, code) => {
          this.#connection = undefined;
          this.#finish({ code: CODES[code], message: reason });
        },
      },
    );
  }

  #connected(): void {
    if (this.#over || this.#connection === undefined) return;
    this.#begun = true;
    this.#deps.counters.count('srt_connections');
    this.#attempt.events.onConnected();
    this.#role.begin(this.#connection, (end) => this.#finish(end));
  }

  #onTick(nowMs: number): void {
    this.#role.tick(nowMs);
    if (nowMs - this.#checkedMs < CHECK_INTERVAL_MS) return;
    this.#checkedMs = nowMs;
    const end = this.#begun ? this.#role.check(nowMs) : undefined;
    if (end !== undefined) return this.#finish(end);
    const { connectTimeoutMs } = this.#attempt;
    if (this.#begun || nowMs - this.#startedMs <= connectTimeoutMs) return;
    this.#finish({ code: 'unreachable', message: `no SRT connection within ${connectTimeoutMs} ms` });
  }

  #finish(end: RelayEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#tick[Symbol.dispose]();
    this.#role.release();
    this.#connection?.close();
    this.#resolve(end);
  }
}

/** An address that may not be connected to, or has no meaning. */
function endOfAddress(error: unknown): RelayEnd {
  const code = error instanceof MediaServerError ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  if (code === 'URL_DENIED') return { code: 'refused', message };
  return { code: code === 'URL_INVALID' ? 'invalid' : 'unreachable', message };
}
