import type { DtlsSrtpKeys } from '@sluice/server/wire/webrtc/dtls/types';
import type { Figures } from '../figures/figures.ts';
import type { Member } from '../member.ts';
import type { AnswerFacts } from '../webrtc/answer.ts';
import { RtpReception } from '../webrtc/rtp-reception.ts';
import { WebRtcSession, type WebRtcSessionOptions } from '../webrtc/session.ts';
import type { ViewerOptions } from './viewer-options.ts';

export interface WebRtcViewerOptions extends ViewerOptions, WebRtcSessionOptions {
  /** See `RtpReceptionOptions`. */
  readonly checked: boolean;
}

/** A viewer by WebRTC, whatever way its offer goes to the server. */
export class WebRtcViewer implements Member {
  readonly #figures: Figures;
  readonly #options: WebRtcViewerOptions;
  readonly #session: WebRtcSession;
  #reception: RtpReception | undefined;

  constructor(url: string, figures: Figures, options: WebRtcViewerOptions) {
    this.#figures = figures;
    this.#options = options;
    this.#session = new WebRtcSession(url, figures, options, {
      connected: (keys, answer) => this.#onConnected(keys, answer),
      media: (datagram, nowMs) => this.#reception?.onDatagram(datagram, nowMs),
      ended: () => this.#reception?.finish(performance.now()),
    });
  }

  start(nowMs: number): void {
    this.#session.start({ transportCc: this.#options.feedbackMs > 0 }, nowMs);
  }

  tick(nowMs: number): void {
    if (this.#session.tick(nowMs)) this.#reception?.tick(nowMs);
  }

  stop(): Promise<void> {
    return this.#session.stop();
  }

  #onConnected(keys: DtlsSrtpKeys, answer: AnswerFacts): void {
    const { admission } = this.#session;
    admission.waitingFor = 'whole key frame';
    const { checked, freezeMs, feedbackMs } = this.#options;
    this.#reception = new RtpReception({
      keys,
      answer,
      figures: this.#figures,
      checked,
      freezeMs,
      feedbackMs,
      onBegun: (nowMs) => admission.join(nowMs),
      onBye: () => this.#session.lose('the server said goodbye'),
      send: (datagram) => this.#session.send(datagram),
    });
  }
}
