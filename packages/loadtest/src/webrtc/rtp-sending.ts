import {
  type MediaPacket,
  ntpOfUnixMs,
  ProtocolError,
  parseRtcp,
  type ReportBlock,
  type RtpPacketizer,
  rtpHeaderLength,
  rtpPacketizer,
  writeRtpHeader,
  writeSdes,
  writeSenderReport,
} from '@sluice/media';
import type { DtlsSrtpKeys } from '@sluice/server/wire/webrtc/dtls/types';
import { SrtpReceiver, SrtpSender } from '@sluice/server/wire/webrtc/srtp/index';
import { unixUs } from '../source/clock.ts';
import type { AnswerFacts } from './answer.ts';
import { H264_PAYLOAD_TYPE, OPUS_PAYLOAD_TYPE } from './offer.ts';

const MAX_PAYLOAD_BYTES = 1150;
const PROTECTION_BYTES = 64;
/** Packets that can be sent again. */
const KEPT = 512;
const REPORT_MS = 1000;
const VIDEO_CLOCK = 90_000;
const OPUS_CLOCK = 48_000;
const CNAME = 'sluice-load';

interface SentSource {
  readonly ssrc: number;
  readonly payloadType: number;
  readonly clockRate: number;
  readonly packetizer: RtpPacketizer;
  sequence: number;
  packets: number;
  octets: number;
  /** Packets that did not arrive, as the server says. */
  lost: number;
  /** Protected packets by their sequence number. */
  readonly kept: (Buffer | undefined)[];
}

export interface RtpSendingOptions {
  readonly keys: DtlsSrtpKeys;
  readonly answer: AnswerFacts;
  readonly videoSsrc: number;
  readonly audioSsrc: number;
  send(datagram: Uint8Array): void;
  /** The server needs a key frame. */
  onKeyFrameWanted(): void;
}

/** Sends for one publisher: packets, what was lost of them again, and sender reports. */
export class RtpSending {
  /** Packets that were sent again. */
  resent = 0;
  readonly #options: RtpSendingOptions;
  readonly #sender: SrtpSender;
  readonly #receiver: SrtpReceiver;
  readonly #video: SentSource;
  readonly #audio: SentSource;
  #transportSequence = 0;
  #reportedMs = Number.NEGATIVE_INFINITY;

  constructor(options: RtpSendingOptions) {
    const { keys, videoSsrc, audioSsrc } = options;
    this.#options = options;
    this.#sender = new SrtpSender(keys.profile, keys.local);
    this.#receiver = new SrtpReceiver(keys.profile, keys.remote);
    this.#video = newSource({
      ssrc: videoSsrc,
      payloadType: H264_PAYLOAD_TYPE,
      clockRate: VIDEO_CLOCK,
      packetizer: rtpPacketizer('h264'),
    });
    this.#audio = newSource({
      ssrc: audioSsrc,
      payloadType: OPUS_PAYLOAD_TYPE,
      clockRate: OPUS_CLOCK,
      packetizer: rtpPacketizer('opus'),
    });
  }

  /** Packets that never arrived, as the server reports. */
  get lost(): number {
    return this.#video.lost + this.#audio.lost;
  }

  /** Sends one access unit; gives how many packets and bytes that were. */
  sendFrame(packet: MediaPacket): { readonly packets: number; readonly bytes: number } {
    const source = packet.track.kind === 'video' ? this.#video : this.#audio;
    const timestamp = Math.round((packet.ptsUs * source.clockRate) / 1e6);
    let bytes = 0;
    const payloads = source.packetizer.packetize(packet, MAX_PAYLOAD_BYTES);
    for (const { payload, marker } of payloads) bytes += this.#sendPacket(source, payload, { marker, timestamp });
    return { packets: payloads.length, bytes };
  }

  /** Feedback of the server. */
  onDatagram(datagram: Buffer): void {
    const second = datagram[1] ?? 0;
    if (second < 192 || second > 223) return;
    const plain = this.#receiver.unprotectRtcp(datagram);
    if (plain === undefined) return;
    try {
      for (const packet of parseRtcp(plain)) {
        if (packet.kind === 'pli' || packet.kind === 'fir') this.#options.onKeyFrameWanted();
        if (packet.kind === 'nack') this.#resend(packet.mediaSsrc, packet.lost);
        if (packet.kind === 'rr' || packet.kind === 'sr') this.#onReports(packet.reports);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
  }

  /** Sends reports, once a second. */
  tick(nowMs: number, mediaUs: number): void {
    if (nowMs - this.#reportedMs < REPORT_MS) return;
    this.#reportedMs = nowMs;
    const time = ntpOfUnixMs(unixUs() / 1000);
    for (const source of [this.#video, this.#audio]) {
      if (source.packets === 0) continue;
      const { ssrc, packets: packetCount, octets: octetCount, clockRate } = source;
      const rtpTimestamp = Math.round((mediaUs * clockRate) / 1e6) >>> 0;
      const report = writeSenderReport({ ssrc, ...time, rtpTimestamp, packetCount, octetCount, reports: [] });
      this.#sendRtcp(Buffer.concat([report, writeSdes(ssrc, CNAME)]));
    }
  }

  #onReports(reports: readonly ReportBlock[]): void {
    for (const { ssrc, cumulativeLost } of reports) {
      for (const source of [this.#video, this.#audio])
        if (source.ssrc === ssrc) source.lost = Math.max(0, cumulativeLost);
    }
  }

  #sendPacket(source: SentSource, payload: Uint8Array, about: { marker: boolean; timestamp: number }): number {
    const { ssrc, payloadType } = source;
    const { transportCcId } = this.#options.answer;
    const sequence = source.sequence++ & 0xffff;
    const extensions = transportCcId === undefined ? [] : [{ id: transportCcId, value: this.#nextTransportSequence() }];
    const fields = { payloadType, ssrc, sequence, ...about, extensions };
    const header = rtpHeaderLength(fields);
    const buffer = Buffer.allocUnsafe(header + payload.length + PROTECTION_BYTES);
    writeRtpHeader(buffer, fields);
    buffer.set(payload, header);
    const bytes = this.#sender.protectRtp(buffer, header + payload.length);
    const datagram = buffer.subarray(0, bytes);
    source.kept[sequence % KEPT] = datagram;
    source.packets++;
    source.octets += payload.length;
    this.#options.send(datagram);
    return bytes;
  }

  #nextTransportSequence(): Buffer {
    const value = Buffer.allocUnsafe(2);
    value.writeUInt16BE(this.#transportSequence++ & 0xffff);
    return value;
  }

  #resend(ssrc: number, sequences: readonly number[]): void {
    const source = [this.#video, this.#audio].find((known) => known.ssrc === ssrc);
    if (source === undefined) return;
    for (const sequence of sequences) {
      const datagram = source.kept[sequence % KEPT];
      if (datagram?.readUInt16BE(2) !== sequence) continue;
      this.resent++;
      this.#options.send(datagram);
    }
  }

  #sendRtcp(packet: Uint8Array): void {
    const buffer = Buffer.allocUnsafe(packet.length + PROTECTION_BYTES);
    buffer.set(packet);
    const bytes = this.#sender.protectRtcp(buffer, packet.length);
    if (bytes > 0) this.#options.send(buffer.subarray(0, bytes));
  }
}

type SourceFacts = Pick<SentSource, 'ssrc' | 'payloadType' | 'clockRate' | 'packetizer'>;

function newSource(facts: SourceFacts): SentSource {
  const kept = new Array<Buffer | undefined>(KEPT).fill(undefined);
  return { ...facts, sequence: 0, packets: 0, octets: 0, lost: 0, kept };
}
