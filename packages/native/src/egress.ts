import type { LaneBatch } from './lane-batch.ts';
import type { ReceivedBatch } from './received-batch.ts';
import type { SrtpMasterKey, SrtpProfile } from './srtp/index.ts';

/** What a media port is opened with. */
export interface EgressOptions {
  /** IPv4 or IPv6 address to bind; its family is that of all peers. */
  readonly address: string;
  /** 0: any that is free. */
  readonly port: number;
  /**
   * Told all that came since the last call, at most once per turn of the event loop. The batch's bytes may be kept, the
   * batch itself may not.
   */
  onReceived(batch: ReceivedBatch): void;
  /** Of the socket, bytes; 0 leaves the system's default. Default 4 MiB each. */
  readonly receiveBufferBytes?: number;
  readonly sendBufferBytes?: number;
  /** False never puts datagrams together with UDP GSO. Default: where the kernel can, which is tried. */
  readonly gso?: boolean;
  /** What waits longer than this for the system to take it is given up, ms. Default 150. */
  readonly maxQueueMs?: number;
  /** What waits for the sending thread at most, bytes. Default 16 MiB. */
  readonly maxQueueBytes?: number;
  /** What came and waits for JavaScript at most, bytes. Default 4 MiB. */
  readonly maxIncomingBytes?: number;
}

/** Keys of one peer, from its handshake. */
export interface PeerKeys {
  readonly profile: SrtpProfile;
  readonly send: SrtpMasterKey;
  /** With them RTP and RTCP of the peer's addresses are opened; without, they come as they are. */
  readonly receive?: SrtpMasterKey;
  /** A packet may be sent again under the same number, byte for byte. Default false. */
  readonly allowRepeats?: boolean;
}

/** Where a packet that is written already has what is filled in at the moment of sending; 0 or absent: it has it not. */
export interface RtpPlaces {
  /** Of the two bytes of the transport-wide number. */
  readonly transportSequenceAt?: number;
  /** Of the three bytes of the time of sending. */
  readonly sendTimeAt?: number;
  /** 16 bits that `sentSince` gives back for the packet; where it has a transport-wide number. */
  readonly mark?: number;
}

/** How packets of a lane are written for one peer. Extensions without id are left out; ids are 1 to 255. */
export interface RtpFormat {
  readonly ssrc: number;
  readonly payloadType: number;
  /** Added to the lane's timestamps; the low 32 bits count. */
  readonly timestampOffset: number;
  readonly transportSequenceId?: number | undefined;
  readonly sendTimeId?: number | undefined;
  readonly orientationId?: number | undefined;
  /** Added to PictureID and TL0PICIDX of VP8 (RFC 7741 §4.2). Only for VP8. */
  readonly vp8?: { readonly pictureIdOffset: number; readonly tl0Offset: number } | undefined;
}

export interface LaneOptions {
  /** The newest packets are kept, up to so many, so many bytes, and so old. */
  readonly maxPackets: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  /** Sound: never waits for the pacing of a peer, though it counts. Pictures wait. */
  readonly prompt: boolean;
}

export interface FollowOptions {
  readonly lane: number;
  /**
   * Sequence number in the lane of the first packet that the peer gets. Where the lane does not keep it any more, the
   * track goes on at a start point as one that lags does.
   */
  readonly from: number;
  /** The peer's number for that packet, unwrapped; others follow with the lane's distances. */
  readonly number: number;
  /** What waits longer than this for pacing is dropped up to a start point, ms. */
  readonly maxQueueMs: number;
  readonly format: RtpFormat;
}

/** Where a track stands. `number = sequence + numberOffset` holds for packets of the lane from `segment` on. */
export interface TrackState {
  /** Sequence number in the lane of the first packet that was not sent. */
  readonly nextSequence: number;
  /** Newest number that was sent, unwrapped; one less than the first if none was. */
  readonly lastNumber: number;
  /** RTP timestamp of that packet; 0 if none was. */
  readonly lastTimestamp: number;
  readonly packets: number;
  /** Of payload. */
  readonly bytes: number;
  /** How often what waited was given up. */
  readonly drops: number;
  /** When a start point of a picture left last, `performance.now()`; 0: never. */
  readonly keyFrameMs: number;
  readonly numberOffset: number;
  readonly segment: number;
  /** Nothing is sent up to the next start point. */
  readonly awaitsStart: boolean;
  /** How long what is sent next has waited, ms; 0 when nothing waits. */
  readonly lagMs: number;
}

/** One packet of a lane, sent again: as a retransmission (RFC 4588), or as it was where `originalNumber` is absent. */
export interface ResendOptions {
  readonly lane: number;
  readonly sequence: number;
  /** The number that it gets, unwrapped or not. */
  readonly number: number;
  /** The number that it had for this peer, which goes before the payload. */
  readonly originalNumber?: number;
  /** SSRC and payload type are those of the retransmissions. */
  readonly format: RtpFormat;
}

/** Since the port was opened. */
export interface EgressStats {
  readonly packets: number;
  readonly bytes: number;
  /** Messages that the system was given: fewer than packets with GSO. */
  readonly messages: number;
  readonly syscalls: number;
  /** How often the system had no room. */
  readonly again: number;
  /** Packets lost because of that. */
  readonly dropped: number;
  /** Packets that the system refused because of their address. */
  readonly unreachable: number;
  /** Packets that were sent one by one after the system had refused them together. */
  readonly sentSingly: number;
  /** Packets that would have had a number twice, or were no RTP. */
  readonly refused: number;
  /** Packets to be sent again that were not kept any more. */
  readonly resendMisses: number;
  /** How often tracks lagged so much that they went on with another start point. */
  readonly laneDrops: number;
  readonly received: number;
  readonly receivedBytes: number;
  /** Datagrams lost because JavaScript did not take them. */
  readonly incomingDropped: number;
  /** Datagrams that the kernel lost, where it tells. */
  readonly kernelDropped: number;
  /** Datagrams that were not authentic, came twice or were broken. */
  readonly rejected: number;
  /** Bytes that wait for the thread. */
  readonly queuedBytes: number;
  readonly peers: number;
  readonly lanes: number;
  readonly gso: boolean;
}

export interface PeerStats {
  readonly packets: number;
  /** Of RTP without encryption. */
  readonly bytes: number;
  readonly dropped: number;
  readonly unreachable: number;
  readonly refused: number;
  readonly received: number;
  readonly receivedBytes: number;
  readonly malformed: number;
  readonly unauthentic: number;
  readonly replayed: number;
  /** Transport-wide number of the packet that is sent next, unwrapped; the first is 1. */
  readonly nextTransportNumber: number;
}

/** How many numbers `sentSince` writes for each packet: its transport-wide number, time of sending, bytes, mark. */
export const SENT_FIELDS = 4;

/**
 * One UDP port with the peers behind it: owns what is encrypted, numbered and sent, so that no key and number is ever
 * used twice. Packets go out in two ways, in one order for each peer: written by the caller one by one (`sendRtp`), or
 * written once for all as packets of a lane that peers follow. Methods throw only for arguments that are wrong; what the
 * network does is counted. Ids are never used again.
 */
export interface Egress {
  /** What does the work, and why that. */
  readonly implementation: 'native' | 'typescript';
  readonly reason: string;
  readonly port: number;
  readonly address: string;

  /**
   * Takes a peer in and gives its id, a positive number. It is sent nothing before it has an address.
   * @throws RangeError for keys of a wrong length
   */
  addPeer(keys: PeerKeys): number;
  /** The peer is sent to there from now on, and known by it: also what was handed over before and has not left. */
  setAddress(peer: number, address: string, port: number): void;
  /**
   * The peer is reached another way from now on: what is to be sent to it comes as records of kind `sealed`, until it has
   * an address again.
   */
  divert(peer: number): void;
  /** Takes SRTP or SRTCP of the peer that came another way; it comes opened, as if by the port. May be changed in place. */
  takeIn(peer: number, datagram: Buffer): void;
  /** What comes from there is the peer's, too; at most 16 addresses for a peer. False when there are too many. */
  addRoute(peer: number, address: string, port: number): boolean;
  removeRoute(peer: number, address: string, port: number): void;
  /** Lets a peer go; what was handed over before still leaves. An id that is not known any more is no error. */
  removePeer(peer: number): void;
  /** Pictures wait so that no more than this leaves, bits a second, and so many bytes at once; 0: no limit. */
  setPacing(peer: number, bps: number, burstBytes: number): void;

  /** Sends a whole RTP packet, which is copied. The caller numbers it. Hot path. */
  sendRtp(peer: number, packet: Uint8Array, places?: RtpPlaces): void;
  sendRtcp(peer: number, packet: Uint8Array): void;
  /** Sends any bytes anywhere: STUN, DTLS. */
  sendRaw(address: string, port: number, datagram: Uint8Array): void;
  /** Sends a packet of a lane again, if it is kept. */
  resend(peer: number, options: ResendOptions): void;
  /** Hands over what was to be sent; happens by itself at the end of each turn. */
  flush(): void;

  /** Gives the id of a lane, a positive number. */
  openLane(options: LaneOptions): number;
  /** Nobody follows it any more; `unfollow` still tells where tracks stood. */
  closeLane(lane: number): void;
  /** Adds packets to a lane, best a whole frame at once, and sends them to all who follow it. The bytes are copied. */
  push(lane: number, batch: LaneBatch): void;
  /**
   * From now on the peer gets the lane's packets.
   * @throws Error when the peer or the lane is unknown, follows with that SSRC already, or there are too many
   */
  follow(peer: number, options: FollowOptions): void;
  /** Stops it and tells exactly how far it came; undefined when that peer does not follow anything with that SSRC. */
  unfollow(peer: number, ssrc: number): TrackState | undefined;
  /** Where a track stands at this moment, for reports. What was pushed just now may be still to be sent. */
  trackState(peer: number, ssrc: number): TrackState | undefined;

  /**
   * Writes what left under transport-wide numbers from that one on, oldest first, as far as it is kept and `out` has
   * room: `SENT_FIELDS` numbers for each. Gives how many packets.
   */
  sentSince(peer: number, number: number, out: Float64Array): number;
  stats(): EgressStats;
  /** Undefined for a peer that is not known. */
  peerStats(peer: number): PeerStats | undefined;
  /** What was handed over leaves, unless the system is slow; then the port is free. Idempotent. */
  close(): Promise<void>;
}
