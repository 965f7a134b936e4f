import { randomInt } from 'node:crypto';
import type { Agent } from 'node:http';
import type { MediaPacket } from '@sluice/media';
import type { DtlsCertificate, DtlsSrtpKeys } from '@sluice/server/wire/webrtc/dtls/types';
import { Admission } from '../admission.ts';
import type { Figures } from '../figures/figures.ts';
import type { Member } from '../member.ts';
import type { Clip } from '../source/clip.ts';
import { ClipPlayer } from '../source/clip-player.ts';
import { type AnswerFacts, readAnswer } from '../webrtc/answer.ts';
import { ClientPeer } from '../webrtc/client-peer.ts';
import type { OpenDatagrams } from '../webrtc/datagrams.ts';
import { HttpSignalling } from '../webrtc/http-signalling.ts';
import { writeOffer } from '../webrtc/offer.ts';
import { RtpSending } from '../webrtc/rtp-sending.ts';

export interface WhipPublisherOptions {
  readonly clip: Clip;
  readonly certificate: DtlsCertificate;
  readonly openDatagrams: OpenDatagrams;
  readonly agent: Agent;
  readonly joinTimeoutMs: number;
  readonly insecure: boolean;
}

/** A clock takes a packet of its own: in each picture there would be a fifth more packets than encoders send. */
const CLOCK_EVERY = 10;
/** A key frame is made for a server at most so often. */
const KEY_FRAME_MS = 500;

/** A publisher by WHIP. */
export class WhipPublisher implements Member {
  readonly #host: string;
  readonly #figures: Figures;
  readonly #options: WhipPublisherOptions;
  readonly #admission: Admission;
  readonly #player: ClipPlayer;
  readonly #signalling: HttpSignalling;
  readonly #peer: ClientPeer;
  readonly #sources = { videoSsrc: randomInt(1, 2 ** 31), audioSsrc: randomInt(2 ** 31, 2 ** 32) };
  #answer: AnswerFacts | undefined;
  #sending: RtpSending | undefined;
  #beganMs = 0;
  /** What the figures know of. */
  #lost = 0;
  #restartedMs = Number.NEGATIVE_INFINITY;
  #stopped: Promise<void> | undefined;

  constructor(url: string, figures: Figures, options: WhipPublisherOptions) {
    this.#host = new URL(url).hostname;
    this.#figures = figures;
    this.#options = options;
    this.#admission = new Admission(figures, options.joinTimeoutMs);
    this.#player = new ClipPlayer(options.clip, CLOCK_EVERY);
    const { insecure, joinTimeoutMs: timeoutMs, agent } = options;
    this.#signalling = new HttpSignalling(url, { insecure, timeoutMs, onEnded: (reason) => this.#lose(reason) }, agent);
    this.#peer = new ClientPeer(options.certificate, {
      connected: (keys, nowMs) => this.#begin(keys, nowMs),
      media: (datagram) => this.#sending?.onDatagram(datagram),
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
    if (this.#sending === undefined) return;
    const mediaUs = (nowMs - this.#beganMs) * 1000;
    const lateUs = this.#player.due(mediaUs, (packet) => this.#send(packet));
    const { counts } = this.#figures;
    counts.worstLateMs = Math.max(counts.worstLateMs, lateUs / 1000);
    this.#sending.tick(nowMs, mediaUs);
    counts.lost += this.#sending.lost - this.#lost;
    this.#lost = this.#sending.lost;
  }

  async stop(): Promise<void> {
    this.#admission.leave();
    await this.#end();
  }

  async #negotiate(): Promise<void> {
    const { certificate, openDatagrams } = this.#options;
    await this.#peer.open(openDatagrams);
    const { fingerprint } = certificate;
    const offer = writeOffer({ ice: this.#peer.local, fingerprint, sending: this.#sources, transportCc: true });
    const answer = await this.#signalling.exchange(offer);
    if (!this.#admission.open) return;
    this.#admission.waitingFor = 'connection';
    this.#answer = readAnswer(answer, this.#host);
    this.#peer.connect(this.#answer, performance.now());
  }

  #begin(keys: DtlsSrtpKeys, nowMs: number): void {
    if (this.#answer === undefined) return;
    this.#beganMs = nowMs;
    this.#sending = new RtpSending({
      keys,
      answer: this.#answer,
      ...this.#sources,
      send: (datagram) => this.#peer.send(datagram),
      onKeyFrameWanted: () => this.#restart(performance.now()),
    });
    this.#admission.join(nowMs);
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

  #lose(reason: string): void {
    if (this.#admission.lose(reason)) void this.#end();
  }

  #end(): Promise<void> {
    this.#figures.counts.repaired += this.#stopped === undefined ? (this.#sending?.resent ?? 0) : 0;
    this.#stopped ??= Promise.all([this.#signalling.close(), this.#peer.close()]).then(() => {});
    return this.#stopped;
  }
}
