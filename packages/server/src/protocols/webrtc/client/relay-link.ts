import { randomInt } from 'node:crypto';
import { parseIceCandidate } from '@sluice/media';
import type {
  Counters,
  PeerEndReason,
  PullAttempt,
  PushAttempt,
  RelayEnd,
  RelayEndCode,
  RelayLink,
  RelayLinkFacts,
} from '../../../core/index.ts';
import type { Ticker } from '../../../io/index.ts';
import { resendsAsIs } from '../negotiation.ts';
import { Peer } from '../peer.ts';
import type { SendBuffer } from '../send-buffer.ts';
import { OutgoingTransport } from '../transport/index.ts';
import { type AnsweredMedia, type OfferToMake, readAnswer, writeOffer } from '../wire/offer-answer/index.ts';
import type { WebRtcRelayOptions } from './options.ts';
import { endOf, RelayFailure } from './relay-failure.ts';
import type { RelayedMedia } from './relayed-media.ts';
import type { Signalling } from './signalling.ts';

export interface RelayLinkParts {
  readonly attempt: PullAttempt | PushAttempt;
  /** Of the attempt's address. */
  readonly scheme: string;
  readonly media: RelayedMedia;
  readonly options: WebRtcRelayOptions;
  readonly counters: Counters;
  readonly ticker: Ticker;
  readonly buffer: SendBuffer;
  /** How this offer is brought to the other side. */
  signalling(offer: OfferToMake, onEnded: (end: RelayEnd) => void): Signalling;
}

/** Consent is lost after what counts as a stall, but not within less, nor more than RFC 7675 §5.1 allows. */
const MIN_CONSENT_MS = 1000;
const MAX_CONSENT_MS = 30_000;
const MAX_TRIED_TOLD = 6;
const HOST = /^[\w.:%-]{1,253}$/;

const END_CODES: Readonly<Partial<Record<PeerEndReason, RelayEndCode>>> = {
  ice_keep_alive: 'stalled',
  dtls_fingerprint: 'invalid',
  peer_closed: 'ended',
};

/** One connection to another server: signalling, a way through the network, media. */
export class WebRtcRelayLink implements RelayLink {
  readonly ended: Promise<RelayEnd>;
  readonly #parts: RelayLinkParts;
  readonly #transport: OutgoingTransport;
  readonly #tick: Disposable;
  readonly #startedMs = performance.now();
  #resolve: (end: RelayEnd) => void = () => {};
  #signalling: Signalling | undefined;
  #peer: Peer | undefined;
  /** What it is at, for people. */
  #step = 'the server was asked';
  #end: RelayEnd | undefined;
  #deniedAddresses = 0;

  constructor(parts: RelayLinkParts) {
    this.#parts = parts;
    const { attempt, options, ticker } = parts;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#transport = new OutgoingTransport({
      bindAddress: options.host === '::' ? undefined : options.host,
      advertisedAddresses: options.addresses,
      receiveBufferBytes: options.receiveBufferBytes,
      sendBufferBytes: options.sendBufferBytes,
      consentTimeoutMs: Math.min(MAX_CONSENT_MS, Math.max(MIN_CONSENT_MS, attempt.stallTimeoutMs)),
      maxPathsPerPeer: options.maxCandidates,
      tcp: options.tcp,
      admit: (host, port) => this.#admit(host, port),
      onPeerError: (_, error) => this.#fault(error),
    });
    this.#tick = ticker.on((nowMs) => this.#onTick(nowMs));
    this.#run().catch((error: unknown) => this.#finish(endOf(error)));
  }

  facts(): RelayLinkFacts {
    return {
      remoteAddress: this.#transport.path?.address ?? this.#signalling?.remoteAddress ?? '',
      transport: this.#transport.path?.via === 'tcp' ? 'TCP' : 'UDP',
      bytesIn: this.#peer?.bytesIn ?? 0,
      bytesOut: this.#peer?.bytesOut ?? 0,
      ...this.#parts.media.facts(),
      remoteMediaSessionId: this.#signalling?.remoteMediaSessionId,
    };
  }

  requestKeyFrame(): void {
    if (this.#end === undefined) this.#parts.media.requestKeyFrame();
  }

  close(reason: string): void {
    this.#finish({ code: 'closed', message: reason });
  }

  async #run(): Promise<void> {
    const { media } = this.#parts;
    await this.#transport.start();
    const { offer, sending } = await media.prepare();
    if (this.#end !== undefined) return;
    const signalling = this.#parts.signalling(offer, (end) => this.#finish(end));
    this.#signalling = signalling;
    const { certificate } = this.#parts.options;
    const answer = await signalling.exchange(
      writeOffer(offer, {
        sessionId: String(randomInt(2 ** 47)),
        ice: this.#transport.local,
        fingerprint: { algorithm: 'sha-256', value: certificate.fingerprint },
        candidates: this.#transport.candidates().flatMap((line) => parseIceCandidate(line) ?? []),
        sending,
      }),
    );
    if (this.#end !== undefined) return;
    await this.#connect(readAnswer(answer, offer));
  }

  async #connect(answered: AnsweredMedia): Promise<void> {
    const { media, options, counters, buffer } = this.#parts;
    this.#step = 'a way to its media port was looked for';
    const peer = new Peer(
      {
        remote: answered.remoteIce,
        certificate: options.certificate,
        remoteFingerprints: answered.fingerprints,
        dtlsRole: answered.setup === 'passive' ? 'server' : 'client',
        resendsAsIs: resendsAsIs(answered),
        // The whole attempt has one time, which is looked after here.
        iceTimeoutMs: Number.POSITIVE_INFINITY,
        dtlsTimeoutMs: Number.POSITIVE_INFINITY,
      },
      { transport: this.#transport, buffer, counters, onEnded: (reason, detail) => this.#onPeerEnded(reason, detail) },
    );
    this.#peer = peer;
    media.agree(answered, peer);
    peer.start(media);
    await Promise.all(answered.candidates.map((candidate) => this.#transport.addCandidate(candidate)));
    if (this.#deniedAddresses > 0 && this.#transport.triedAddresses === 0)
      throw new RelayFailure(
        'refused',
        'none of the addresses that the other side gives for media may be connected to',
      );
  }

  /** As every connection to outside: names are resolved once, and addresses that the settings deny are not sent to. */
  async #admit(host: string, port: number): Promise<string | undefined> {
    const { attempt, scheme } = this.#parts;
    if (!HOST.test(host)) return undefined;
    try {
      const { address } = await attempt.outbound.resolve(
        `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`,
      );
      return address;
    } catch (error) {
      this.#deniedAddresses++;
      attempt.events.onNote(`an address for media is not used: ${endOf(error).message}`);
      return undefined;
    }
  }

  #onTick(nowMs: number): void {
    if (this.#end !== undefined) return;
    try {
      this.#transport.tick(nowMs);
      this.#peer?.tick(nowMs);
      const end = this.#end ?? this.#verdict(nowMs);
      if (end !== undefined) this.#finish(end);
    } catch (error) {
      this.#fault(error);
    }
  }

  #verdict(nowMs: number): RelayEnd | undefined {
    const { attempt, media } = this.#parts;
    const connected = this.#peer?.connected === true;
    if (connected) this.#step = 'it was connected and media was waited for';
    else if (this.#transport.path !== undefined) this.#step = 'keys were agreed on (DTLS)';
    // A stream whose publisher is away has nothing to send, which is not the other side's fault.
    const done = 'source' in attempt ? connected : media.flowing;
    if (!done && nowMs - this.#startedMs > attempt.connectTimeoutMs)
      return {
        code: 'unreachable',
        message: `not done within ${attempt.connectTimeoutMs} ms, while ${this.#step}${this.#tried()}`,
      };
    return connected ? media.verdict(nowMs) : undefined;
  }

  /** For people who have to find out why there is no way. */
  #tried(): string {
    if (this.#peer === undefined || this.#transport.path !== undefined) return '';
    const tried = this.#transport.tried.slice(0, MAX_TRIED_TOLD);
    return tried.length === 0 ? ': it gave no address that could be tried' : `: tried ${tried.join(', ')}`;
  }

  #onPeerEnded(reason: PeerEndReason, detail: string): void {
    this.#finish({ code: END_CODES[reason] ?? 'unreachable', message: detail });
  }

  /** An error of our own: it must cost no more than this connection. */
  #fault(error: unknown): void {
    this.#parts.attempt.log.error({ err: error }, 'WebRTC relay failed');
    this.#finish(endOf(error));
  }

  #finish(end: RelayEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#tick[Symbol.dispose]();
    void this.#release().finally(() => this.#resolve(end));
  }

  async #release(): Promise<void> {
    this.#parts.media.close();
    // Says goodbye by DTLS, so before the port is closed.
    this.#peer?.close();
    await Promise.allSettled([this.#signalling?.close(), this.#transport.close()]);
  }
}
