import { isRtpStartPoint, ProtocolError, parseRtcp, parseRtp, parseRtx, type RtpPacket } from '@sluice/media';
import type { DtlsSrtpKeys } from '@sluice/server/wire/webrtc/dtls/types';
import { SrtpReceiver, SrtpSender } from '@sluice/server/wire/webrtc/srtp/index';
import type { Figures } from '../figures/figures.ts';
import type { AnswerFacts, PayloadKind } from './answer.ts';
import { Arrivals } from './arrivals.ts';
import { transportSequenceOf } from './plain-header.ts';
import { Reports } from './reports.ts';
import { RtpPictures } from './rtp-pictures.ts';
import { RtpTally } from './rtp-tally.ts';

export interface RtpReceptionOptions {
  readonly keys: DtlsSrtpKeys;
  readonly answer: AnswerFacts;
  readonly figures: Figures;
  /** Everything is decrypted, and clocks are read; else only what there is up to the first key frame. */
  readonly checked: boolean;
  readonly freezeMs: number;
  /** How often arrivals are told, 0 for never. */
  readonly feedbackMs: number;
  /** The first whole key frame is there. */
  onBegun(nowMs: number): void;
  /** The server has said goodbye. */
  onBye(): void;
  send(datagram: Uint8Array): void;
}

/** Pictures that are late by more are not waited for. */
const VIDEO_GIVE_UP_MS = 1000;
const AUDIO_GIVE_UP_MS = 200;
/** Requests for what is missing go together, as browsers send them. */
const NACK_MS = 20;
/** What encryption adds to RTCP, at most. */
const PROTECTION_BYTES = 64;
const RTP_HEADER_BYTES = 12;

/**
 * Receives for one viewer. Sequence numbers, marks and times stand in headers, which are not encrypted: once the first
 * key frame was there, a packet costs no decryption, unless the viewer is one of those that check all.
 */
export class RtpReception {
  readonly #options: RtpReceptionOptions;
  readonly #receiver: SrtpReceiver;
  readonly #sender: SrtpSender;
  readonly #reports = new Reports();
  readonly #arrivals = new Arrivals();
  readonly #pictures: RtpPictures;
  /** By payload type, as sources may change. */
  readonly #tallies = new Map<number, RtpTally>();
  #video: { readonly tally: RtpTally; readonly codec: PayloadKind['codec'] } | undefined;
  #feedbackMs = 0;
  #askedMs = 0;
  #finished = false;

  constructor(options: RtpReceptionOptions) {
    this.#options = options;
    const { keys } = options;
    this.#receiver = new SrtpReceiver(keys.profile, keys.remote);
    this.#sender = new SrtpSender(keys.profile, keys.local);
    this.#pictures = new RtpPictures(options.figures, options.freezeMs, options.onBegun);
  }

  /** Hot path: once per datagram and viewer. */
  onDatagram(datagram: Buffer, nowMs: number): void {
    const { counts } = this.#options.figures;
    counts.bytes += datagram.length;
    const second = datagram[1] ?? 0;
    if (second >= 192 && second <= 223) return this.#onRtcp(datagram, nowMs);
    if (datagram.length < RTP_HEADER_BYTES) return;
    const payload = this.#options.answer.payloads.get(second & 0x7f);
    if (payload === undefined) return;
    counts.packets++;
    this.#noteArrival(datagram, nowMs);
    if (payload.repeats !== undefined) this.#onRepeat(datagram, payload.repeats, nowMs);
    else this.#onPacket(datagram, payload, nowMs);
  }

  /** Called about every 20 ms: sends what a receiver has to say. */
  tick(nowMs: number): void {
    this.#pictures.tick(nowMs);
    const { feedbackMs } = this.#options;
    if (nowMs - this.#askedMs >= NACK_MS) this.#askForMissing(nowMs);
    if (this.#video !== undefined && !this.#pictures.begun) this.#askForKeyFrame(nowMs);
    if (this.#tallies.size > 0) this.#send(this.#reports.receiverReport(this.#tallies.values(), nowMs));
    if (feedbackMs === 0 || nowMs - this.#feedbackMs < feedbackMs) return;
    this.#feedbackMs = nowMs;
    const mediaSsrc = this.#video?.tally.ssrc ?? 0;
    for (const feedback of this.#arrivals.take(this.#reports.ssrc, mediaSsrc)) this.#send(feedback);
  }

  /** The viewer leaves. Idempotent. */
  finish(nowMs: number): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#pictures.finish(nowMs);
    const { counts } = this.#options.figures;
    for (const tally of this.#tallies.values()) {
      const lostBefore = tally.lost;
      tally.finish(nowMs);
      counts.lost += tally.lost - lostBefore;
    }
    counts.undecryptable += this.#receiver.counters.unauthentic + this.#receiver.counters.malformed;
  }

  #askForMissing(nowMs: number): void {
    this.#askedMs = nowMs;
    const { counts } = this.#options.figures;
    for (const tally of this.#tallies.values()) {
      const lostBefore = tally.lost;
      const wanted = tally.overdue(nowMs);
      counts.lost += tally.lost - lostBefore;
      if (tally !== this.#video?.tally) continue;
      this.#send(this.#reports.nack(tally.ssrc, wanted));
      if (tally.lost > lostBefore) this.#onLost(tally, nowMs);
    }
  }

  #noteArrival(datagram: Buffer, nowMs: number): void {
    const { answer, feedbackMs } = this.#options;
    if (answer.transportCcId === undefined || feedbackMs === 0) return;
    const sequence = transportSequenceOf(datagram, answer.transportCcId);
    if (sequence >= 0) this.#arrivals.add(sequence, nowMs);
  }

  #onPacket(datagram: Buffer, payload: PayloadKind, nowMs: number): void {
    const second = datagram[1] ?? 0;
    const tally = this.#tallyOf(second & 0x7f, datagram.readUInt32BE(8), payload);
    const fate = tally.onPacket(datagram.readUInt16BE(2), datagram.readUInt32BE(4), nowMs);
    if (fate === 'repeated') return;
    const { checked, figures } = this.#options;
    if (fate === 'repaired') figures.counts.repaired++;
    const isVideo = payload.kind === 'video';
    if (checked || (isVideo && !this.#pictures.begun)) {
      const packet = this.#decrypt(datagram);
      if (isVideo && packet !== undefined) this.#look(packet.payload, payload.codec);
    }
    if (!isVideo) return;
    if (second >= 128) this.#pictures.onEnd();
    if (!tally.incomplete) this.#pictures.onComplete(nowMs);
  }

  /** A retransmission: which packet it repeats is encrypted (RFC 4588 §4). */
  #onRepeat(datagram: Buffer, payloadType: number, nowMs: number): void {
    const tally = this.#tallies.get(payloadType);
    const packet = this.#decrypt(datagram);
    const content = packet === undefined ? undefined : parseRtx(packet);
    if (tally === undefined || packet === undefined || content === undefined) return;
    if (tally.onRepair(tally.unwrap(content.originalSequence)) !== 'repaired') return;
    this.#options.figures.counts.repaired++;
    const codec = this.#video?.codec;
    const wanted = this.#options.checked || !this.#pictures.begun;
    if (tally !== this.#video?.tally || codec === undefined) return;
    if (wanted) this.#look(content.payload, codec);
    if (packet.marker) this.#pictures.onEnd();
    if (!tally.incomplete) this.#pictures.onComplete(nowMs);
  }

  #look(payload: Uint8Array, codec: PayloadKind['codec']): void {
    this.#pictures.onPayload(payload, isRtpStartPoint(codec, payload));
  }

  #tallyOf(payloadType: number, ssrc: number, { kind, codec, clockRate }: PayloadKind): RtpTally {
    const known = this.#tallies.get(payloadType);
    if (known?.ssrc === ssrc) return known;
    const giveUpMs = kind === 'video' ? VIDEO_GIVE_UP_MS : AUDIO_GIVE_UP_MS;
    const tally = new RtpTally(ssrc, { clockRate, giveUpMs });
    this.#tallies.set(payloadType, tally);
    if (kind === 'video') this.#video = { tally, codec };
    return tally;
  }

  #onLost(tally: RtpTally, nowMs: number): void {
    if (tally.incomplete) return;
    this.#pictures.onGivenUp();
    this.#askForKeyFrame(nowMs);
  }

  #askForKeyFrame(nowMs: number): void {
    this.#send(this.#reports.pli(this.#video?.tally.ssrc ?? 0, nowMs));
  }

  #decrypt(datagram: Buffer): RtpPacket | undefined {
    const plain = this.#receiver.unprotectRtp(datagram);
    return plain === undefined ? undefined : parseRtp(plain);
  }

  #onRtcp(datagram: Buffer, nowMs: number): void {
    const plain = this.#receiver.unprotectRtcp(datagram);
    if (plain === undefined) return;
    try {
      const packets = parseRtcp(plain);
      this.#reports.onRtcp(packets, nowMs);
      if (packets.some(({ kind }) => kind === 'bye')) this.#options.onBye();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#options.figures.note(`broken RTCP: ${error.message}`);
    }
  }

  #send(packet: Uint8Array | undefined): void {
    if (packet === undefined) return;
    const buffer = Buffer.allocUnsafe(packet.length + PROTECTION_BYTES);
    buffer.set(packet);
    const bytes = this.#sender.protectRtcp(buffer, packet.length);
    if (bytes > 0) this.#options.send(buffer.subarray(0, bytes));
  }
}
