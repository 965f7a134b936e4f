import { type KeyObject, randomBytes } from 'node:crypto';
import { signEcdsa } from '../certificate.ts';
import { CIPHER_SUITE, ContentType, DTLS_1_2, ExtensionType, HandshakeType, SignatureScheme } from '../constants.ts';
import { KeyAgreement, Transcript } from '../handshake.ts';
import {
  type ClientHello,
  parseClientHello,
  parseServerHello,
  type ServerHello,
  writeClientHello,
  writeServerHello,
  writeUseSrtp,
} from '../hello-messages.ts';
import {
  parseClientKeyExchange,
  parseServerKeyExchange,
  writeCertificate,
  writeCertificateRequest,
  writeCertificateVerify,
  writeClientKeyExchange,
  writeServerKeyExchange,
  writeServerParameters,
} from '../key-messages.ts';
import type { Secrets } from '../key-schedule.ts';
import { type HandshakeMessage, handshakeMessage, Reassembly, readFragments } from '../reassembly.ts';
import { type DtlsRecord, openRecord, RecordWriter, readRecords, type WriteKeys } from '../records.ts';
import { list16 } from '../vectors.ts';
import type { End } from './pair.ts';

const NO_BYTES = Buffer.alloc(0);

/** A message as one fragment in the plaintext of a record. */
export function whole(message: HandshakeMessage): Buffer {
  return message.bytes;
}

/**
 * A peer that does only what a test tells it, message by message, right or wrong, against one association of ours. It
 * keeps the transcript and reads what comes back.
 */
abstract class HandmadePeer {
  readonly end: End;
  readonly transcript = new Transcript();
  readonly agreement = new KeyAgreement();
  readonly random = randomBytes(32);
  readonly plain = new RecordWriter(0);
  secured: RecordWriter | undefined;
  secrets: Secrets | undefined;
  /** Messages of the association, in order. */
  readonly messages: HandshakeMessage[] = [];
  /** Alerts of the association: epoch, level, description. */
  readonly alerts: number[][] = [];
  /** All its records of epoch 1. */
  readonly protectedRecords: DtlsRecord[] = [];
  /** Changes the body of a message that is about to be sent. */
  alter: (type: number, body: Buffer) => Buffer = (_, body) => body;
  /** Time that the association is told. */
  nowMs = 0;
  protected remoteRandom: Buffer = NO_BYTES;
  readonly #reassembly = new Reassembly();
  #readKeys: WriteKeys | undefined;

  constructor(end: End) {
    this.end = end;
  }

  /** Sends bytes as a datagram and reads the answers. */
  datagram(bytes: Buffer): void {
    this.end.association.receive(bytes, this.nowMs);
    this.read();
  }

  /** Sends one record without protection. */
  record(type: number, plaintext: Buffer): void {
    this.datagram(this.plain.write(type, plaintext));
  }

  /** Sends one record of epoch 1. */
  protect(type: number, plaintext: Buffer): void {
    if (this.secured === undefined) throw new Error('no keys yet');
    this.datagram(this.secured.write(type, plaintext));
  }

  /** Makes the next message, adds it to the transcript and sends it whole. */
  message(type: number, body: Buffer, epoch: 0 | 1 = 0): HandshakeMessage {
    const message = this.transcript.write(type, this.alter(type, body));
    if (epoch === 0) this.record(ContentType.handshake, whole(message));
    else this.protect(ContentType.handshake, whole(message));
    return message;
  }

  changeCipherSpec(): void {
    this.record(ContentType.changeCipherSpec, Buffer.of(1));
  }

  /** Types of the messages that have come. */
  get types(): number[] {
    return this.messages.map((message) => message.type);
  }

  /** Reads what the association has sent meanwhile. */
  read(): void {
    for (const datagram of this.end.outgoing.splice(0)) for (const record of readRecords(datagram)) this.#take(record);
  }

  protected abstract understand(message: HandshakeMessage): void;

  protected useSecrets(secrets: Secrets, role: 'client' | 'server'): void {
    this.secrets = secrets;
    const keys = secrets.recordKeys();
    this.secured = new RecordWriter(1, role === 'client' ? keys.client : keys.server);
    this.#readKeys = role === 'client' ? keys.server : keys.client;
  }

  #take(record: DtlsRecord): void {
    if (record.epoch === 1) this.protectedRecords.push(record);
    const open = record.epoch === 1 && this.#readKeys !== undefined;
    const plaintext = open && this.#readKeys !== undefined ? openRecord(this.#readKeys, record) : record.fragment;
    if (plaintext === undefined) throw new Error('a record of the association cannot be opened');
    if (record.type === ContentType.alert) this.alerts.push([record.epoch, ...plaintext]);
    if (record.type !== ContentType.handshake) return;
    for (const fragment of readFragments(plaintext)) {
      this.#reassembly.push(fragment);
      for (let message = this.#reassembly.take(); message !== undefined; message = this.#reassembly.take()) {
        this.messages.push(message);
        this.transcript.add(message);
        this.understand(message);
      }
    }
  }
}

/** A client made by hand. The methods in their order are a right handshake. */
export class HandmadeClient extends HandmadePeer {
  #serverPoint: Buffer = NO_BYTES;

  /** A hello that offers everything. */
  offer(changes: Partial<ClientHello> = {}): ClientHello {
    return {
      version: DTLS_1_2,
      random: this.random,
      sessionId: NO_BYTES,
      cookie: NO_BYTES,
      cipherSuites: [CIPHER_SUITE],
      compressionMethods: [0],
      extensions: this.extensions(),
      ...changes,
    };
  }

  /** The extensions of `offer`, some replaced or, when undefined, left out. */
  extensions(changes: ReadonlyMap<number, Buffer | undefined> = new Map()): ReadonlyMap<number, Buffer> {
    const all = new Map<number, Buffer | undefined>([
      [ExtensionType.renegotiationInfo, Buffer.of(0)],
      [ExtensionType.extendedMasterSecret, NO_BYTES],
      [ExtensionType.supportedGroups, list16([29, 23])],
      [ExtensionType.ecPointFormats, Buffer.of(1, 0)],
      [ExtensionType.signatureAlgorithms, list16([SignatureScheme.ecdsaSha256, SignatureScheme.rsaPkcs1Sha256])],
      [ExtensionType.useSrtp, writeUseSrtp([8, 7, 1])],
      ...changes,
    ]);
    return new Map([...all].flatMap(([type, body]) => (body === undefined ? [] : [[type, body] as const])));
  }

  hello(changes: Partial<ClientHello> = {}): void {
    this.message(HandshakeType.clientHello, writeClientHello(this.offer(changes)));
  }

  certificate(...certificates: Buffer[]): void {
    this.message(HandshakeType.certificate, writeCertificate(certificates));
  }

  /** Sends our point, or another. */
  keyExchange(point = this.agreement.publicKey): void {
    const body = this.alter(HandshakeType.clientKeyExchange, writeClientKeyExchange(point));
    const message = this.transcript.write(HandshakeType.clientKeyExchange, body);
    const randoms = { client: this.random, server: this.remoteRandom };
    this.useSecrets(this.agreement.secrets(this.#serverPoint, this.transcript, randoms), 'client');
    this.record(ContentType.handshake, whole(message));
  }

  verify(key: KeyObject, scheme: number = SignatureScheme.ecdsaSha256): void {
    const signature = signEcdsa(key, this.transcript.bytes);
    this.message(HandshakeType.certificateVerify, writeCertificateVerify({ scheme, signature }));
  }

  verifyData(): Buffer {
    return this.secrets?.verifyData('client', this.transcript.messages) ?? NO_BYTES;
  }

  finished(verifyData = this.verifyData(), epoch: 0 | 1 = 1): HandshakeMessage {
    return this.message(HandshakeType.finished, verifyData, epoch);
  }

  protected understand(message: HandshakeMessage): void {
    if (message.type === HandshakeType.serverHello) this.remoteRandom = parseServerHello(message.body).random;
    if (message.type === HandshakeType.serverKeyExchange) {
      this.#serverPoint = parseServerKeyExchange(message.body).publicKey;
    }
  }
}

/** A server made by hand. Start the association first; then the methods in their order are a right handshake. */
export class HandmadeServer extends HandmadePeer {
  /** A hello that answers a full offer. */
  answer(changes: Partial<ServerHello> = {}): ServerHello {
    return {
      version: DTLS_1_2,
      random: this.random,
      sessionId: NO_BYTES,
      cipherSuite: CIPHER_SUITE,
      compressionMethod: 0,
      extensions: this.extensions(),
      ...changes,
    };
  }

  /** The extensions of `answer`, some replaced or, when undefined, left out. */
  extensions(changes: ReadonlyMap<number, Buffer | undefined> = new Map()): ReadonlyMap<number, Buffer> {
    const all = new Map<number, Buffer | undefined>([
      [ExtensionType.renegotiationInfo, Buffer.of(0)],
      [ExtensionType.extendedMasterSecret, NO_BYTES],
      [ExtensionType.useSrtp, writeUseSrtp([7])],
      ...changes,
    ]);
    return new Map([...all].flatMap(([type, body]) => (body === undefined ? [] : [[type, body] as const])));
  }

  hello(changes: Partial<ServerHello> = {}): void {
    this.message(HandshakeType.serverHello, writeServerHello(this.answer(changes)));
  }

  certificate(...certificates: Buffer[]): void {
    this.message(HandshakeType.certificate, writeCertificate(certificates));
  }

  keyExchange(key: KeyObject, o: { parameters?: Buffer; randoms?: Buffer; scheme?: number } = {}): void {
    const parameters = o.parameters ?? writeServerParameters(this.agreement.publicKey);
    const randoms = o.randoms ?? Buffer.concat([this.remoteRandom, this.random]);
    const signature = signEcdsa(key, Buffer.concat([randoms, parameters]));
    const scheme = o.scheme ?? SignatureScheme.ecdsaSha256;
    this.message(HandshakeType.serverKeyExchange, writeServerKeyExchange(parameters, { scheme, signature }));
  }

  request(types: readonly number[] = [64, 1], signatureSchemes: readonly number[] = [0x0403]): void {
    this.message(HandshakeType.certificateRequest, writeCertificateRequest({ types, signatureSchemes }));
  }

  done(): void {
    this.message(HandshakeType.serverHelloDone, NO_BYTES);
  }

  verifyData(): Buffer {
    return this.secrets?.verifyData('server', this.transcript.messages) ?? NO_BYTES;
  }

  finished(verifyData = this.verifyData(), epoch: 0 | 1 = 1): void {
    this.message(HandshakeType.finished, verifyData, epoch);
  }

  /** Asks for a cookie: neither this nor the hello before it counts for the transcript. */
  helloVerifyRequest(cookie: Buffer): void {
    const body = Buffer.concat([Buffer.of(0xfe, 0xff, cookie.length), cookie]);
    const altered = this.alter(HandshakeType.helloVerifyRequest, body);
    const message = this.transcript.write(HandshakeType.helloVerifyRequest, altered);
    this.transcript.restart();
    this.record(ContentType.handshake, whole(message));
  }

  /** A message that is not part of the transcript, with a number of the test's choice. */
  stray(type: number, body: Buffer, o: { sequence: number; epoch: 0 | 1 }): void {
    const bytes = whole(handshakeMessage(type, o.sequence, body));
    if (o.epoch === 0) this.record(ContentType.handshake, bytes);
    else this.protect(ContentType.handshake, bytes);
  }

  protected understand(message: HandshakeMessage): void {
    if (message.type === HandshakeType.clientHello) this.remoteRandom = parseClientHello(message.body).random;
    if (message.type === HandshakeType.clientKeyExchange) {
      const randoms = { client: this.remoteRandom, server: this.random };
      const point = parseClientKeyExchange(message.body);
      this.useSecrets(this.agreement.secrets(point, this.transcript, randoms), 'server');
    }
  }
}
