import { randomInt } from 'node:crypto';
import type { MediaPacket } from '@sluice/media';
import type { DtlsSrtpKeys } from '@sluice/server/wire/webrtc/dtls/types';
import type { Figures } from '../figures/figures.ts';
import type { Member } from '../member.ts';
import type { Clip } from '../source/clip.ts';
import { ClipPlayer } from '../source/clip-player.ts';
import type { AnswerFacts } from '../webrtc/answer.ts';
import { RtpSending } from '../webrtc/rtp-sending.ts';
import { WebRtcSession, type WebRtcSessionOptions } from '../webrtc/session.ts';

export interface WhipPublisherOptions extends WebRtcSessionOptions {
  readonly clip: Clip;
}

/** A clock takes a packet of its own: in each picture there would be a fifth more packets than encoders send. */
const CLOCK_EVERY = 10;
/** A key frame is made for a server at most so often. */
const KEY_FRAME_MS = 500;

/** A publisher by WHIP. */
export class WhipPublisher implements Member {
  readonly #figures: Figures;
  readonly #session: WebRtcSession;
  readonly #player: ClipPlayer;
  readonly #sources = { videoSsrc: randomInt(1, 2 ** 31), audioSsrc: randomInt(2 ** 31, 2 ** 32) };
  #sending: RtpSending | undefined;
  #beganMs = 0;
  /** What the figures know of. */
  #lost = 0;
  #restartedMs = Number.NEGATIVE_INFINITY;

  constructor(url: string, figures: Figures, options: WhipPublisherOptions) {
    this.#figures = figures;
    this.#player = new ClipPlayer(options.clip, CLOCK_EVERY);
    this.#session = new WebRtcSession(url, figures, options, {
      connected: (keys, answer, nowMs) => this.#begin(keys, answer, nowMs),
      media: (datagram) => this.#sending?.onDatagram(datagram),
      ended: () => {
        figures.counts.repaired += this.#sending?.resent ?? 0;
      },
    });
  }

  start(nowMs: number): void {
    this.#session.start({ sending: this.#sources, transportCc: true }, nowMs);
  }

  tick(nowMs: number): void {
    if (!this.#session.tick(nowMs) || this.#sending === undefined) return;
    const mediaUs = (nowMs - this.#beganMs) * 1000;
    const lateUs = this.#player.due(mediaUs, (packet) => this.#send(packet));
    const { counts } = this.#figures;
    counts.worstLateMs = Math.max(counts.worstLateMs, lateUs / 1000);
    this.#sending.tick(nowMs, mediaUs);
    counts.lost += this.#sending.lost - this.#lost;
    this.#lost = this.#sending.lost;
  }

  stop(): Promise<void> {
    return this.#session.stop();
  }

  #begin(keys: DtlsSrtpKeys, answer: AnswerFacts, nowMs: number): void {
    this.#beganMs = nowMs;
    this.#sending = new RtpSending({
      keys,
      answer,
      ...this.#sources,
      send: (datagram) => this.#session.send(datagram),
      onKeyFrameWanted: () => this.#restart(performance.now()),
    });
    this.#session.admission.join(nowMs);
  }

  #restart(nowMs: number): void {
    if (nowMs - this.#restartedMs < KEY_FRAME_MS) return;
    this.#restartedMs = nowMs;
    this.#player.restart();
  }

  #send(packet: MediaPacket): void {
    const sent = this.#sending?.sendFrame(packet);
    const { counts } = this.#figures;
    counts.packets += sent?.packets ?? 0;
    counts.bytes += sent?.bytes ?? 0;
    if (packet.track.kind === 'video') counts.pictures++;
  }
}
