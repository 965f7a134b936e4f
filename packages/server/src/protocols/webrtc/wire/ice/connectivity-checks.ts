import { randomBytes } from 'node:crypto';
import { StunWriter } from '../stun/index.ts';
import type { IceCredentials } from './credentials.ts';

/** Which side decides on the path (RFC 8445 §6.1.1). */
export type IceRole = 'controlling' | 'controlled';

/** A check that was sent and may still be answered. */
export interface SentCheck<Pair> {
  readonly pair: Pair;
  readonly role: IceRole;
  readonly nominates: boolean;
}

/** More than a peer can have unanswered at a time: checks of all pairs, each several times. */
const MAX_UNANSWERED = 256;
const TRANSACTION_ID_BYTES = 12;
/** Of what the other side would learn by our check (RFC 8445 §7.1.1): type preference of a peer-reflexive candidate. */
const PEER_REFLEXIVE_PRIORITY = 110 * 2 ** 24 + 65_535 * 2 ** 8 + 255;

/** Writes checks and knows what each answer belongs to. The oldest unanswered ones are forgotten. */
export class ConnectivityChecks<Pair> {
  readonly #local: IceCredentials;
  readonly #remote: IceCredentials;
  readonly #unanswered = new Map<string, SentCheck<Pair>>();

  constructor(local: IceCredentials, remote: IceCredentials) {
    this.#local = local;
    this.#remote = remote;
  }

  /** The datagram of a new check (RFC 8445 §7.2.2). */
  write(check: SentCheck<Pair>, tieBreaker: bigint): Buffer {
    const id = randomBytes(TRANSACTION_ID_BYTES);
    const [oldest] = this.#unanswered.keys();
    if (this.#unanswered.size >= MAX_UNANSWERED && oldest !== undefined) this.#unanswered.delete(oldest);
    this.#unanswered.set(id.toString('base64'), check);
    const message = new StunWriter('request', id)
      .username(`${this.#remote.ufrag}:${this.#local.ufrag}`)
      .priority(PEER_REFLEXIVE_PRIORITY)
      .role(check.role, tieBreaker);
    if (check.nominates) message.useCandidate();
    return message.finish(this.#remote.pwd);
  }

  /** What an answer belongs to; undefined for an answer to nothing. It stays until it is `settle`d. */
  find(transactionId: Buffer): SentCheck<Pair> | undefined {
    return this.#unanswered.get(transactionId.toString('base64'));
  }

  settle(transactionId: Buffer): void {
    this.#unanswered.delete(transactionId.toString('base64'));
  }
}
