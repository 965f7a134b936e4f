import type { SupervisionOptions } from './options.ts';

/** What a connection has carried so far. */
export interface Traffic {
  readonly bytesReceived: number;
  /** Bytes that the system has taken; what waits in the server does not count. */
  readonly bytesSent: number;
}

/** What a check asks of the session. */
export type Verdict = { readonly kind: 'ok' | 'ping' } | { readonly kind: 'dead'; readonly reason: string };

const OK: Verdict = { kind: 'ok' };
const PING: Verdict = { kind: 'ping' };

/**
 * Finds peers that are gone, by keep-alive pings and by the three socket timeouts of WCS (functions-1 §1.1,
 * "Connection supervision"). RTMP has one kind of ping (user control event 6), used for both algorithms of WCS.
 */
export class Supervision {
  readonly #options: SupervisionOptions;
  #received = 0;
  #sent = 0;
  #receivedAtMs: number;
  #sentAtMs: number;
  #pingedAtMs: number;
  #unanswered = 0;

  constructor(options: SupervisionOptions, nowMs: number) {
    this.#options = options;
    this.#receivedAtMs = nowMs;
    this.#sentAtMs = nowMs;
    this.#pingedAtMs = nowMs;
  }

  /**
   * Called about once a second.
   * @param canPing False before `connect` and while the socket is full: a peer can't answer what it was not sent.
   */
  check(nowMs: number, traffic: Traffic, canPing: boolean): Verdict {
    if (traffic.bytesSent !== this.#sent) {
      this.#sent = traffic.bytesSent;
      this.#sentAtMs = nowMs;
    }
    if (traffic.bytesReceived !== this.#received) {
      this.#received = traffic.bytesReceived;
      this.#receivedAtMs = nowMs;
      this.#unanswered = 0;
      // Who sends is alive. A ping to an encoder that is about to close would make its system reset the connection,
      // and with it throw away the last packets that we have not read yet.
      this.#pingedAtMs = nowMs;
    }
    return this.#timedOut(nowMs) ?? this.#keepAlive(nowMs, canPing);
  }

  /** Called in place of `check` while the peer can only wait for us: it is not silent then. */
  excuse(nowMs: number): void {
    this.#receivedAtMs = nowMs;
    this.#sentAtMs = nowMs;
    this.#pingedAtMs = nowMs;
    this.#unanswered = 0;
  }

  #timedOut(nowMs: number): Verdict | undefined {
    const { readTimeoutMs, writeTimeoutMs, idleTimeoutMs } = this.#options;
    const silentMs = nowMs - this.#receivedAtMs;
    const unsentMs = nowMs - this.#sentAtMs;
    if (readTimeoutMs > 0 && silentMs > readTimeoutMs) return dead(`nothing received for ${readTimeoutMs} ms`);
    if (writeTimeoutMs > 0 && unsentMs > writeTimeoutMs) return dead(`nothing sent for ${writeTimeoutMs} ms`);
    if (idleTimeoutMs > 0 && Math.min(silentMs, unsentMs) > idleTimeoutMs)
      return dead(`nothing received or sent for ${idleTimeoutMs} ms`);
    return undefined;
  }

  #keepAlive(nowMs: number, canPing: boolean): Verdict {
    const { keepAlive, keepAliveIntervalMs, keepAliveProbes } = this.#options;
    if (!keepAlive || nowMs - this.#pingedAtMs < keepAliveIntervalMs) return OK;
    if (!canPing) return OK;
    if (this.#unanswered >= keepAliveProbes) return dead(`peer silent for ${keepAliveProbes} pings`);
    this.#pingedAtMs = nowMs;
    this.#unanswered++;
    return PING;
  }
}

function dead(reason: string): Verdict {
  return { kind: 'dead', reason };
}
