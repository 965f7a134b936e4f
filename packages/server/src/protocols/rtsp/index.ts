export {
  DEFAULT_RTSP_RELAY_OPTIONS,
  parseInterleavedChannels,
  type RtspRelayOptions,
} from './client/options.ts';
export { type RtspRelayDeps, RtspRelayProtocol } from './client/relay-protocol.ts';
export type { RtspServerDeps } from './server/context.ts';
export {
  DEFAULT_RTSP_SERVER_OPTIONS,
  type RtspAddress,
  type RtspServerOptions,
  type RtspUdpAddress,
} from './server/options.ts';
export { RtspServer } from './server/server.ts';
