import {
  type Adaptations,
  type Counters,
  FanOuts,
  type PullAttempt,
  type PushAttempt,
  type RelayLink,
  type RelayProtocol,
  type SrtTransport,
} from '../../../core/index.ts';
import type { Ticker } from '../../../io/index.ts';
import { readSrtAddress } from './relay-address.ts';
import { type SrtLinkDeps, SrtRelayLink } from './relay-link.ts';
import { SrtPullRole, SrtPushRole } from './relay-roles.ts';

export interface SrtRelayDeps {
  readonly srt: SrtTransport;
  readonly adaptations: Adaptations;
  readonly counters: Counters;
  readonly ticker: Ticker;
}

/** How other servers are called by SRT. */
export interface SrtRelayOptions {
  /** Of addresses that name none, milliseconds. */
  readonly latencyMs: number;
  /** Times of a source that jump by more than this begin anew, seconds. */
  readonly maxTimestampDiffS: number;
  /** Most bytes that a server that is behind gets in one write. */
  readonly writeBytes: number;
}

export const DEFAULT_SRT_RELAY_OPTIONS: SrtRelayOptions = {
  latencyMs: 120,
  maxTimestampDiffS: 1,
  writeBytes: 16 * 1024,
};

/**
 * Fetches transport streams from other servers and sends streams to them, as a caller:
 * `srt://host:port?streamid=…&passphrase=…&latency=…`, see `readSrtAddress`.
 */
export class SrtRelayProtocol implements RelayProtocol {
  readonly protocol = 'srt';
  readonly mediaProvider = 'SRT';
  readonly schemes = ['srt'];
  readonly #deps: SrtRelayDeps;
  readonly #options: SrtRelayOptions;
  // Few servers get the same stream: nothing is won by collecting.
  readonly #fanOuts = new FanOuts({ flushIntervalMs: 0 });

  constructor(deps: SrtRelayDeps, options: Partial<SrtRelayOptions> = {}) {
    this.#deps = deps;
    this.#options = { ...DEFAULT_SRT_RELAY_OPTIONS, ...options };
  }

  /** @throws MediaServerError URL_INVALID */
  check(url: string): void {
    readSrtAddress(url);
  }

  pull(attempt: PullAttempt): RelayLink {
    return new SrtRelayLink(attempt, new SrtPullRole(attempt, { ...this.#deps, ...this.#options }), this.#linkDeps());
  }

  push(attempt: PushAttempt): RelayLink {
    const env = { ...this.#deps, ...this.#options, fanOuts: this.#fanOuts };
    return new SrtRelayLink(attempt, new SrtPushRole(attempt, env), this.#linkDeps());
  }

  #linkDeps(): SrtLinkDeps {
    return { ...this.#deps, latencyMs: this.#options.latencyMs };
  }
}
