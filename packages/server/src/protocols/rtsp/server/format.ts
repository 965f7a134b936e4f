import { randomInt } from 'node:crypto';
import {
  isRtpCodec,
  joinRtcp,
  type MediaPacket,
  ProtocolError,
  RTP_HEADER_BYTES,
  type RtpPacketizer,
  type RtpPayload,
  rtpPacketizer,
  streamPayloadType,
  type Track,
  writeBye,
  writeRtpHeader,
  writeSdes,
  writeSenderReport,
} from '@sluice/media';
import type { FanOutFormat, StreamState } from '../../../core/index.ts';
import { INTERLEAVED_HEADER_BYTES, writeInterleaved } from '../wire/writer.ts';
import type { StreamSource } from './stream-sources.ts';

/** Names us in RTCP (RFC 3550 §6.5.1). */
const CNAME = 'sluice';
const FRAME_BYTES = INTERLEAVED_HEADER_BYTES + RTP_HEADER_BYTES;
const NOTHING = Buffer.alloc(0);

/** A track as it was described to the viewers, and the channel that its packets have in the shared bytes. */
export interface SentTrack {
  readonly track: Track;
  /** Of RTP; the one after it is for RTCP. */
  readonly channel: number;
}

export interface RtspFormatOptions {
  readonly tracks: readonly SentTrack[];
  readonly source: StreamSource;
  readonly maxPayloadBytes: number;
  readonly senderReportIntervalMs: number;
  /** Time of the newest packet of the stream, microseconds. */
  newestUs(): number;
  /** A frame was left out as it is not what its codec says. */
  onBroken(): void;
}

/** What is sent of one track. */
class TrackSender {
  readonly #track: Track;
  readonly channel: number;
  readonly #o: RtspFormatOptions;
  readonly #packetizer: RtpPacketizer | undefined;
  readonly #payloadType: number;
  /** Number of the next packet. */
  sequence = randomInt(0x8000);
  #packets = 0;
  #bytes = 0;
  #lastPtsUs = 0;
  #reportedMs = Number.NEGATIVE_INFINITY;

  constructor({ track, channel }: SentTrack, options: RtspFormatOptions) {
    this.#track = track;
    this.channel = channel;
    this.#o = options;
    this.#packetizer = isRtpCodec(track.codec) ? rtpPacketizer(track.codec) : undefined;
    this.#payloadType = streamPayloadType(track) ?? 0;
  }

  get track(): Track {
    return this.#track;
  }

  /** Hot path: the interleaved frames of one access unit; undefined when there are none. */
  write(packet: MediaPacket, timeMs: number): Buffer | undefined {
    const { source, maxPayloadBytes, senderReportIntervalMs } = this.#o;
    const payloads = this.#packetizer?.packetize(packet, maxPayloadBytes) ?? [];
    if (payloads.length === 0) return undefined;
    const timestamp = source.timestamp(packet.track, packet.ptsUs);
    this.#lastPtsUs = packet.ptsUs;
    const isDue = Math.abs(timeMs - this.#reportedMs) >= senderReportIntervalMs;
    const report = isDue ? this.report(packet.ptsUs, timeMs) : NOTHING;
    let length = report.length;
    for (const { payload } of payloads) length += FRAME_BYTES + payload.length;
    const bytes = Buffer.allocUnsafe(length);
    bytes.set(report);
    let at = report.length;
    for (const payload of payloads) at = this.#writeFrame(bytes, at, { ...payload, timestamp });
    return bytes;
  }

  /** A sender report for that instant of the stream, as interleaved frame. */
  report(ptsUs: number, timeMs: number): Buffer {
    this.#reportedMs = timeMs;
    return this.#compound(ptsUs, []);
  }

  /** Says that no more comes (RFC 3550 §6.6). */
  goodbye(): Buffer {
    return this.#compound(this.#lastPtsUs, [writeBye([this.#ssrc])]);
  }

  get #ssrc(): number {
    return this.#o.source.ssrc[this.#track.kind];
  }

  #compound(ptsUs: number, more: readonly Uint8Array[]): Buffer {
    const { source } = this.#o;
    const report = writeSenderReport({
      ssrc: this.#ssrc,
      ...source.ntp(ptsUs),
      rtpTimestamp: source.timestamp(this.#track, ptsUs),
      packetCount: this.#packets >>> 0,
      octetCount: this.#bytes >>> 0,
      reports: [],
    });
    return writeInterleaved(this.channel + 1, joinRtcp([report, writeSdes(this.#ssrc, CNAME), ...more]));
  }

  #writeFrame(bytes: Buffer, at: number, part: RtpPayload & { readonly timestamp: number }): number {
    const { payload, marker, timestamp, timestampOffset } = part;
    bytes[at] = 0x24;
    bytes[at + 1] = this.channel;
    bytes.writeUInt16BE(RTP_HEADER_BYTES + payload.length, at + 2);
    writeRtpHeader(bytes.subarray(at + INTERLEAVED_HEADER_BYTES), {
      payloadType: this.#payloadType,
      marker,
      sequence: this.sequence,
      timestamp: timestamp + timestampOffset,
      ssrc: this.#ssrc,
    });
    bytes.set(payload, at + FRAME_BYTES);
    this.sequence = (this.sequence + 1) & 0xffff;
    this.#packets += 1;
    this.#bytes += payload.length;
    return at + FRAME_BYTES + payload.length;
  }
}

/**
 * Writes a stream as interleaved frames (RFC 2326 §10.12) of RTP, with a sender report of each track now and then and
 * at the beginning of each viewer. Viewers by UDP get the same without the framing.
 */
export class RtspFormat implements FanOutFormat {
  readonly #options: RtspFormatOptions;
  readonly #senders: ReadonlyMap<Track['kind'], TrackSender>;
  #epoch: number | undefined;
  #unfit: string | undefined;

  constructor(options: RtspFormatOptions) {
    this.#options = options;
    options.source.clock.begin(options.newestUs());
    this.#senders = new Map(options.tracks.map((sent) => [sent.track.kind, new TrackSender(sent, options)]));
  }

  /**
   * Why the stream is not what was described any more; undefined while it is. Players can not be told of another codec:
   * they have a description.
   */
  get unfit(): string | undefined {
    return this.#unfit;
  }

  /** Number of the packet of that kind that will be written next. */
  nextSequence(kind: Track['kind']): number | undefined {
    return this.#senders.get(kind)?.sequence;
  }

  /** Tells viewers that the stream is over. */
  goodbye(): Buffer {
    return Buffer.concat([...this.#senders.values()].map((sender) => sender.goodbye()));
  }

  carries(track: Track): boolean {
    const described = this.#senders.get(track.kind)?.track;
    if (described === undefined || isSame(described, track)) return described !== undefined;
    this.#unfit ??= `the ${track.kind} has changed from ${described.codec} to ${track.codec}`;
    return false;
  }

  // Hot path: once per packet of the stream.
  packet(packet: MediaPacket, timeMs: number): Buffer | undefined {
    try {
      return this.#senders.get(packet.track.kind)?.write(packet, timeMs);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#options.onBroken();
      return undefined;
    }
  }

  change(state: StreamState, previous: StreamState | undefined, timeMs: number): Buffer {
    const isNew = this.#epoch !== undefined && state.epoch !== this.#epoch;
    this.#epoch = state.epoch;
    if (!isNew && previous !== undefined) return NOTHING;
    const { source, newestUs } = this.#options;
    if (isNew) source.clock.begin(newestUs());
    return Buffer.concat([...this.#senders.values()].map((sender) => sender.report(timeMs * 1000, timeMs)));
  }
}

/** False when what players know of the first track does not hold for the second one. */
function isSame(described: Track, track: Track): boolean {
  if (described === track) return true;
  if (described.codec !== track.codec || described.clockRate !== track.clockRate) return false;
  // Parameter sets of pictures, and the layout of Opus, are in the packets; all else is only in the description.
  if (track.kind === 'video' || track.codec === 'opus') return true;
  return track.parameters.every((unit, i) => Buffer.compare(unit, described.parameters[i] ?? NOTHING) === 0);
}
