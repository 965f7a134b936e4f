import { createECDH, type ECDH, timingSafeEqual } from 'node:crypto';
import { Alert, HandshakeError } from './alerts.ts';
import { HandshakeType } from './constants.ts';
import type { Extensions } from './hello-messages.ts';
import { Secrets, transcriptHash } from './key-schedule.ts';
import { type HandshakeMessage, handshakeMessage } from './reassembly.ts';
import type { WriteKeys } from './records.ts';
import type { DtlsOptions, DtlsSrtpKeys } from './types.ts';

/** Which epoch a handshake message is written in; ChangeCipherSpec stands between them (RFC 6347 §4.1). */
export type FlightItem =
  | { readonly kind: 'message'; readonly epoch: 0 | 1; readonly message: HandshakeMessage }
  | { readonly kind: 'change-cipher-spec' };

/** Keys of epoch 1. */
export interface EpochKeys {
  readonly local: WriteKeys;
  readonly remote: WriteKeys;
}

/** What follows from a message of the peer. */
export interface HandshakeStep {
  /** From now on records of epoch 1 can be read and written. */
  readonly keys?: EpochKeys;
  /** Our next flight; the peer's flight before it is complete. */
  readonly flight?: readonly FlightItem[];
  /** The peer is who it should be, and both have seen the same handshake. */
  readonly connected?: DtlsSrtpKeys;
}

/** The state machine of one role: whole messages in order in, flights out. No time, no records. */
export interface Handshake {
  /** @throws HandshakeError when the message is wrong or not the one that is due */
  receive(message: HandshakeMessage): HandshakeStep;
  /** Whether a ChangeCipherSpec is due now: then, and only then, it counts and Finished is due next. */
  changeCipherSpec(): boolean;
}

/** What a handshake needs of the association's options. */
export type HandshakeOptions = Pick<DtlsOptions, 'certificate' | 'remoteFingerprints' | 'srtpProfiles'>;

/** A handshake that goes on without an answer. */
export const NOTHING: HandshakeStep = {};

/** All messages of a handshake in order, ours and the peer's (RFC 6347 §4.2.6), and the numbers of ours. */
export class Transcript {
  #messages: Buffer[] = [];
  #sequence = 0;

  get messages(): readonly Buffer[] {
    return this.#messages;
  }

  /** Everything until now as one piece, as CertificateVerify signs it (RFC 5246 §7.4.8). */
  get bytes(): Buffer {
    return Buffer.concat(this.#messages);
  }

  add(message: HandshakeMessage): void {
    this.#messages.push(message.bytes);
  }

  /** Makes our next message and adds it. */
  write(type: number, body: Buffer): HandshakeMessage {
    const message = handshakeMessage(type, this.#sequence, body);
    this.#sequence += 1;
    this.add(message);
    return message;
  }

  /** Forgets the messages but not the numbers: the first ClientHello does not count (RFC 6347 §4.2.1). */
  restart(): void {
    this.#messages = [];
  }
}

/** An item of a flight that is written before ChangeCipherSpec. */
export function plain(message: HandshakeMessage): FlightItem {
  return { kind: 'message', epoch: 0, message };
}

/** ChangeCipherSpec and the Finished that follows it (RFC 5246 §7.1: immediately before Finished). */
export function finishing(finished: HandshakeMessage): FlightItem[] {
  return [{ kind: 'change-cipher-spec' }, { kind: 'message', epoch: 1, message: finished }];
}

/** One ephemeral key pair on P-256 (RFC 8422 §5.10), made anew for each handshake. */
export class KeyAgreement {
  readonly publicKey: Buffer;
  readonly #ecdh: ECDH;

  constructor() {
    this.#ecdh = createECDH('prime256v1');
    this.publicKey = this.#ecdh.generateKeys();
  }

  /**
   * Gives the secrets of the session.
   * @throws HandshakeError illegal_parameter when the peer's point is not on the curve (RFC 8422 §5.11)
   */
  secrets(peerKey: Buffer, transcript: Transcript, randoms: { client: Buffer; server: Buffer }): Secrets {
    let premaster: Buffer;
    try {
      premaster = this.#ecdh.computeSecret(peerKey);
    } catch {
      throw new HandshakeError(Alert.illegalParameter, 'the peer’s public key is not a point of the curve');
    }
    const sessionHash = transcriptHash(transcript.messages);
    const secrets = new Secrets({
      premaster,
      sessionHash,
      clientRandom: randoms.client,
      serverRandom: randoms.server,
    });
    premaster.fill(0);
    return secrets;
  }
}

/**
 * Compares a Finished with what it must be (RFC 5246 §7.4.9). The message must not be in the transcript yet.
 * @throws HandshakeError decode_error, decrypt_error
 */
export function checkFinished(message: HandshakeMessage, expected: Buffer): void {
  if (message.body.length !== expected.length) {
    throw new HandshakeError(Alert.decodeError, `finished of ${message.body.length} bytes`);
  }
  if (!timingSafeEqual(message.body, expected)) throw new HandshakeError(Alert.decryptError, 'wrong finished');
}

/** What both hellos must have alike. @throws HandshakeError handshake_failure, decode_error */
export function checkCommonExtensions(extensions: Extensions, types: { ems: number; renegotiation: number }): void {
  const ems = extensions.get(types.ems);
  // RFC 7627 §5.2: who will not do without the extension MUST abort when it is missing. §5.1: it is empty.
  if (ems === undefined) {
    throw new HandshakeError(Alert.handshakeFailure, 'the peer does not do extended master secret');
  }
  if (ems.length > 0) throw new HandshakeError(Alert.decodeError, 'extended_master_secret is not empty');
  // RFC 5746 §3.4 and §3.6: in an initial handshake it holds nothing, or somebody splices handshakes together.
  const renegotiation = extensions.get(types.renegotiation);
  if (renegotiation !== undefined && !renegotiation.equals(Buffer.of(0))) {
    throw new HandshakeError(Alert.handshakeFailure, 'renegotiation_info is not empty');
  }
}

/** @throws HandshakeError unexpected_message */
export function unexpected(message: HandshakeMessage, state: string): never {
  const name = Object.entries(HandshakeType).find(([, type]) => type === message.type)?.[0] ?? `type ${message.type}`;
  throw new HandshakeError(Alert.unexpectedMessage, `${name} when ${state} was due`);
}
