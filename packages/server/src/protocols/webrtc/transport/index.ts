export { datagramKind, isRtcp } from './demux.ts';
export type { TransportLink, TransportPeer, UdpTransportCounters, UdpTransportOptions } from './options.ts';
export { OutgoingTransport, type OutgoingTransportOptions } from './outgoing-transport.ts';
export { PeerLink } from './peer-link.ts';
export { UdpTransport } from './udp-transport.ts';
