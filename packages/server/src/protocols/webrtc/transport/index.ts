export { datagramKind, isRtcp } from './demux.ts';
export type { EgressPeer, MediaChannel } from './media-channel.ts';
export { MediaTransport } from './media-transport.ts';
export type {
  DatagramPort,
  DatagramSource,
  MediaTransportOptions,
  PathVia,
  PeerPath,
  TransportCounters,
  TransportLink,
  TransportPeer,
} from './options.ts';
export { OutgoingTransport, type OutgoingTransportOptions } from './outgoing-transport.ts';
export { PeerLink } from './peer-link.ts';
