import type { DtlsCertificate, DtlsSrtpKeys } from '@sluice/server/wire/webrtc/dtls/types';
import { Admission } from '../admission.ts';
import type { Figures } from '../figures/figures.ts';
import { type AnswerFacts, readAnswer } from './answer.ts';
import { ClientPeer } from './client-peer.ts';
import type { OpenDatagrams } from './datagrams.ts';
import { type OfferOptions, writeOffer } from './offer.ts';
import type { Signalling, SignallingOptions } from './signalling.ts';

export interface WebRtcSessionOptions {
  readonly certificate: DtlsCertificate;
  readonly openDatagrams: OpenDatagrams;
  readonly joinTimeoutMs: number;
  readonly insecure: boolean;
  signalling(options: SignallingOptions): Signalling;
}

/** What the member is told that the session is of. */
export interface WebRtcSessionEvents {
  /** Media can flow. */
  connected(keys: DtlsSrtpKeys, answer: AnswerFacts, nowMs: number): void;
  /** RTP and RTCP, encrypted. The memory may be written. */
  media(datagram: Buffer, nowMs: number): void;
  /** It is over, before all is closed; once. */
  ended(): void;
}

/** One WebRTC connection of a publisher or a viewer, from its offer to its end, and what its group is told of it. */
export class WebRtcSession {
  readonly admission: Admission;
  readonly #host: string;
  readonly #options: WebRtcSessionOptions;
  readonly #events: WebRtcSessionEvents;
  readonly #signalling: Signalling;
  readonly #peer: ClientPeer;
  #answer: AnswerFacts | undefined;
  #closed: Promise<void> | undefined;

  constructor(url: string, figures: Figures, options: WebRtcSessionOptions, events: WebRtcSessionEvents) {
    this.#host = new URL(url).hostname;
    this.#options = options;
    this.#events = events;
    this.admission = new Admission(figures, options.joinTimeoutMs);
    const { insecure, joinTimeoutMs: timeoutMs } = options;
    this.#signalling = options.signalling({ insecure, timeoutMs, onEnded: (reason) => this.lose(reason) });
    this.#peer = new ClientPeer(options.certificate, {
      connected: (keys, nowMs) => {
        if (this.#answer !== undefined) events.connected(keys, this.#answer, nowMs);
      },
      media: (datagram, nowMs) => events.media(datagram, nowMs),
      lost: (reason) => this.lose(reason),
    });
  }

  /** Makes the offer. @param offer what is to be sent and told by it */
  start(offer: Pick<OfferOptions, 'sending' | 'transportCc'>, nowMs: number): void {
    this.admission.start(nowMs);
    this.#negotiate(offer).catch((error: unknown) => this.lose(error instanceof Error ? error.message : String(error)));
  }

  /** Called about every 20 ms. False when it is over. */
  tick(nowMs: number): boolean {
    if (!this.admission.open) return false;
    if (this.admission.overdue(nowMs)) {
      void this.#end();
      return false;
    }
    this.#peer.tick(nowMs);
    return true;
  }

  send(datagram: Uint8Array): void {
    this.#peer.send(datagram);
  }

  /** It is over, and was not to be. */
  lose(reason: string): void {
    if (this.admission.lose(reason)) void this.#end();
  }

  /** Leaves. Idempotent. */
  stop(): Promise<void> {
    this.admission.leave();
    return this.#end();
  }

  async #negotiate(offer: Pick<OfferOptions, 'sending' | 'transportCc'>): Promise<void> {
    const { certificate, openDatagrams } = this.#options;
    await this.#peer.open(openDatagrams);
    const { fingerprint } = certificate;
    const answer = await this.#signalling.exchange(writeOffer({ ice: this.#peer.local, fingerprint, ...offer }));
    if (!this.admission.open) return;
    this.admission.waitingFor = 'connection';
    this.#answer = readAnswer(answer, this.#host);
    this.#peer.connect(this.#answer, performance.now());
  }

  #end(): Promise<void> {
    if (this.#closed === undefined) {
      this.#events.ended();
      this.#closed = Promise.all([this.#signalling.close(), this.#peer.close()]).then(() => {});
    }
    return this.#closed;
  }
}
