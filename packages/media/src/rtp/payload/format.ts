import { type MediaPacket, ProtocolError } from '../../packet.ts';

/** What a depacketizer needs of an RTP packet; `RtpPacket` has it all. */
export interface RtpMediaPacket {
  /** Without padding. Must not change until the frame that it belongs to was given. */
  readonly payload: Uint8Array;
  readonly marker: boolean;
  /** RTP timestamp as it is, or unwrapped: it is only compared, and passed through. */
  readonly timestamp: number;
}

/** One access unit out of RTP packets. */
export interface DepacketizedFrame {
  /** What `MediaPacket.units` asks for; own memory. */
  readonly units: Uint8Array[];
  /**
   * What `Track.parameters` asks for, complete and in its order, own memory: there when it differs from what was
   * given (or handed to the depacketizer) before. So the parameters of a frame are the newest ones given.
   */
  readonly parameters?: Uint8Array[] | undefined;
  /** True when a decoder can start here; always for audio. */
  readonly key: boolean;
  /** Timestamp of its packets. */
  readonly timestamp: number;
  /** True when parts of this frame are missing. What it refers to may be missing also when this is false. */
  readonly broken: boolean;
  /**
   * Sound only: the frames that came in the same packet behind this one, in order, none with frames of its own. Their
   * timestamps are this one's plus what lies before them, so without the wrap at 2^32.
   */
  readonly more?: readonly DepacketizedFrame[] | undefined;
}

/**
 * Puts the payloads of one source together again. One for each SSRC and payload type; it is not told sequence numbers.
 *
 * A frame ends with its marker, or with the first packet of another timestamp. A frame with packets lost out of its
 * middle or its end is dropped, but for H.264 and H.265 when its first slice is there: then the whole NAL units come as
 * a `broken` one, which decoders conceal. At most 8 MiB and 4096 packets are held; a frame beyond that is dropped.
 */
export interface RtpDepacketizer {
  /**
   * Takes one packet, each once and in order of sequence number. Payloads without any byte (probes) change nothing.
   *
   * @param lost True when packets before this one are missing and will not come.
   * @returns the frame that this packet completes. In the rare case that it completes two, one that had no marker and
   *   its own, the next call gives the second, but where the first is broken it is left out.
   * @throws ProtocolError for a payload that breaks its format, or is of a kind that is not supported, or a frame that
   *   is too large. The frame is damaged then; the next packets are welcome.
   */
  push(packet: RtpMediaPacket, lost: boolean): DepacketizedFrame | undefined;
}

/** What goes into one RTP packet. */
export interface RtpPayload {
  readonly payload: Uint8Array;
  /** True for the last packet of a frame of video or AAC. */
  readonly marker: boolean;
  /** True for the first packet of a frame that a decoder can start with; always for audio. */
  readonly startPoint: boolean;
  /** RTP ticks between the access unit's own timestamp and this payload's: 0, but for sound that was divided. */
  readonly timestampOffset: number;
}

/** Divides the access units of one track into RTP payloads. One for each sender: some count their pictures. */
export interface RtpPacketizer {
  /**
   * The payloads of one access unit, in order. Those of video own their memory or are views into the units, which are
   * immutable. With no units, none.
   * @param maxPayloadBytes Length that no payload exceeds, at least 64.
   */
  packetize(packet: MediaPacket, maxPayloadBytes: number): RtpPayload[];
}

/** Bytes of one frame that are held. */
export const MAX_FRAME_BYTES = 8 * 1024 * 1024;
/** Packets of one frame that are held. */
export const MAX_FRAME_PACKETS = 4096;
/** NAL units, or OBUs, of one frame that are held. */
export const MAX_FRAME_UNITS = 2048;

/** RTP_FRAME_TOO_LARGE */
export function tooLarge(what: string): ProtocolError {
  return new ProtocolError('RTP_FRAME_TOO_LARGE', `a frame of more than ${what}`);
}
