import {
  type Adaptations,
  type Counters,
  MediaServerError,
  type PullAttempt,
  type PushAttempt,
  type RelayDirection,
  type RelayLink,
  type RelayProtocol,
} from '../../../core/index.ts';
import type { Ticker } from '../../../io/index.ts';
import { type RtspRelayOptions, resolveRtspRelayOptions } from './options.ts';
import { RtspPull } from './pull.ts';
import { PullHints } from './pull-hints.ts';
import { RtspPush } from './push.ts';
import { UdpPorts } from './udp-pair.ts';
import { parseRtspUrl, RTSP_SCHEMES } from './url.ts';

export interface RtspRelayDeps {
  readonly adaptations: Adaptations;
  readonly counters: Counters;
  readonly ticker: Ticker;
}

/** Streams of cameras and servers pulled by RTSP, and streams of here pushed to servers by it (RFC 2326). */
export class RtspRelayProtocol implements RelayProtocol {
  readonly protocol = 'rtsp';
  readonly mediaProvider = 'RTSP';
  readonly schemes = RTSP_SCHEMES;
  readonly #deps: RtspRelayDeps;
  readonly #options: RtspRelayOptions;
  readonly #ports: UdpPorts;
  readonly #hints = new PullHints();

  constructor(deps: RtspRelayDeps, options: Partial<RtspRelayOptions> = {}) {
    this.#deps = deps;
    this.#options = resolveRtspRelayOptions(options);
    this.#ports = new UdpPorts(this.#options);
  }

  /** @throws MediaServerError URL_INVALID */
  check(url: string, direction: RelayDirection): void {
    const { scheme } = parseRtspUrl(url);
    if (direction === 'push' && scheme === 'rtsph')
      throw new MediaServerError('URL_INVALID', 'streams are not pushed by RTSP over HTTP; use rtsp:// or rtsps://');
  }

  pull(attempt: PullAttempt): RelayLink {
    const { ticker, counters } = this.#deps;
    return new RtspPull(attempt, { relay: this.#options, ports: this.#ports, hints: this.#hints, ticker, counters });
  }

  push(attempt: PushAttempt): RelayLink {
    return new RtspPush(attempt, { ...this.#deps, relay: this.#options, ports: this.#ports });
  }
}
