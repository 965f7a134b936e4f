import type { WebRtcOptions } from '../options.ts';

/** How streams are exchanged with other servers by WebRTC: as with browsers, and a little more. */
export interface WebRtcRelayOptions
  extends Pick<
    WebRtcOptions,
    | 'host'
    | 'tcp'
    | 'addresses'
    | 'certificate'
    | 'receiveBufferBytes'
    | 'sendBufferBytes'
    | 'videoCodecs'
    | 'audioCodecs'
    | 'h264Profiles'
    | 'transportCc'
    | 'receiveOptionsFor'
    | 'maxPayloadBytes'
  > {
  /** Certificates of servers must be valid (https, wss). */
  readonly tlsVerify: boolean;
  /** Application of WCS that is connected to, unless an address says another one. */
  readonly appKey: string;
  /** Larger answers and messages of servers are refused. */
  readonly maxAnswerBytes: number;
  /** How long it may take to tell the other side that it is over. */
  readonly closeTimeoutMs: number;
  /** Addresses of the other side that are tried at most. */
  readonly maxCandidates: number;
}

export const DEFAULT_WEBRTC_RELAY_OPTIONS = {
  tlsVerify: true,
  appKey: 'defaultApp',
  maxAnswerBytes: 128 * 1024,
  closeTimeoutMs: 2000,
  maxCandidates: 24,
} as const satisfies Partial<WebRtcRelayOptions>;
