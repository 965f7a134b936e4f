/** What a report says about one source (RFC 3550 §6.4.1). */
export interface ReportBlock {
  /** The source that is reported on. */
  readonly ssrc: number;
  /** Share of packets lost since the report before, in 1/256, 0 to 255. */
  readonly fractionLost: number;
  /** Packets lost in all, -2^23 to 2^23 - 1; duplicates count as negative. */
  readonly cumulativeLost: number;
  /** Highest sequence number with the count of wraps in its upper 16 bits. */
  readonly highestSequence: number;
  /** Interarrival jitter in ticks of the payload's clock. */
  readonly jitter: number;
  /** Middle 32 bits of the NTP time of the newest sender report, 0 for none. */
  readonly lastSenderReport: number;
  /** Time since that report in 1/65536 s. */
  readonly delaySinceLastSenderReport: number;
}

/** RFC 3550 §6.4.1. */
export interface SenderReport {
  readonly ssrc: number;
  /** When the report was sent: seconds since 1900 and 1/2^32 of a second. */
  readonly ntpSeconds: number;
  readonly ntpFraction: number;
  /** The same instant in ticks of the payload's clock. */
  readonly rtpTimestamp: number;
  readonly packetCount: number;
  readonly octetCount: number;
  readonly reports: readonly ReportBlock[];
}

/** RFC 3550 §6.4.2. */
export interface ReceiverReport {
  readonly ssrc: number;
  readonly reports: readonly ReportBlock[];
}

/** The names of one source, RFC 3550 §6.5; what is not UTF-8 in them is U+FFFD. */
export interface SdesChunk {
  readonly ssrc: number;
  readonly cname: string | undefined;
  /** All items in their order; type 1 is CNAME. */
  readonly items: readonly { readonly type: number; readonly text: string }[];
}

/** Who sends feedback about whose packets, RFC 4585 §6.1. */
export interface FeedbackHeader {
  readonly senderSsrc: number;
  readonly mediaSsrc: number;
}

/** One request for a decoder refresh point, RFC 5104 §4.3.1. */
export interface FirRequest {
  readonly ssrc: number;
  /** Command sequence number, 0 to 255: a repeated request has the same. */
  readonly sequence: number;
}

/** A packet that arrived, in transport-wide feedback. */
export interface TwccArrival {
  /** Transport-wide sequence number, 0 to 65535. */
  readonly sequence: number;
  /** Arrival after the feedback's `referenceTimeMs`, in microseconds, a multiple of 250; may be negative. */
  readonly arrivalUs: number;
}

/** Transport-wide feedback, draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1. */
export interface TwccFeedback extends FeedbackHeader {
  /** First sequence number that the feedback is about. */
  readonly baseSequence: number;
  /** How many sequence numbers it is about, from `baseSequence` on; those not in `arrivals` did not come. */
  readonly packetCount: number;
  /** Multiple of 64 on the receiver's clock, of which only 24 bits (signed) are there. */
  readonly referenceTimeMs: number;
  /** Counts feedback packets modulo 256. */
  readonly feedbackCount: number;
  /** In order of sequence number. */
  readonly arrivals: readonly TwccArrival[];
}

/** Receiver estimated maximum bitrate, draft-alvestrand-rmcat-remb-03 §2.2. */
export interface Remb {
  readonly senderSsrc: number;
  /** Bits per second for all `ssrcs` together. */
  readonly bitrateBps: number;
  readonly ssrcs: readonly number[];
}

/** What a DLRR block says to one receiver, RFC 3611 §4.5. */
export interface DlrrReport {
  readonly ssrc: number;
  /** Middle 32 bits of the NTP time of that receiver's newest reference time, 0 for none. */
  readonly lastReceiverReference: number;
  /** Time since then in 1/65536 s. */
  readonly delaySinceLastReference: number;
}

/** Extended report, RFC 3611: the receiver's reference time and answers to such; other blocks are passed over. */
export interface ExtendedReport {
  readonly ssrc: number;
  /** Receiver reference time (§4.4): seconds since 1900 and 1/2^32 of a second. */
  readonly receiverReference: { readonly ntpSeconds: number; readonly ntpFraction: number } | undefined;
  readonly dlrr: readonly DlrrReport[];
}

/** One packet of a compound; byte arrays in it are views. */
export type RtcpPacket =
  | ({ readonly kind: 'sr' } & SenderReport)
  | ({ readonly kind: 'rr' } & ReceiverReport)
  | { readonly kind: 'sdes'; readonly chunks: readonly SdesChunk[] }
  | { readonly kind: 'bye'; readonly ssrcs: readonly number[]; readonly reason: string | undefined }
  | ({ readonly kind: 'nack' /** Sequence numbers, 0 to 65535. */; readonly lost: readonly number[] } & FeedbackHeader)
  | ({ readonly kind: 'pli' } & FeedbackHeader)
  | { readonly kind: 'fir'; readonly senderSsrc: number; readonly requests: readonly FirRequest[] }
  | ({ readonly kind: 'remb' } & Remb)
  | ({ readonly kind: 'twcc' } & TwccFeedback)
  | ({ readonly kind: 'xr' } & ExtendedReport)
  | {
      readonly kind: 'app';
      readonly ssrc: number;
      readonly subtype: number;
      readonly name: string;
      readonly data: Uint8Array;
    }
  | {
      readonly kind: 'unknown';
      readonly payloadType: number;
      /** The five bits after version and padding: a count or a feedback message type. */
      readonly count: number;
      readonly data: Uint8Array;
    };

/** RTCP packet types. */
export const RTCP_SR = 200;
export const RTCP_RR = 201;
export const RTCP_SDES = 202;
export const RTCP_BYE = 203;
export const RTCP_APP = 204;
export const RTCP_TRANSPORT_FEEDBACK = 205;
export const RTCP_PAYLOAD_FEEDBACK = 206;
export const RTCP_XR = 207;

/** Feedback message types, RFC 4585 §6.2 and §6.3, RFC 5104 §4.3. */
export const FMT_NACK = 1;
export const FMT_TWCC = 15;
export const FMT_PLI = 1;
export const FMT_FIR = 4;
export const FMT_APPLICATION = 15;

/** 'REMB' as a number. */
export const REMB_NAME = 0x52454d42;

/** SDES item type of the canonical name. */
export const SDES_CNAME = 1;

/** Block types of extended reports. */
export const XR_RECEIVER_REFERENCE = 4;
export const XR_DLRR = 5;

/** Bytes of a report block. */
export const REPORT_BLOCK_BYTES = 24;
