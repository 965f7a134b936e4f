export {
  type Egress,
  type EgressOptions,
  type EgressStats,
  type FollowOptions,
  type LaneOptions,
  type PeerKeys,
  type PeerStats,
  type ResendOptions,
  type RtpFormat,
  type RtpPlaces,
  SENT_FIELDS,
  type TrackState,
} from './egress.ts';
export { LaneBatch, type LanePacket } from './lane-batch.ts';
export type { DatagramPorts, ReceiveFromAll, SendToAll } from './native/addon.ts';
export { loadReceiveFromAll, loadSendToAll, missingAddon, openDatagramPorts, openEgress } from './open.ts';
export { ReceivedBatch, type ReceivedKind, type SentPackets, type TrackChange } from './received-batch.ts';
export type { SrtpMasterKey, SrtpProfile } from './srtp/index.ts';
