export type { ReceiveOptions } from '../../rtp/index.ts';
export {
  DEFAULT_WEBRTC_RELAY_OPTIONS,
  type WebRtcRelayDeps,
  type WebRtcRelayOptions,
  type WebRtcRelayOptionsInput,
  WebRtcRelayProtocol,
} from './client/index.ts';
export { type IceTcpOptions, resolveWebRtcOptions, type SendingOptions, type WebRtcOptions } from './options.ts';
export { type WebRtcDeps, WebRtcServer } from './server.ts';
export { type TurnAccess, type TurnDeps, type TurnLimits, type TurnOptions, TurnServer } from './turn/index.ts';
export { type IceServer, type WhipDeps, WhipMount, type WhipOptions } from './whip/index.ts';
export { createDtlsCertificate } from './wire/dtls/certificate.ts';
export { codecsFromNames } from './wire/offer-answer/index.ts';
