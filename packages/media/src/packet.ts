/** Names of the codecs that the hub can carry, as FFmpeg and the RFCs call them; `flv1` is Sorenson Spark. */
export type VideoCodec = 'h264' | 'h265' | 'av1' | 'vp8' | 'vp9' | 'flv1' | 'mjpeg' | 'mpeg1';
export type AudioCodec = 'aac' | 'opus' | 'pcma' | 'pcmu' | 'g722' | 'g726' | 'l16' | 'speex';
export type Codec = VideoCodec | AudioCodec;

/**
 * What a decoder must know before the first packet. Replaced as a whole when it changes, never mutated:
 * two packets with the same `track` object need the same decoder configuration.
 */
export interface Track {
  /** Identifies the track inside its stream; stable when parameters change. */
  readonly id: number;
  readonly kind: 'video' | 'audio';
  readonly codec: Codec;
  /**
   * Ticks per second of the source's clock: 90000 for video, the sampling rate for audio. G.722 has 16000 here, although
   * its RTP clock has 8000 (RFC 3551 §4.5.2).
   */
  readonly clockRate: number;
  /**
   * Out-of-band decoder configuration without framing.
   * - h264: every SPS, then every PPS, as NAL units without start code. h265: every VPS, SPS, PPS, likewise.
   * - av1: one sequence header OBU with its header and size field. vp9: the 8 bytes after the version and flags of a
   *   VPCodecConfigurationRecord, or nothing while unknown. vp8, flv1: nothing.
   * - aac: one AudioSpecificConfig (ISO 14496-3 §1.6.2.1). opus: one identification header (`OpusHead`, RFC 7845
   *   §5.1). pcma, pcmu, g722, speex: nothing; they are mono, at `clockRate`.
   * - mjpeg: nothing. l16: one byte, the number of channels.
   * - g726: two bytes: bits of a sample (2 to 5), and 0 when the first sample is in the least significant bits of the
   *   first byte (RFC 3551 §4.5.4) or 1 for the opposite (ATM AAL2 packing); mono.
   */
  readonly parameters: readonly Uint8Array[];
}

/**
 * One access unit, shared by every reader and immutable.
 *
 * Invariants: `units` own their memory (never a view into a socket's chunk). For NAL codecs each unit is one
 * NAL unit without start code or length, without access unit delimiters and without parameter sets (those are
 * in `track.parameters`). For all others there is one unit:
 * - av1: a temporal unit's OBUs, each with its size field, without temporal delimiters; sequence headers stay in.
 * - vp8, vp9, flv1: one frame, or for vp9 one superframe. mjpeg: one whole JPEG file (JFIF) a picture, always `key`.
 * - mpeg1: one coded picture, with its sequence header when it is `key`.
 * - audio: one raw frame; for speex, pcma, pcmu, g722, g726 and l16 (16-bit samples, big endian,
 *   interleaved) as many as the source put together.
 *
 * `dtsUs` never decreases inside a track.
 */
export interface MediaPacket {
  readonly track: Track;
  readonly units: readonly Uint8Array[];
  /** Presentation time on the stream's own timeline, integer microseconds. */
  readonly ptsUs: number;
  /** Decoding time on the stream's own timeline, integer microseconds. */
  readonly dtsUs: number;
  /**
   * True when a decoder can start here: an IDR picture, or a picture that its encoder marks as a place to start (the
   * recovery point of an open GOP); always for audio.
   */
  readonly key: boolean;
  /** Sum of the lengths of `units`. */
  readonly byteLength: number;
}

/** Thrown by every parser in this package for input that breaks the format; nothing else is thrown for bad input. */
export class ProtocolError extends Error {
  /** Stable upper-case identifier, such as `H264_BAD_SPS`. */
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = 'ProtocolError';
    this.code = code;
  }
}
