export {
  type InputPort,
  type InputPortEvents,
  type InputPortOpen,
  type OpenSrtInput,
  openInRange,
  type PortRange,
  type SenderList,
} from './input-port.ts';
export { DEFAULT_TRANSPORT_STREAM_OPTIONS, type TransportStreamOptions } from './options.ts';
export { isTsCarriable, TsFormat } from './packager.ts';
export { type TransportStreamDeps, TransportStreamServer } from './server.ts';
export { DEFAULT_SRT_SERVER_OPTIONS, type SrtServerOptions } from './srt/options.ts';
export {
  DEFAULT_SRT_RELAY_OPTIONS,
  type SrtRelayDeps,
  type SrtRelayOptions,
  SrtRelayProtocol,
} from './srt/relay-protocol.ts';
export { SrtServer, type SrtServerDeps } from './srt/server.ts';
export { srtInputs } from './srt/srt-input.ts';
export { TsToStream, type TsToStreamCounts, type TsToStreamOptions } from './to-stream.ts';
export { type UdpRelayDeps, UdpRelayProtocol } from './udp-relay.ts';
