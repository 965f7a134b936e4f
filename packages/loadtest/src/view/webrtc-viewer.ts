import type { DtlsCertificate, DtlsSrtpKeys } from '@sluice/server/wire/webrtc/dtls/types';
import { Admission } from '../admission.ts';
import type { Figures } from '../figures/figures.ts';
import type { Member } from '../member.ts';
import { type AnswerFacts, readAnswer } from '../webrtc/answer.ts';
import { ClientPeer } from '../webrtc/client-peer.ts';
import type { OpenDatagrams } from '../webrtc/datagrams.ts';
import { writeOffer } from '../webrtc/offer.ts';
import { RtpReception } from '../webrtc/rtp-reception.ts';
import type { Signalling, SignallingOptions } from '../webrtc/signalling.ts';
import type { ViewerOptions } from './viewer-options.ts';

export interface WebRtcViewerOptions extends ViewerOptions {
  readonly certificate: DtlsCertificate;
  readonly openDatagrams: OpenDatagrams;
  /** See `RtpReceptionOptions`. */
  readonly checked: boolean;
  signalling(options: SignallingOptions): Signalling;
}

/** A viewer by WebRTC, whatever way its offer goes to the server. */
export class WebRtcViewer implements Member {
  readonly #host: string;
  readonly #figures: Figures;
  readonly #options: WebRtcViewerOptions;
  readonly #admission: Admission;
  readonly #signalling: Signalling;
  readonly #peer: ClientPeer;
  #answer: AnswerFacts | undefined;
  #reception: RtpReception | undefined;
  #stopped: Promise<void> | undefined;

  constructor(url: string, figures: Figures, options: WebRtcViewerOptions) {
    this.#host = new URL(url).hostname;
    this.#figures = figures;
    this.#options = options;
    this.#admission = new Admission(figures, options.joinTimeoutMs);
    const { insecure, joinTimeoutMs: timeoutMs } = options;
    this.#signalling = options.signalling({ insecure, timeoutMs, onEnded: (reason) => this.#lose(reason) });
    this.#peer = new ClientPeer(options.certificate, {
      connected: (keys) => this.#onConnected(keys),
      media: (datagram, nowMs) => this.#reception?.onDatagram(datagram, nowMs),
      lost: (reason) => this.#lose(reason),
    });
  }

  start(nowMs: number): void {
    this.#admission.start(nowMs);
    this.#negotiate().catch((error: unknown) => this.#lose(error instanceof Error ? error.message : String(error)));
  }

  tick(nowMs: number): void {
    if (!this.#admission.open) return;
    if (this.#admission.overdue(nowMs)) return void this.#end();
    this.#peer.tick(nowMs);
    this.#reception?.tick(nowMs);
  }

  async stop(): Promise<void> {
    this.#admission.leave();
    await this.#end();
  }

  async #negotiate(): Promise<void> {
    const { certificate, openDatagrams, feedbackMs } = this.#options;
    await this.#peer.open(openDatagrams);
    const { local: ice } = this.#peer;
    const { fingerprint } = certificate;
    const answer = await this.#signalling.exchange(writeOffer({ ice, fingerprint, transportCc: feedbackMs > 0 }));
    if (!this.#admission.open) return;
    this.#admission.waitingFor = 'connection';
    this.#answer = readAnswer(answer, this.#host);
    this.#peer.connect(this.#answer, performance.now());
  }

  #onConnected(keys: DtlsSrtpKeys): void {
    const answer = this.#answer;
    if (answer === undefined) return;
    this.#admission.waitingFor = 'whole key frame';
    const { checked, freezeMs, feedbackMs } = this.#options;
    this.#reception = new RtpReception({
      keys,
      answer,
      figures: this.#figures,
      checked,
      freezeMs,
      feedbackMs,
      onBegun: (nowMs) => this.#admission.join(nowMs),
      onBye: () => this.#lose('the server said goodbye'),
      send: (datagram) => this.#peer.send(datagram),
    });
  }

  #lose(reason: string): void {
    if (this.#admission.lose(reason)) void this.#end();
  }

  #end(): Promise<void> {
    this.#reception?.finish(performance.now());
    this.#stopped ??= Promise.all([this.#signalling.close(), this.#peer.close()]).then(() => {});
    return this.#stopped;
  }
}
