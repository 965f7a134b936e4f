export { datagramKind, isRtcp } from './demux.ts';
export type { TransportPeer, UdpTransportCounters, UdpTransportOptions } from './options.ts';
export { PeerLink } from './peer-link.ts';
export { UdpTransport } from './udp-transport.ts';
