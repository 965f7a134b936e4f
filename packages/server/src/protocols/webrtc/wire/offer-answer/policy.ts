/** Codecs that WebRTC peers and we can exchange. */
export type RtpVideoCodec = 'h264' | 'h265' | 'vp8' | 'vp9' | 'av1';
export type RtpAudioCodec = 'opus' | 'pcma' | 'pcmu' | 'g722';
export type RtpCodec = RtpVideoCodec | RtpAudioCodec;

/** What a stream has of one kind of media, for a client that plays it. */
export interface SourceFormat {
  /** Codec of the stream by any name, also of one that WebRTC can't carry (`aac`). */
  readonly codec: string;
  /** H.264: 1 when packets may be aggregates or fragments (RFC 6184 §6.2). Default 1. */
  readonly packetizationMode?: 0 | 1 | undefined;
  /** H.264: the first three bytes of the SPS in hexadecimal, such as `42e01f`. */
  readonly profileLevelId?: string | undefined;
  /** VP9, AV1 and H.265: number of the profile. Default: that codec's usual one. */
  readonly profileId?: number | undefined;
  /** What it can be converted to; the client's order decides between them. Default: nothing. */
  readonly conversions?: readonly RtpCodec[] | undefined;
}

interface CommonPolicy {
  /** Codecs that may be used, the preferred one first. */
  readonly videoCodecs: readonly RtpVideoCodec[];
  readonly audioCodecs: readonly RtpAudioCodec[];
  /**
   * H.264 `profile-level-id`s, the preferred one first (`profiles` of WCS). Only the profile counts. Others than these
   * come after them and are not refused.
   */
  readonly h264Profiles: readonly string[];
  /** Video orientation (CVO) may be negotiated. */
  readonly videoOrientation: boolean;
  /** Transport-wide congestion control rather than REMB, where the client can (`webrtc_cc2_twcc`). */
  readonly transportCc: boolean;
  /** Opus may have redundancy (RFC 2198), where the client knows it. Default: no. */
  readonly red?: boolean | undefined;
}

/** The client publishes, the server receives. */
export interface ReceivePolicy extends CommonPolicy {
  readonly direction: 'receive';
  /** Several encodings of a picture are taken (RFC 8853). Default: the first of them alone. */
  readonly simulcast?: boolean | undefined;
  /** Limits for the client's encoder, bits a second; 0 or absent for none (`webrtc_sdp_min_bitrate_bps`, …). */
  readonly minBitrateBps?: number | undefined;
  readonly maxBitrateBps?: number | undefined;
}

/** The client plays, the server sends. */
export interface SendPolicy extends CommonPolicy {
  readonly direction: 'send';
  /** Absent for a kind of media that the stream does not have: its section is refused. */
  readonly video?: SourceFormat | undefined;
  readonly audio?: SourceFormat | undefined;
  /** A codec that the picture may be changed to while it is played, where the client takes it too. Default: none. */
  readonly alsoVideo?: RtpVideoCodec | undefined;
}

export type OfferPolicy = ReceivePolicy | SendPolicy;
