import { DEFAULT_RECEIVE_OPTIONS, type ReceiveOptions } from '../../rtp/index.ts';
import { DEFAULT_QUALITY_POLICY, type QualityPolicyOptions } from './send/quality-policy.ts';
import { FeedbackBandwidth, type ViewerBandwidth } from './send/viewer-bandwidth.ts';
import type { DtlsCertificate } from './wire/dtls/types.ts';
import type { RtpAudioCodec, RtpVideoCodec } from './wire/offer-answer/index.ts';

/** Media by TCP (RFC 6544), with frames of RFC 4571. */
export interface IceTcpOptions {
  readonly maxConnections: number;
  /** What may wait for one connection to become writable, bytes. */
  readonly sendBufferBytes: number;
  /** What one connection may have sent of a packet that is not whole yet, bytes. */
  readonly receiveBufferBytes: number;
  /** When more than this waits for all connections together, those that are behind get nothing new until no more than `lowWaterBytes` does. */
  readonly highWaterBytes: number;
  readonly lowWaterBytes: number;
}

export const DEFAULT_ICE_TCP: IceTcpOptions = Object.freeze({
  maxConnections: 10_000,
  sendBufferBytes: 1_048_576,
  receiveBufferBytes: 1_048_576,
  highWaterBytes: 52_428_800,
  lowWaterBytes: 5_242_880,
});

/** How what goes to one player is fitted to the way to it. */
export interface SendingOptions {
  /** The way is estimated by transport-wide congestion control where the player can; else by losses and REMB. */
  readonly transportCc: boolean;
  readonly pacing: boolean;
  /** Packets are held until their time on the stream's clock has come; at most so many frames. 0: they are not. */
  readonly timedFrames: number;
  /** What the way is believed to carry before it is known. */
  readonly startBitrateBps: number;
  /** Pictures are left out where the least quality is too much. */
  readonly thinning: boolean;
}

export const DEFAULT_SENDING: SendingOptions = Object.freeze({
  transportCc: true,
  pacing: true,
  timedFrames: 0,
  startBitrateBps: 1_000_000,
  thinning: true,
});

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
  /** Media by TCP, on the TCP port of the same number; undefined for none. */
  readonly tcp: IceTcpOptions | undefined;
  /** Who does not ask for a transport is offered TCP alone. */
  readonly prefersTcp: boolean;
  /** Publishers may send several encodings of their picture, */
  readonly simulcast: boolean;
  /** and are kept from sending those that nobody has watched for so long; undefined: they never are. */
  readonly pauseLayersAfterMs: number | undefined;
  /** Opus may come and go with redundancy (RFC 2198). */
  readonly red: boolean;
  /** How what goes to one player is fitted to the way to it. */
  readonly sending: SendingOptions;
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
    tcp: DEFAULT_ICE_TCP,
    prefersTcp: false,
    simulcast: true,
    pauseLayersAfterMs: 30_000,
    red: true,
    sending: DEFAULT_SENDING,
    qualityPolicy: DEFAULT_QUALITY_POLICY,
    newBandwidth: () => new FeedbackBandwidth(),
    ...options,
  };
}
