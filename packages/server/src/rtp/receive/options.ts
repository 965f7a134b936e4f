import type { AacPayloadFormat, Codec } from '@sluice/media';

/** RTCP feedback that was negotiated for a track (RFC 4585 §4.2 and the drafts of goog-remb and transport-cc). */
export interface TrackFeedback {
  readonly nack: boolean;
  readonly pli: boolean;
  readonly fir: boolean;
  readonly transportCc: boolean;
  readonly remb: boolean;
}

/** Ids of the header extensions that were negotiated for a track (RFC 8285 §6); undefined for those that were not. */
export interface TrackExtensions {
  /** draft-holmer-rmcat-transport-wide-cc-extensions-01 */
  readonly transportSequence?: number | undefined;
  /** urn:3gpp:video-orientation */
  readonly orientation?: number | undefined;
  /** urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id and repaired-rtp-stream-id (RFC 8852) */
  readonly rid?: number | undefined;
  readonly repairedRid?: number | undefined;
  /** urn:ietf:params:rtp-hdrext:ssrc-audio-level (RFC 6464) */
  readonly audioLevel?: number | undefined;
  /** https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension */
  readonly dependencyDescriptor?: number | undefined;
}

/** One encoding of a picture that is sent in several (simulcast). */
export interface NegotiatedLayer {
  /** Its RID (RFC 8851); for offers that name sources instead (`a=ssrc-group:SIM`), its position in those: `0` is the smallest. */
  readonly rid: string;
  /** Where the offer names it. */
  readonly ssrc?: number | undefined;
  readonly rtxSsrc?: number | undefined;
}

/** One track of a publisher as it was negotiated. */
export interface NegotiatedTrack {
  readonly kind: 'video' | 'audio';
  readonly codec: Codec;
  readonly payloadType: number;
  /** Of RTP: 90000 for video, 48000 for Opus, 8000 for G.711 and G.722; for AAC not always the sampling rate. */
  readonly clockRate: number;
  /** Payload type of retransmissions (RFC 4588 §8.1). */
  readonly rtxPayloadType?: number | undefined;
  /** The sources that the offer names, by `a=ssrc` and `a=ssrc-group:FID`. */
  readonly ssrc?: number | undefined;
  readonly rtxSsrc?: number | undefined;
  /** H.264 only; 1 by default. */
  readonly packetizationMode?: 0 | 1 | undefined;
  /** H.264 and H.265 only: NAL units may have start codes in them, as cameras send them; false by default. */
  readonly startCodes?: boolean | undefined;
  /** AAC only: how its frames lie in the packets; AAC-hbr of RFC 3640 by default. */
  readonly aac?: AacPayloadFormat | undefined;
  /** Decoder configuration that the offer has, such as `sprop-parameter-sets`, as `Track.parameters` wants it. */
  readonly parameters?: readonly Uint8Array[] | undefined;
  /** Channels that an audio decoder is to give, 2 by default. */
  readonly channels?: 1 | 2 | undefined;
  /**
   * The encodings of a picture that is sent in several, in the order of the offer, which says nothing of their sizes;
   * empty or absent for one that is sent once. `ssrc` and `rtxSsrc` of the track are without meaning then.
   */
  readonly layers?: readonly NegotiatedLayer[] | undefined;
  /** Payload type of the codec's packets with redundancy (RFC 2198). */
  readonly redPayloadType?: number | undefined;
  readonly feedback: TrackFeedback;
  readonly extensions: TrackExtensions;
}

/**
 * What becomes of video frames when packets are lost for good.
 * - `TOLERANT`: everything is given on, incomplete frames too.
 * - `DEFAULT`: incomplete frames are left out.
 * - `STRICT`: so are all frames from there to the next key frame.
 */
export type JitterBufferStrictness = 'DEFAULT' | 'TOLERANT' | 'STRICT';

/** The settings of functions-2 §5.5 and §5.7 that concern what publishers send, as a door has resolved them. */
export interface ReceiveOptions {
  /** `jitter_buffer_capacity`: frames that are held at most while a packet before them is missing. */
  readonly jitterBufferCapacity: number;
  /** `jitter_buffer_strictness`, or STRICT for `use_strict_jitter_buffer`. */
  readonly strictness: JitterBufferStrictness;
  /** `rtcp_pli_request_interval`: least time between two requests for a key frame. */
  readonly keyFrameRequestIntervalMs: number;
  /** `periodic_fir_request_interval` where `periodic_fir_request` is on, else 0. */
  readonly periodicKeyFrameRequestMs: number;
  /** `webrtc_cc2_twcc`: false keeps transport-wide feedback back even where it was negotiated. */
  readonly transportCc: boolean;
  /** `webrtc_cc_min_bitrate`, `webrtc_cc_max_bitrate`: limits of what is asked of publishers by REMB. */
  readonly minBitrateBps: number;
  readonly maxBitrateBps: number;
  /** `rtp_activity_detecting`: time without media after which a publisher is given up; 0 for never. */
  readonly activityTimeoutMs: number;
  /** `rtp_activity_audio`, `rtp_activity_video`, for streams that their exclusions do not match. */
  readonly watchesAudio: boolean;
  readonly watchesVideo: boolean;
}

export const DEFAULT_RECEIVE_OPTIONS: ReceiveOptions = {
  jitterBufferCapacity: 60,
  strictness: 'DEFAULT',
  keyFrameRequestIntervalMs: 1000,
  periodicKeyFrameRequestMs: 0,
  transportCc: true,
  minBitrateBps: 30_000,
  maxBitrateBps: 10_000_000,
  activityTimeoutMs: 60_000,
  watchesAudio: true,
  watchesVideo: true,
};
