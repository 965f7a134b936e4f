export { DEFAULT_WEBRTC_RELAY_OPTIONS, type WebRtcRelayOptions } from './options.ts';
export { type WebRtcRelayDeps, type WebRtcRelayOptionsInput, WebRtcRelayProtocol } from './relay-protocol.ts';
