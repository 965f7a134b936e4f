import {
  FanOuts,
  MediaServerError,
  type PullAttempt,
  type PushAttempt,
  type RelayDirection,
  type RelayEnd,
  type RelayLink,
  type RelayProtocol,
} from '../../../core/index.ts';
import { movedTo, parseRtmpUrl, type RtmpTarget, streamIn, streamOf } from './address.ts';
import { type LinkEnv, type LinkRole, RtmpLink } from './link.ts';
import { DEFAULT_RTMP_RELAY_OPTIONS, type RtmpRelayDeps, type RtmpRelayOptions } from './options.ts';
import { PullRole } from './pull-role.ts';
import { PushRole } from './push-role.ts';

/** Relays that were sent elsewhere and have not come back, at most; the oldest is forgotten. */
const MAX_MOVED = 1000;

/** Publishes streams at RTMP servers and plays from them, as their client: RTMP and RTMPS, original and enhanced. */
export class RtmpRelayProtocol implements RelayProtocol {
  readonly protocol = 'rtmp';
  readonly mediaProvider = 'Flash';
  readonly schemes = ['rtmp', 'rtmps'];
  readonly #env: LinkEnv;
  /** Where servers have sent relays, for the next attempt of each. */
  readonly #moved = new Map<string, string>();

  constructor(deps: RtmpRelayDeps, options: Partial<RtmpRelayOptions> = {}) {
    this.#env = {
      adaptations: deps.adaptations,
      counters: deps.counters,
      ticker: deps.ticker,
      options: { ...DEFAULT_RTMP_RELAY_OPTIONS, ...options },
      // Few servers get the same stream: nothing is won by collecting.
      fanOuts: new FanOuts({ flushIntervalMs: 0 }),
      moved: (mediaSessionId, tcUrl) => this.#remember(mediaSessionId, tcUrl),
    };
  }

  /** @throws MediaServerError URL_INVALID */
  check(url: string, direction: RelayDirection): void {
    const parsed = parseRtmpUrl(url);
    // Whether an address to push to is complete is told with the push.
    if (direction === 'pull') streamOf(parsed);
    else streamIn(parsed, '');
  }

  pull(attempt: PullAttempt): RelayLink {
    const { remoteStreamName } = attempt;
    return this.#link(attempt, {
      target: () => {
        const url = parseRtmpUrl(attempt.url);
        return remoteStreamName === undefined ? streamOf(url) : streamIn(url, remoteStreamName);
      },
      role: (streamName) => new PullRole(attempt, streamName, this.#env),
    });
  }

  push(attempt: PushAttempt): RelayLink {
    const { options, streamName, remoteStreamName } = attempt;
    return this.#link(attempt, {
      target: () => {
        const url = parseRtmpUrl(attempt.url);
        if (options.fullUrl ?? this.#env.options.fullUrl) return streamOf(url);
        return streamIn(url, remoteStreamName ?? `${this.#env.options.streamNamePrefix}${streamName}`);
      },
      role: (name) => new PushRole(attempt, name, this.#env),
    });
  }

  #link(
    attempt: PullAttempt | PushAttempt,
    parts: { target(): RtmpTarget; role(streamName: string): LinkRole },
  ): RelayLink {
    try {
      const target = this.#goneTo(attempt.mediaSessionId, parts.target());
      return new RtmpLink(attempt, target, { role: parts.role(target.streamName), env: this.#env });
    } catch (error) {
      if (!(error instanceof MediaServerError)) throw error;
      return failed({ code: 'invalid', message: error.message });
    }
  }

  /** Where the last server sent that relay; should that fail, the attempt after this one goes to its own address. */
  #goneTo(mediaSessionId: string, target: RtmpTarget): RtmpTarget {
    const tcUrl = this.#moved.get(mediaSessionId);
    this.#moved.delete(mediaSessionId);
    try {
      return tcUrl === undefined ? target : movedTo(tcUrl, target);
    } catch {
      return target;
    }
  }

  #remember(mediaSessionId: string, tcUrl: string): void {
    this.#moved.delete(mediaSessionId);
    this.#moved.set(mediaSessionId, tcUrl);
    const [oldest] = this.#moved.keys();
    if (this.#moved.size > MAX_MOVED && oldest !== undefined) this.#moved.delete(oldest);
  }
}

/** An attempt that was over before it began. */
function failed(end: RelayEnd): RelayLink {
  return {
    ended: Promise.resolve(end),
    facts: () => ({
      remoteAddress: '',
      transport: 'TCP',
      bytesIn: 0,
      bytesOut: 0,
      packets: 0,
      queuedBytes: 0,
      drops: {},
    }),
    close: () => {},
  };
}
