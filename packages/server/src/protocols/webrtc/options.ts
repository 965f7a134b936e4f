import { DEFAULT_RECEIVE_OPTIONS, type ReceiveOptions } from '../../rtp/index.ts';
import { DEFAULT_QUALITY_POLICY, type QualityPolicyOptions } from './send/quality-policy.ts';
import { FeedbackBandwidth, type ViewerBandwidth } from './send/viewer-bandwidth.ts';
import type { DtlsCertificate } from './wire/dtls/types.ts';
import type { RtpAudioCodec, RtpVideoCodec } from './wire/offer-answer/index.ts';

export interface WebRtcOptions {
  /** Local address to listen on; `::` is all. */
  readonly host: string;
  /** UDP port of all media; 0 for any that is free. */
  readonly port: number;
  /** Addresses that peers are told; empty for those of this machine. */
  readonly addresses: readonly string[];
  readonly certificate: DtlsCertificate;
  readonly maxPeers: number;
  /** How long the first connectivity check may take, milliseconds. */
  readonly iceTimeoutMs: number;
  /** How long the DTLS handshake may take after that. */
  readonly dtlsTimeoutMs: number;
  /** A peer whose checks stop for this long has gone (RFC 7675). */
  readonly consentTimeoutMs: number;
  /** Sizes asked of the system for the socket; 0 for its own. */
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
  /** In order of preference. */
  readonly videoCodecs: readonly RtpVideoCodec[];
  readonly audioCodecs: readonly RtpAudioCodec[];
  /** H.264 profiles in order of preference, `profile-level-id` in hexadecimal. */
  readonly h264Profiles: readonly string[];
  /** Written into answers to publishers; 0 for none. */
  readonly sdpMinBitrateBps: number;
  readonly sdpMaxBitrateBps: number;
  /** Publishers are offered transport-wide congestion control rather than REMB. */
  readonly transportCc: boolean;
  /** How what a publisher of that stream sends is received. */
  receiveOptionsFor(streamName: string): ReceiveOptions;
  /** Most bytes of RTP payload in packets that are made here. */
  readonly maxPayloadBytes: number;
  /** How players are moved between the qualities of a stream. */
  readonly qualityPolicy: QualityPolicyOptions;
  /** What estimates the way to one player. */
  newBandwidth(): ViewerBandwidth;
}

/** What may be left out, with its default. */
export type WebRtcOptionsInput = Partial<WebRtcOptions> & Pick<WebRtcOptions, 'certificate'>;

/** Options with all that was left out. */
export function resolveWebRtcOptions(options: WebRtcOptionsInput): WebRtcOptions {
  return {
    host: '::',
    port: 0,
    addresses: [],
    maxPeers: 10_000,
    iceTimeoutMs: 15_000,
    dtlsTimeoutMs: 15_000,
    consentTimeoutMs: 30_000,
    receiveBufferBytes: 4 * 1024 * 1024,
    sendBufferBytes: 4 * 1024 * 1024,
    videoCodecs: ['h264', 'vp8', 'vp9', 'av1', 'h265'],
    audioCodecs: ['opus', 'pcma', 'pcmu', 'g722'],
    h264Profiles: ['42e01f', '640028', '4d001f'],
    sdpMinBitrateBps: 0,
    sdpMaxBitrateBps: 0,
    transportCc: true,
    receiveOptionsFor: () => DEFAULT_RECEIVE_OPTIONS,
    maxPayloadBytes: 1200,
    qualityPolicy: DEFAULT_QUALITY_POLICY,
    newBandwidth: () => new FeedbackBandwidth(),
    ...options,
  };
}
