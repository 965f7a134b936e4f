import type {
  Adaptations,
  Counters,
  PullAttempt,
  PushAttempt,
  RelayDirection,
  RelayEnd,
  RelayLink,
  RelayProtocol,
} from '../../../core/index.ts';
import type { Ticker } from '../../../io/index.ts';
import { LanePackagers } from '../../../rtp/index.ts';
import { resolveWebRtcOptions, type WebRtcOptionsInput } from '../options.ts';
import { SendBuffer } from '../send-buffer.ts';
import type { OfferToMake } from '../wire/offer-answer/index.ts';
import { HttpSignalling } from './http-signalling.ts';
import { DEFAULT_WEBRTC_RELAY_OPTIONS, type WebRtcRelayOptions } from './options.ts';
import { PulledMedia } from './pulled-media.ts';
import { PushedMedia } from './pushed-media.ts';
import { RelayFailure } from './relay-failure.ts';
import { WebRtcRelayLink } from './relay-link.ts';
import { checkRelayUrl, parseRelayUrl } from './relay-url.ts';
import type { RelayedMedia } from './relayed-media.ts';
import type { Signalling } from './signalling.ts';
import { WcsSignalling } from './wcs-signalling.ts';

export interface WebRtcRelayDeps {
  readonly adaptations: Adaptations;
  readonly counters: Counters;
  readonly ticker: Ticker;
}

/** Options of relays: those of the server's own WebRTC, and what differs from the defaults. */
export type WebRtcRelayOptionsInput = WebRtcOptionsInput & Partial<WebRtcRelayOptions>;

/**
 * Streams from and to other servers by WebRTC, as their client: WHIP, WHEP, and the protocol of the Web SDK, which WCS
 * and this server speak.
 */
export class WebRtcRelayProtocol implements RelayProtocol {
  readonly protocol = 'webrtc';
  readonly mediaProvider = 'WebRTC';
  readonly schemes = ['whip', 'whips', 'whep', 'wheps', 'ws', 'wss'] as const;
  readonly #deps: WebRtcRelayDeps;
  readonly #options: WebRtcRelayOptions;
  readonly #buffer = new SendBuffer();
  readonly #packagers: LanePackagers;

  constructor(deps: WebRtcRelayDeps, options: WebRtcRelayOptionsInput) {
    this.#deps = deps;
    this.#options = { ...DEFAULT_WEBRTC_RELAY_OPTIONS, ...resolveWebRtcOptions(options), ...options };
    this.#packagers = new LanePackagers(this.#options.maxPayloadBytes);
  }

  check(url: string, direction: RelayDirection): void {
    checkRelayUrl(url, direction);
  }

  pull(attempt: PullAttempt): RelayLink {
    const { counters } = this.#deps;
    return this.#link(attempt, new PulledMedia({ attempt, options: this.#options, counters }));
  }

  push(attempt: PushAttempt): RelayLink {
    const { adaptations, ticker } = this.#deps;
    const parts = { attempt, options: this.#options, adaptations, ticker, packagers: this.#packagers };
    return this.#link(attempt, new PushedMedia(parts));
  }

  #link(attempt: PullAttempt | PushAttempt, media: RelayedMedia): RelayLink {
    const { counters, ticker } = this.#deps;
    return new WebRtcRelayLink({
      attempt,
      scheme: /^[a-z]+/i.exec(attempt.url)?.[0].toLowerCase() ?? '',
      media,
      options: this.#options,
      counters,
      ticker,
      buffer: this.#buffer,
      signalling: (offer, onEnded) => this.#signalling(attempt, offer, onEnded),
    });
  }

  #signalling(attempt: PullAttempt | PushAttempt, offer: OfferToMake, onEnded: (end: RelayEnd) => void): Signalling {
    const target = parseRelayUrl(attempt.url);
    const { tlsVerify, maxAnswerBytes, closeTimeoutMs, appKey } = this.#options;
    const direction = 'source' in attempt ? 'push' : 'pull';
    const { outbound, connectTimeoutMs: timeoutMs } = attempt;
    const common = {
      target,
      direction,
      outbound,
      timeoutMs,
      closeTimeoutMs,
      tlsVerify,
      maxAnswerBytes,
      onEnded,
    } as const;
    if (target.kind === 'http') return new HttpSignalling(common);
    const streamName = attempt.remoteStreamName ?? ('source' in attempt ? attempt.streamName : undefined);
    if (streamName === undefined) throw new RelayFailure('invalid', 'it is not said which stream is to be pulled');
    const hasVideo = offer.video.length > 0;
    return new WcsSignalling({ ...common, streamName, appKey, hasVideo, hasAudio: offer.audio.length > 0 });
  }
}
