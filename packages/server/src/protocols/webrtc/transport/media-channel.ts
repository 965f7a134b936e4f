import type { Egress, RtpPlaces, SentPackets, SrtpMasterKey, SrtpProfile } from '@sluice/native';

/** What a handshake comes to, for one peer. */
export interface MediaKeys {
  readonly profile: SrtpProfile;
  readonly local: SrtpMasterKey;
  readonly remote: SrtpMasterKey;
  /** A packet may be sent again under the same number, byte for byte. */
  readonly allowRepeats: boolean;
}

/** Takes what a peer sends, authentic and opened. The bytes may be kept, and are views of larger memory. */
export interface MediaReceiver {
  onRtp(packet: Buffer, nowMs: number): void;
  onRtcp(packet: Buffer, nowMs: number): void;
  /** What left for the peer, before feedback that may name it. To be read at once. */
  onSent?(packets: SentPackets, at: number): void;
  /** What became of a track of the peer that follows a lane and could not be sent in time. */
  onTrackDropped?(ssrc: number): void;
}

/** What was not accepted of a peer's packets. */
export interface MediaRejections {
  readonly malformed: number;
  readonly unauthentic: number;
  readonly replayed: number;
}

/** A peer's place in a media port: packets can be sent there that all its viewers share. */
export interface EgressPeer {
  readonly egress: Egress;
  readonly id: number;
}

/** The encrypted way of one peer's media: one owner of its keys and numbers, whatever path the datagrams take. */
export interface MediaChannel {
  /** Undefined where packets can only be sent one by one. */
  readonly shared: EgressPeer | undefined;
  /**
   * Sends the RTP packet in the first bytes, behind which there is room for the encryption. False when that memory must be
   * left alone. Hot path.
   */
  sendRtp(packet: Buffer, length: number, places?: RtpPlaces): boolean;
  sendRtcp(packet: Uint8Array): void;
  /** Takes SRTP or SRTCP of the peer; what it is of comes to its receiver, then or later. */
  receive(datagram: Buffer, nowMs: number): void;
  readonly rejections: MediaRejections;
  /** Of RTP that was sent, without encryption. */
  readonly bytesOut: number;
  /** Nothing comes and goes any more; what it counted stays. Idempotent. */
  close(): void;
}
