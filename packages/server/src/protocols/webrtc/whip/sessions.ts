import { randomBytes, randomUUID } from 'node:crypto';
import {
  ENDING_INFO,
  type IceCredentials,
  infoOfEnd,
  type PeerEndReason,
  type PeerSession,
} from '../../../core/index.ts';
import { Admission } from './admission.ts';
import { credentialsOfOffer, restartFragment } from './fragment.ts';

/** 128 bits: who knows the address of a session may change and end it (RFC 9725 §5). */
const ID_BYTES = 16;
const ETAG_BYTES = 8;

/** A WHIP or WHEP session: a peer, and the HTTP resource that stands for it. */
export class WhipSession {
  /** Can't be guessed; the last part of the address. */
  readonly id = randomBytes(ID_BYTES).toString('base64url');
  readonly mediaSessionId = randomUUID();
  /** As the client calls it. */
  readonly streamName: string;
  readonly way: 'publish' | 'play';
  readonly admission = new Admission();
  /** Aborts what is being set up. */
  readonly abort = new AbortController();
  #etag = newEtag();
  #peer: PeerSession | undefined;
  #remoteIce: IceCredentials | undefined;
  #ended: string | undefined;

  constructor(way: 'publish' | 'play', streamName: string, offer: string) {
    this.way = way;
    this.streamName = streamName;
    this.#remoteIce = credentialsOfOffer(offer);
  }

  /** Names the ICE session that runs (RFC 9725 §4.3.1); new after each restart. */
  get etag(): string {
    return this.#etag;
  }

  /** Why it is over, or undefined while it is not. */
  get ended(): string | undefined {
    return this.#ended;
  }

  /** True when the answer is there and the peer has not ended. */
  get isRunning(): boolean {
    return this.#peer !== undefined && this.#ended === undefined;
  }

  /** The peer is set up; one that comes too late is closed. */
  begin(peer: PeerSession): void {
    this.#peer = peer;
    if (this.#ended !== undefined) peer.close();
  }

  /** True when the client's credentials are others than those in use, which is how it restarts ICE. */
  isRestart({ ufrag, pwd }: IceCredentials): boolean {
    return this.#remoteIce?.ufrag !== ufrag || this.#remoteIce.pwd !== pwd;
  }

  /** Restarts ICE; gives the fragment for the client, or undefined when the session is not running. */
  restart(remote: IceCredentials): string | undefined {
    const peer = this.#peer;
    if (peer === undefined || !this.isRunning) return undefined;
    const local = peer.restartIce(remote);
    this.#remoteIce = remote;
    this.#etag = newEtag();
    return restartFragment(peer.answer, local);
  }

  /** The peer ended by itself. */
  peerEnded(reason: PeerEndReason, detail: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = `${reason}: ${detail}`;
    const status = reason === 'peer_closed' || reason === 'file_finished' ? this.#stopped : 'FAILED';
    this.admission.end({ status, info: infoOfEnd(reason, detail), reason: this.#ended });
  }

  /** It could not begin. */
  fail(info: string): void {
    this.#ended ??= info;
    this.admission.end({ status: 'FAILED', info, reason: info });
  }

  /** Ends the peer, or what is being set up; `info` is for the back end. Idempotent. */
  close(reason: string, info: string = ENDING_INFO.sessionDisconnect): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.abort.abort();
    this.#peer?.close();
    const wished = info === ENDING_INFO.stoppedByUser;
    this.admission.end({ status: this.#stopped, info, wished, reason });
  }

  get #stopped(): 'UNPUBLISHED' | 'STOPPED' {
    return this.way === 'publish' ? 'UNPUBLISHED' : 'STOPPED';
  }
}

function newEtag(): string {
  return `"${randomBytes(ETAG_BYTES).toString('hex')}"`;
}
