import type { SdpFingerprint } from '@sluice/media';
import type { RtpCodec } from './policy.ts';

/** What an offer and our policy agree on; all that a peer needs to run, and `writeAnswer` to answer. */
export interface NegotiatedMedia {
  /** One for each section of the offer, in its order. */
  readonly sections: readonly NegotiatedSection[];
  /** The accepted sections, at most one a kind. At least one of them is there. */
  readonly video: NegotiatedTrack | undefined;
  readonly audio: NegotiatedTrack | undefined;
  /** The client's ICE credentials. */
  readonly remoteIce: { readonly ufrag: string; readonly pwd: string };
  /** Fingerprints of the client's certificate with hash functions that are safe; at least one. */
  readonly fingerprints: readonly SdpFingerprint[];
  /** Our role in DTLS: `passive` is the server. */
  readonly setup: 'active' | 'passive';
  /** The offer has a BUNDLE group, so the answer has one. */
  readonly bundled: boolean;
  /** One- and two-byte header extensions may be mixed (RFC 8285 §4.1.2). */
  readonly extmapAllowMixed: boolean;
}

export type NegotiatedSection = NegotiatedTrack | RejectedSection;

/** One codec of a section that is used, with the client's numbers for it. */
export type NegotiatedFormat = Pick<
  NegotiatedTrack,
  | 'codec'
  | 'encodingName'
  | 'payloadType'
  | 'clockRate'
  | 'channels'
  | 'formatParameters'
  | 'packetizationMode'
  | 'rtxPayloadType'
  | 'redPayloadType'
  | 'feedback'
>;

/** A media section that is used. */
export interface NegotiatedTrack {
  readonly accepted: true;
  readonly kind: 'video' | 'audio';
  /** Absent when the offer names none. */
  readonly mid: string | undefined;
  /** As offered: `UDP/TLS/RTP/SAVPF`. */
  readonly protocol: string;
  /** As the server sees it. */
  readonly direction: 'recvonly' | 'sendonly';
  readonly codec: RtpCodec;
  /** The codec's name in SDP, as the client writes it: `H264`, `opus`. */
  readonly encodingName: string;
  readonly payloadType: number;
  /** Ticks a second of RTP timestamps; 8000 for G.722, whose sampling rate is 16000. */
  readonly clockRate: number;
  readonly channels: number;
  /** Parameters as the answer has them; empty for none. */
  readonly formatParameters: string;
  /** H.264 only. */
  readonly packetizationMode: 0 | 1 | undefined;
  /**
   * When sending: `same` is the stream as it is; `differs` is the stream's codec in a profile that the client did not
   * offer, which browsers play all the same; `converted` is another codec. When receiving: `same`.
   */
  readonly match: 'same' | 'differs' | 'converted';
  /** Retransmissions (RFC 4588) come and go with this payload type; undefined when there are none. */
  readonly rtxPayloadType: number | undefined;
  /** Payload type of the codec with redundancy (RFC 2198): Opus only. */
  readonly redPayloadType?: number | undefined;
  /** Encodings of a picture that the client sends in several (RFC 8853), in the order of the offer; absent for one. */
  readonly layers?: readonly NegotiatedLayer[] | undefined;
  readonly feedback: NegotiatedFeedback;
  /** Another codec that it may be changed to while it is sent. */
  readonly also?: NegotiatedFormat | undefined;
  readonly extensions: NegotiatedExtensions;
  /** What the client says about its own sources; all undefined or empty for a client that plays. */
  readonly sources: OfferedSources;
  readonly reducedSizeRtcp: boolean;
}

/** One encoding of several: its RID, or its position among the sources of `a=ssrc-group:SIM`. */
export interface NegotiatedLayer {
  readonly rid: string;
  readonly ssrc?: number | undefined;
  readonly rtxSsrc?: number | undefined;
}

/** RTCP feedback that both sides know (RFC 4585, RFC 5104 and what Chromium adds). */
export interface NegotiatedFeedback {
  readonly nack: boolean;
  readonly pli: boolean;
  readonly fir: boolean;
  /** Transport-wide congestion control; its header extension is there too. */
  readonly transportCc: boolean;
  /** Where a client plays, never together with `transportCc`; where it publishes, a limit beside that. */
  readonly remb: boolean;
}

/** Ids of RTP header extensions, as offered; undefined for those that are not used. */
export interface NegotiatedExtensions {
  readonly transportCc: number | undefined;
  readonly absSendTime: number | undefined;
  readonly mid: number | undefined;
  readonly audioLevel: number | undefined;
  readonly videoOrientation: number | undefined;
  /** Names of a picture's encodings (RFC 8852), and the same for their retransmissions. */
  readonly rid?: number | undefined;
  readonly repairedRid?: number | undefined;
  readonly dependencyDescriptor?: number | undefined;
}

/** Sources of a section as the client announces them; a client that names none is known by payload type or mid. */
export interface OfferedSources {
  readonly ssrc: number | undefined;
  readonly rtxSsrc: number | undefined;
  readonly cname: string | undefined;
  readonly all: readonly number[];
}

/** A media section that is answered with port 0, or as inactive where the client needs its transport. */
export interface RejectedSection {
  readonly accepted: false;
  /** As offered: `audio`, `video`, `application`, … */
  readonly kind: string;
  readonly mid: string | undefined;
  readonly protocol: string;
  /** What the answer repeats. */
  readonly formats: readonly string[];
  readonly reason: RejectReason;
  /**
   * Set when the section stays, inactive and with this format, because it is the one whose transport the bundle uses.
   * Chromium with `max-bundle` has no transport for the other sections, and nothing in its offer says so.
   */
  readonly kept?:
    | Pick<NegotiatedTrack, 'payloadType' | 'encodingName' | 'clockRate' | 'channels' | 'formatParameters'>
    | undefined;
}

/**
 * Why a section is not used. `disabled`: it has port 0 in the offer. `kind`: neither sound nor picture by RTP over
 * DTLS. `direction`: the client does not send, or receive, in it. `surplus`: there is another one of its kind.
 * `not_bundled`: it is outside the BUNDLE group. `not_in_stream`: the stream has nothing of its kind. `codecs`: no
 * codec in common.
 */
export type RejectReason = 'disabled' | 'kind' | 'direction' | 'surplus' | 'not_bundled' | 'not_in_stream' | 'codecs';
