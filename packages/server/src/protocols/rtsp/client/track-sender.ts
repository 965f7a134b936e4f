import { randomInt } from 'node:crypto';
import {
  isRtpCodec,
  joinRtcp,
  type MediaPacket,
  ntpOfUnixMs,
  ProtocolError,
  type RtpPacketizer,
  rtpClockRate,
  rtpPacketizer,
  type Track,
  writeRtp,
  writeSdes,
  writeSenderReport,
} from '@sluice/media';
import type { StreamClock } from '../../../rtp/index.ts';

export interface TrackSenderOptions {
  readonly payloadType: number;
  readonly cname: string;
  /** The same for all tracks. */
  readonly clock: StreamClock;
}

/** Fits into a datagram on every way, and into what servers that forward packets take. */
const MAX_PAYLOAD_BYTES = 1400;

/** Makes the RTP and the sender reports of one track that is sent to one server (RFC 3550 §5, §6.4.1). */
export class TrackSender {
  readonly ssrc = randomInt(1, 0xffff_ffff);
  packets = 0;
  /** Frames that were left out because they are not what their codec says. */
  broken = 0;
  readonly #o: TrackSenderOptions;
  readonly #packetizer: RtpPacketizer | undefined;
  readonly #firstTimestamp = randomInt(0, 0xffff_ffff);
  #track: Track;
  #sequence = randomInt(0, 0xffff);
  #octets = 0;
  #last: { readonly timestamp: number; readonly ptsUs: number } | undefined;

  constructor(track: Track, options: TrackSenderOptions) {
    this.#track = track;
    this.#o = options;
    this.#packetizer = isRtpCodec(track.codec) ? rtpPacketizer(track.codec) : undefined;
  }

  get track(): Track {
    return this.#track;
  }

  /**
   * True when the description that was announced still holds for packets of that track: pictures bring their
   * parameters along, sound does not.
   */
  goesOn(track: Track): boolean {
    if (track === this.#track) return true;
    const { codec, clockRate, parameters } = this.#track;
    if (track.codec !== codec || track.clockRate !== clockRate) return false;
    return track.kind === 'video' || parameters.every((known, i) => sameBytes(known, track.parameters[i]));
  }

  /** The RTP packets of an access unit. */
  packetsOf(packet: MediaPacket): Uint8Array[] {
    const { payloadType, clock } = this.#o;
    if (this.#last === undefined) clock.begin(packet.ptsUs);
    const timestamp = this.#firstTimestamp + Math.round((packet.ptsUs * rtpClockRate(packet.track)) / 1e6);
    this.#track = packet.track;
    this.#last = { timestamp, ptsUs: packet.ptsUs };
    const packets = this.#payloadsOf(packet).map(({ payload, marker, timestampOffset }) => {
      this.#octets += payload.length;
      const sequence = this.#sequence++;
      return writeRtp(
        { payloadType, marker, sequence, timestamp: timestamp + timestampOffset, ssrc: this.ssrc },
        payload,
      );
    });
    this.packets += packets.length;
    return packets;
  }

  /** A report of what time it is on the track; undefined before the first packet. */
  report(): Uint8Array | undefined {
    if (this.#last === undefined) return undefined;
    const { clock, cname } = this.#o;
    const report = writeSenderReport({
      ssrc: this.ssrc,
      ...ntpOfUnixMs(clock.unixUs(this.#last.ptsUs) / 1000),
      rtpTimestamp: this.#last.timestamp >>> 0,
      packetCount: this.packets >>> 0,
      octetCount: this.#octets >>> 0,
      reports: [],
    });
    return joinRtcp([report, writeSdes(this.ssrc, cname)]);
  }

  #payloadsOf(packet: MediaPacket): ReturnType<RtpPacketizer['packetize']> {
    try {
      return this.#packetizer?.packetize(packet, MAX_PAYLOAD_BYTES) ?? [];
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.broken++;
      return [];
    }
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && Buffer.compare(a, b) === 0;
}
