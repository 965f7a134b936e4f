import { randomBytes } from 'node:crypto';
import { DtlsAssociation } from '@sluice/server/wire/webrtc/dtls/association';
import type { DtlsCertificate, DtlsSrtpKeys } from '@sluice/server/wire/webrtc/dtls/types';
import { isIntegrityRight, readStun, StunWriter } from '@sluice/server/wire/webrtc/stun/index';
import type { AnswerFacts, RemoteEndpoint } from './answer.ts';
import type { DatagramSocket, OpenDatagrams } from './datagrams.ts';
import { type IceCredentials, newIceCredentials } from './offer.ts';

/** What a peer is told and asked. */
export interface ClientPeerEvents {
  /** Media can flow. */
  connected(keys: DtlsSrtpKeys, nowMs: number): void;
  /** RTP and RTCP, encrypted. The memory may be written. */
  media(datagram: Buffer, nowMs: number): void;
  /** It is over; once, and not after `close`. */
  lost(reason: string): void;
}

const SRTP_PROFILES = ['AEAD_AES_128_GCM', 'AES_CM_128_HMAC_SHA1_80'] as const;
/** Before the first check is repeated; then twice as long each time, as a busy server answers late (RFC 8489 §6.2.1). */
const FIRST_CHECK_MS = 200;
const MAX_CHECK_MS = 1600;
/** Between checks after one was answered (RFC 7675 §5.1). */
const CONSENT_MS = 4000;
/** A server that has not answered any check for so long is gone. */
const CONSENT_TIMEOUT_MS = 30_000;
/** Checks that may still be answered; older ones are forgotten. */
const MAX_ASKED = 32;
/** Of a peer-reflexive candidate (RFC 8445 §5.1.2.1). */
const PRIORITY = 110 * 2 ** 24 + 65_535 * 2 ** 8 + 255;
const TRANSACTION_ID_BYTES = 12;

/**
 * The client's side of one WebRTC connection up to decrypted keys: it checks all candidates of the server, takes the
 * first that answers, shakes hands there and keeps the consent fresh.
 */
export class ClientPeer {
  readonly local: IceCredentials = newIceCredentials();
  readonly #certificate: DtlsCertificate;
  readonly #events: ClientPeerEvents;
  readonly #tieBreaker = randomBytes(8).readBigUInt64BE(0);
  #socket: DatagramSocket | undefined;
  #answer: AnswerFacts | undefined;
  #dtls: DtlsAssociation | undefined;
  #selected: RemoteEndpoint | undefined;
  /** Endpoints that were asked, by the transaction. */
  readonly #asked = new Map<string, RemoteEndpoint>();
  #rounds = 0;
  #checkedMs = Number.NEGATIVE_INFINITY;
  #answeredMs = 0;
  #connected = false;
  #over = false;
  #closed: Promise<void> | undefined;

  constructor(certificate: DtlsCertificate, events: ClientPeerEvents) {
    this.#certificate = certificate;
    this.#events = events;
  }

  /** Takes a port. */
  async open(openDatagrams: OpenDatagrams): Promise<void> {
    this.#socket = await openDatagrams((datagram, nowMs) => this.#receive(datagram, nowMs));
    if (this.#over) await this.#socket.close();
  }

  /** Begins to look for a way to the server that gave this answer. */
  connect(answer: AnswerFacts, nowMs: number): void {
    if (this.#over) return;
    this.#answer = answer;
    this.#answeredMs = nowMs;
    this.#dtls = new DtlsAssociation({
      role: answer.dtlsRole,
      certificate: this.#certificate,
      remoteFingerprints: answer.fingerprints,
      srtpProfiles: SRTP_PROFILES,
      send: (datagram) => this.send(datagram),
      onConnected: (keys) => {
        this.#connected = true;
        this.#events.connected(keys, performance.now());
      },
      onClosed: (reason, detail) => this.#lose(`DTLS ${reason}: ${detail}`),
    });
    this.tick(nowMs);
  }

  /** Called about every 20 ms. */
  tick(nowMs: number): void {
    const answer = this.#answer;
    if (answer === undefined || this.#over) return;
    if (!this.#connected) this.#dtls?.tick(nowMs);
    if (nowMs - this.#checkedMs < this.#checkIntervalMs) return;
    if (nowMs - this.#answeredMs > CONSENT_TIMEOUT_MS) return this.#lose('the server answers no connectivity checks');
    this.#checkedMs = nowMs;
    if (this.#selected !== undefined) return this.#check(this.#selected);
    // The likeliest is asked alone at first, then the others too.
    for (const endpoint of answer.endpoints.slice(0, this.#rounds === 0 ? 1 : undefined)) this.#check(endpoint);
    this.#rounds++;
  }

  /** To where the server was found to be. */
  send(datagram: Uint8Array): void {
    if (!this.#over || this.#closed === undefined) this.#socket?.send(datagram, this.#selected);
  }

  /** Says goodbye. Idempotent. */
  close(): Promise<void> {
    this.#over = true;
    this.#dtls?.close();
    this.#closed ??= this.#socket?.close() ?? Promise.resolve();
    return this.#closed;
  }

  get #checkIntervalMs(): number {
    if (this.#selected !== undefined) return CONSENT_MS;
    return Math.min(MAX_CHECK_MS, FIRST_CHECK_MS * 2 ** (this.#rounds - 1));
  }

  #check(endpoint: RemoteEndpoint): void {
    const remote = this.#answer?.ice;
    if (remote === undefined) return;
    const [oldest] = this.#asked.keys();
    if (this.#asked.size >= MAX_ASKED && oldest !== undefined) this.#asked.delete(oldest);
    const id = randomBytes(TRANSACTION_ID_BYTES);
    this.#asked.set(id.toString('latin1'), endpoint);
    const request = new StunWriter('request', id)
      .username(`${remote.ufrag}:${this.local.ufrag}`)
      .priority(PRIORITY)
      .role('controlling', this.#tieBreaker);
    // Until one has answered none is nominated: the server would answer to the newest, and we hear but one.
    if (this.#selected !== undefined) request.useCandidate();
    this.#socket?.send(request.finish(remote.pwd), endpoint);
  }

  /** Hot path: all that comes; nearly all of it is media (RFC 7983 §7). */
  #receive(datagram: Buffer, nowMs: number): void {
    if (this.#over) return;
    const first = datagram[0] ?? 0;
    if (first >= 128 && first <= 191) this.#events.media(datagram, nowMs);
    else if (first <= 3) this.#onStun(datagram, nowMs);
    else if (first >= 20 && first <= 63) this.#dtls?.receive(datagram, nowMs);
  }

  #onStun(datagram: Buffer, nowMs: number): void {
    const message = readStun(datagram);
    const answer = this.#answer;
    if (message === undefined || answer === undefined) return;
    if (message.class === 'request') {
      // Servers that are no ICE lite check the way too; they know our address from our own checks.
      const from = this.#selected ?? answer.endpoints[0];
      if (from === undefined || !isIntegrityRight(datagram, message, this.local.pwd)) return;
      const success = new StunWriter('success', message.transactionId).xorMappedAddress(from);
      return this.#socket?.send(success.finish(this.local.pwd), from);
    }
    const endpoint = this.#asked.get(message.transactionId.toString('latin1'));
    if (message.class !== 'success' || endpoint === undefined) return;
    if (!isIntegrityRight(datagram, message, answer.ice.pwd)) return;
    this.#asked.delete(message.transactionId.toString('latin1'));
    this.#answeredMs = nowMs;
    if (this.#selected === undefined) this.#select(endpoint);
  }

  #select(endpoint: RemoteEndpoint): void {
    this.#selected = endpoint;
    const begin = (): void => {
      if (this.#over) return;
      this.#check(endpoint);
      this.#dtls?.start(performance.now());
    };
    this.#socket?.connect(endpoint.port, endpoint.address).then(begin, (error: unknown) => this.#lose(String(error)));
  }

  #lose(reason: string): void {
    if (this.#over) return;
    void this.close();
    this.#events.lost(reason);
  }
}
