import { ProtocolError, parseRtcp, parseRtp, type RtcpPacket, type RtpPacket } from '@sluice/media';
import type { RtpPlaces, SentPackets } from '@sluice/native';
import type { Counters, IceCredentials, PeerEndReason } from '../../core/index.ts';
import { type PeerFacts, peerFacts } from './explain/peer-facts.ts';
import type { RtpSink } from './send/send-track.ts';
import type { SendBuffer } from './send-buffer.ts';
import type { EgressPeer, MediaChannel, PathVia, TransportLink, TransportPeer } from './transport/index.ts';
import { DtlsAssociation } from './wire/dtls/association.ts';
import type { DtlsCertificate, DtlsSrtpKeys } from './wire/dtls/types.ts';

/** What a peer's media consist of: publishing or playing. */
export interface PeerMedia {
  /** Media can flow in both directions. */
  onConnected(nowMs: number): void;
  onRtp(packet: RtpPacket, nowMs: number): void;
  onRtcp(packets: readonly RtcpPacket[], nowMs: number): void;
  /** What left under transport-wide numbers, before feedback that may name it. To be read at once. */
  onSent?(packets: SentPackets, at: number): void;
  /** Packets of the track with that SSRC, which follows a lane, were not sent. */
  onTrackDropped?(ssrc: number): void;
  /** Every 20 ms or so while connected. */
  tick(nowMs: number): void;
  /** After a tick: for how long it need not be called, milliseconds; 0 or absent: as ever. */
  readonly restMs?: number;
}

export interface PeerOptions {
  readonly remote: IceCredentials;
  readonly certificate: DtlsCertificate;
  readonly remoteFingerprints: readonly { readonly algorithm: string; readonly value: string }[];
  readonly dtlsRole: 'client' | 'server';
  /** A packet may be sent twice under the same number, byte for byte: the peer has no retransmission stream. */
  readonly resendsAsIs: boolean;
  readonly iceTimeoutMs: number;
  readonly dtlsTimeoutMs: number;
}

export interface PeerDeps {
  /** Where the peer's datagrams come from and go to. */
  readonly transport: { register(peer: TransportPeer, remote: IceCredentials): TransportLink };
  readonly buffer: SendBuffer;
  readonly counters: Counters;
  onEnded(reason: PeerEndReason, detail: string): void;
  /** Its rest has ended before the time that `restsUntilMs` told. */
  onWoken?(peer: Peer): void;
}

/** Space for what encryption adds to a packet. */
const PROTECTION_BYTES = 64;

/** One peer's transport: connectivity, handshake, encryption. Media come in by `media` and go out by `sink`. */
export class Peer implements TransportPeer, RtpSink {
  bytesIn = 0;
  readonly #options: PeerOptions;
  readonly #deps: PeerDeps;
  readonly #dtls: DtlsAssociation;
  readonly #createdMs = performance.now();
  #media: PeerMedia | undefined;
  #link: TransportLink | undefined;
  #connectivityMs = -1;
  #keysMs = -1;
  #restsUntilMs = 0;
  #profile: string | undefined;
  #channel: MediaChannel | undefined;
  /** Handshakes. */
  #plainBytesOut = 0;
  #closed = false;
  /** What was so when it ended by itself. */
  #last: PeerFacts | undefined;

  constructor(options: PeerOptions, deps: PeerDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#dtls = new DtlsAssociation({
      role: options.dtlsRole,
      certificate: options.certificate,
      remoteFingerprints: options.remoteFingerprints,
      srtpProfiles: ['AEAD_AES_128_GCM', 'AES_CM_128_HMAC_SHA1_80'],
      send: (datagram) => this.#sendRaw(datagram),
      onConnected: (keys) => this.#onKeys(keys),
      onClosed: (reason, detail) => this.#onDtlsClosed(reason, detail),
    });
  }

  get connected(): boolean {
    return this.#channel !== undefined;
  }

  /** Nothing is due before, `performance.now()`; 0: call `tick` as ever. */
  get restsUntilMs(): number {
    return this.#restsUntilMs;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get bytesOut(): number {
    return this.#plainBytesOut + (this.#channel?.bytesOut ?? 0);
  }

  /** Where packets can be sent to it that others get as well; undefined before it is connected, and without. */
  get shared(): EgressPeer | undefined {
    return this.#channel?.shared;
  }

  /** How its datagrams come and go; undefined while there is no way. */
  get via(): PathVia | undefined {
    return this.#link?.path?.via;
  }

  /** Bytes that wait in this process for its connection; always 0 by UDP, where nothing waits. */
  get queuedBytes(): number {
    return this.#link?.path?.queuedBytes ?? 0;
  }

  /** What it knows of the connection, for people; of one that ended by itself, what was so then. */
  explain(nowMs: number): PeerFacts {
    if (this.#last !== undefined) return this.#last;
    return peerFacts({
      nowMs,
      createdMs: this.#createdMs,
      connectivityMs: this.#connectivityMs,
      keysMs: this.#keysMs,
      profile: this.#profile,
      closed: this.#closed,
      ice: this.#link?.ice,
      dtls: this.#dtls,
      role: this.#options.dtlsRole,
      srtp: this.#channel?.rejections,
    });
  }

  /** Begins to listen to the peer and gives our credentials for the answer. */
  start(media: PeerMedia): IceCredentials {
    this.#media = media;
    this.#link = this.#deps.transport.register(this, this.#options.remote);
    return this.#link.local;
  }

  /** New credentials of the peer; gives ours (RFC 8445 §9). */
  restartIce(remote: IceCredentials): IceCredentials {
    return this.#link?.restart(remote) ?? remote;
  }

  onPathChanged(path: { readonly address: string } | undefined): void {
    if (path === undefined || this.#connectivityMs >= 0) return;
    this.#connectivityMs = performance.now();
    this.#dtls.start(this.#connectivityMs);
  }

  onDtls(datagram: Buffer, nowMs: number): void {
    this.bytesIn += datagram.length;
    this.#dtls.receive(datagram, nowMs);
  }

  // Hot path: once per datagram of media that its channel has not taken.
  onSrtp(datagram: Buffer, nowMs: number): void {
    this.#channel?.receive(datagram, nowMs);
  }

  // Hot path: once per packet of media.
  onRtp(packet: Buffer, nowMs: number): void {
    this.bytesIn += packet.length;
    try {
      this.#media?.onRtp(parseRtp(packet), nowMs);
    } catch (error) {
      this.#onBadPacket(error);
    }
  }

  onRtcp(packet: Buffer, nowMs: number): void {
    this.bytesIn += packet.length;
    try {
      this.#media?.onRtcp(parseRtcp(packet), nowMs);
      this.#wake();
    } catch (error) {
      this.#onBadPacket(error);
    }
  }

  onSent(packets: SentPackets, at: number): void {
    this.#media?.onSent?.(packets, at);
  }

  onTrackDropped(ssrc: number): void {
    this.#media?.onTrackDropped?.(ssrc);
    this.#wake();
  }

  take(bytes: number): Buffer {
    return this.#deps.buffer.take(bytes + PROTECTION_BYTES);
  }

  sendRtp(buffer: Buffer, length: number, places?: RtpPlaces): void {
    if (this.#channel?.sendRtp(buffer, length, places) === false) this.#deps.buffer.leave();
  }

  sendRtcp(packet: Uint8Array): void {
    this.#channel?.sendRtcp(packet);
  }

  /** Looks after all that is a matter of time. Call every 20 ms or so. */
  tick(nowMs: number): void {
    if (this.#closed || nowMs < this.#restsUntilMs) return;
    this.#dtls.tick(nowMs);
    const { iceTimeoutMs, dtlsTimeoutMs } = this.#options;
    if (this.#connectivityMs < 0) {
      if (nowMs - this.#createdMs > iceTimeoutMs)
        this.#end('ice_timeout', `no connectivity check came within ${iceTimeoutMs} ms`);
      return;
    }
    if (!this.connected && nowMs - this.#connectivityMs > dtlsTimeoutMs)
      return this.#end('dtls_error', `the DTLS handshake was not finished within ${dtlsTimeoutMs} ms`);
    if (this.#link?.tick(nowMs) === false)
      return this.#end('ice_keep_alive', 'connectivity checks have stopped: the peer has gone or its way here is cut');
    if (!this.connected) return;
    this.#media?.tick(nowMs);
    const restMs = this.#media?.restMs ?? 0;
    this.#restsUntilMs = restMs > 0 ? nowMs + restMs : 0;
  }

  /** Says goodbye and lets go of everything. Idempotent; `onEnded` is not called. */
  close(): void {
    if (this.#closed) return;
    this.#dtls.close();
    this.#closed = true;
    this.#link?.[Symbol.dispose]();
    this.#channel?.close();
    this.#media = undefined;
  }

  #onKeys(keys: DtlsSrtpKeys): void {
    const { profile, local, remote } = keys;
    const allowRepeats = this.#options.resendsAsIs;
    this.#channel = this.#link?.openMedia({ profile, local, remote, allowRepeats }, this);
    this.#keysMs = performance.now();
    this.#profile = keys.profile;
    this.#media?.onConnected(this.#keysMs);
  }

  #onDtlsClosed(reason: 'fingerprint' | 'error' | 'timeout' | 'close_notify', detail: string): void {
    if (reason === 'fingerprint') this.#end('dtls_fingerprint', detail);
    else if (reason === 'close_notify') this.#end('peer_closed', detail);
    else this.#end('dtls_error', detail);
  }

  /** What was heard may be something to care for at once. */
  #wake(): void {
    if (this.#restsUntilMs === 0 || (this.#media?.restMs ?? 0) > 0) return;
    this.#restsUntilMs = 0;
    this.#deps.onWoken?.(this);
  }

  #sendRaw(datagram: Buffer): void {
    this.#plainBytesOut += datagram.length;
    this.#link?.send(datagram);
  }

  #onBadPacket(error: unknown): void {
    if (!(error instanceof ProtocolError)) throw error;
    this.#deps.counters.count('webrtc_bad_packets');
  }

  #end(reason: PeerEndReason, detail: string): void {
    if (this.#closed) return;
    this.#last = this.explain(performance.now());
    this.close();
    this.#deps.onEnded(reason, detail);
  }
}
