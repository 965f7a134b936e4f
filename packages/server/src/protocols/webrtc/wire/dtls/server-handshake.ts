import { type KeyObject, randomBytes } from 'node:crypto';
import { Alert, HandshakeError } from './alerts.ts';
import { checkSignature, peerPublicKey, signEcdsa } from './certificate.ts';
import {
  ACCEPTED_SIGNATURES,
  CertificateType,
  CIPHER_SUITE,
  DTLS_1_2,
  ExtensionType,
  HandshakeType,
  NAMED_GROUP_P256,
  RENEGOTIATION_SCSV,
  SignatureScheme,
} from './constants.ts';
import {
  checkCommonExtensions,
  checkFinished,
  finishing,
  type Handshake,
  type HandshakeOptions,
  type HandshakeStep,
  KeyAgreement,
  NOTHING,
  plain,
  Transcript,
  unexpected,
} from './handshake.ts';
import {
  type ClientHello,
  type Extensions,
  parseClientHello,
  parseList8,
  parseList16,
  parseSupportedVersions,
  parseUseSrtp,
  writeServerHello,
  writeUseSrtp,
} from './hello-messages.ts';
import {
  parseCertificate,
  parseCertificateVerify,
  parseClientKeyExchange,
  writeCertificate,
  writeCertificateRequest,
  writeServerKeyExchange,
  writeServerParameters,
} from './key-messages.ts';
import { type Secrets, srtpProfileId } from './key-schedule.ts';
import type { HandshakeMessage } from './reassembly.ts';
import type { SrtpProfile } from './types.ts';

type Due =
  | 'ClientHello'
  | 'Certificate'
  | 'ClientKeyExchange'
  | 'CertificateVerify'
  | 'ChangeCipherSpec'
  | 'Finished'
  | 'nothing';

/**
 * The server's side of a full handshake with mutual certificates (RFC 6347 §4.2.4, flights 3 to 6). There is no
 * HelloVerifyRequest: ICE has proved the client's address before, so nobody can be flooded in its name (RFC 6347 §4.2.1
 * allows it where amplification is no problem).
 */
export class ServerHandshake implements Handshake {
  readonly #options: HandshakeOptions;
  readonly #transcript = new Transcript();
  readonly #agreement = new KeyAgreement();
  readonly #random = randomBytes(32);
  #due: Due = 'ClientHello';
  #clientRandom: Buffer = Buffer.alloc(0);
  #profile: SrtpProfile | undefined;
  #peerKey: KeyObject | undefined;
  #secrets: Secrets | undefined;

  constructor(options: HandshakeOptions) {
    this.#options = options;
  }

  receive(message: HandshakeMessage): HandshakeStep {
    const { type } = message;
    const due = this.#due;
    // RFC 5246 §7.4: one order only; messages in another one are fatal.
    if (due === 'ClientHello' && type === HandshakeType.clientHello) return this.#onClientHello(message);
    if (due === 'Certificate' && type === HandshakeType.certificate) return this.#onCertificate(message);
    if (due === 'ClientKeyExchange' && type === HandshakeType.clientKeyExchange) return this.#onKeyExchange(message);
    if (due === 'CertificateVerify' && type === HandshakeType.certificateVerify) return this.#onVerify(message);
    if (due === 'Finished' && type === HandshakeType.finished) return this.#onFinished(message);
    return unexpected(message, due);
  }

  changeCipherSpec(): boolean {
    if (this.#due !== 'ChangeCipherSpec') return false;
    this.#due = 'Finished';
    return true;
  }

  #onClientHello(message: HandshakeMessage): HandshakeStep {
    const hello = parseClientHello(message.body);
    checkClientHello(hello);
    const profile = this.#chooseProfile(hello.extensions);
    this.#profile = profile;
    this.#clientRandom = Buffer.from(hello.random);
    this.#transcript.add(message);
    const transcript = this.#transcript;
    const { certificate } = this.#options;
    const parameters = writeServerParameters(this.#agreement.publicKey);
    // RFC 8422 §5.4: the signature covers both randoms and the parameters.
    const signed = Buffer.concat([this.#clientRandom, this.#random, parameters]);
    const signature = { scheme: SignatureScheme.ecdsaSha256, signature: signEcdsa(certificate.privateKey, signed) };
    const request = {
      types: [CertificateType.ecdsaSign, CertificateType.rsaSign],
      signatureSchemes: ACCEPTED_SIGNATURES,
    };
    const flight = [
      transcript.write(HandshakeType.serverHello, this.#serverHello(hello, profile)),
      transcript.write(HandshakeType.certificate, writeCertificate([certificate.certificate])),
      transcript.write(HandshakeType.serverKeyExchange, writeServerKeyExchange(parameters, signature)),
      // RFC 5763 §5, RFC 8827 §6.5: both sides show a certificate.
      transcript.write(HandshakeType.certificateRequest, writeCertificateRequest(request)),
      transcript.write(HandshakeType.serverHelloDone, Buffer.alloc(0)),
    ].map(plain);
    this.#due = 'Certificate';
    return { flight };
  }

  #chooseProfile(extensions: Extensions): SrtpProfile {
    const body = extensions.get(ExtensionType.useSrtp);
    if (body === undefined) throw new HandshakeError(Alert.handshakeFailure, 'the client does not offer SRTP');
    // RFC 5764 §4.1.3: an MKI that we do not use is answered with an empty one.
    const { profiles } = parseUseSrtp(body);
    const profile = this.#options.srtpProfiles.find((candidate) => profiles.includes(srtpProfileId(candidate)));
    if (profile === undefined)
      throw new HandshakeError(Alert.handshakeFailure, `no SRTP profile of ${profiles.join()}`);
    return profile;
  }

  #serverHello(hello: ClientHello, profile: SrtpProfile): Buffer {
    // RFC 5246 §7.4.1.4: only answers to what the client sent.
    const extensions = new Map<number, Buffer>();
    if (hello.extensions.has(ExtensionType.renegotiationInfo) || hello.cipherSuites.includes(RENEGOTIATION_SCSV)) {
      extensions.set(ExtensionType.renegotiationInfo, Buffer.of(0));
    }
    extensions.set(ExtensionType.extendedMasterSecret, Buffer.alloc(0));
    if (hello.extensions.has(ExtensionType.ecPointFormats)) {
      extensions.set(ExtensionType.ecPointFormats, Buffer.of(1, 0));
    }
    extensions.set(ExtensionType.useSrtp, writeUseSrtp([srtpProfileId(profile)]));
    return writeServerHello({
      version: DTLS_1_2,
      random: this.#random,
      // RFC 5246 §7.4.1.3: empty, the session will not be resumed.
      sessionId: Buffer.alloc(0),
      cipherSuite: CIPHER_SUITE,
      compressionMethod: 0,
      extensions,
    });
  }

  #onCertificate(message: HandshakeMessage): HandshakeStep {
    const der = parseCertificate(message.body);
    // RFC 5246 §7.4.6: a client without certificate sends an empty list, and the server may refuse with this alert.
    if (der === undefined) throw new HandshakeError(Alert.handshakeFailure, 'the client shows no certificate');
    this.#peerKey = peerPublicKey(der, this.#options.remoteFingerprints);
    this.#transcript.add(message);
    this.#due = 'ClientKeyExchange';
    return NOTHING;
  }

  #onKeyExchange(message: HandshakeMessage): HandshakeStep {
    const point = parseClientKeyExchange(message.body);
    this.#transcript.add(message);
    const randoms = { client: this.#clientRandom, server: this.#random };
    this.#secrets = this.#agreement.secrets(point, this.#transcript, randoms);
    const keys = this.#secrets.recordKeys();
    this.#due = 'CertificateVerify';
    return { keys: { local: keys.server, remote: keys.client } };
  }

  #onVerify(message: HandshakeMessage): HandshakeStep {
    if (this.#peerKey === undefined) return unexpected(message, 'Certificate');
    // RFC 5246 §7.4.8: over all messages before this one.
    checkSignature(this.#peerKey, this.#transcript.bytes, parseCertificateVerify(message.body));
    this.#transcript.add(message);
    this.#due = 'ChangeCipherSpec';
    return NOTHING;
  }

  #onFinished(message: HandshakeMessage): HandshakeStep {
    const secrets = this.#secrets;
    if (secrets === undefined || this.#profile === undefined) return unexpected(message, 'ClientKeyExchange');
    checkFinished(message, secrets.verifyData('client', this.#transcript.messages));
    this.#transcript.add(message);
    const verifyData = secrets.verifyData('server', this.#transcript.messages);
    this.#due = 'nothing';
    return {
      flight: finishing(this.#transcript.write(HandshakeType.finished, verifyData)),
      connected: secrets.srtpKeys(this.#profile, 'server'),
    };
  }
}

/** @throws HandshakeError when the client does not offer everything that we insist on */
function checkClientHello(hello: ClientHello): void {
  checkVersion(hello);
  const { extensions } = hello;
  if (!hello.cipherSuites.includes(CIPHER_SUITE)) {
    throw new HandshakeError(Alert.handshakeFailure, 'the client does not offer ECDHE-ECDSA-AES128-GCM-SHA256');
  }
  // RFC 5246 §7.4.1.2: the vector MUST contain null, which is all that we do.
  if (!hello.compressionMethods.includes(0)) {
    throw new HandshakeError(Alert.illegalParameter, 'the client does not offer null compression');
  }
  checkCommonExtensions(extensions, {
    ems: ExtensionType.extendedMasterSecret,
    renegotiation: ExtensionType.renegotiationInfo,
  });
  // RFC 8422 §5.1: without common curve the suite must not be chosen.
  requireOffer(extensions, ExtensionType.supportedGroups, NAMED_GROUP_P256);
  // RFC 5246 §7.4.1.4.1: left out, it would mean SHA-1, which we do not do.
  requireOffer(extensions, ExtensionType.signatureAlgorithms, SignatureScheme.ecdsaSha256);
  const formats = extensions.get(ExtensionType.ecPointFormats);
  // RFC 8422 §5.1.2: a client that sends the extension MUST list uncompressed.
  if (formats !== undefined && !parseList8(formats).includes(0)) {
    throw new HandshakeError(Alert.illegalParameter, 'the client does not take uncompressed points');
  }
}

function checkVersion(hello: ClientHello): void {
  // RFC 6347 §4.2.1 and RFC 5246 §E.1: newer versions have smaller numbers, and their clients take 1.2 when chosen.
  const older = hello.version > DTLS_1_2 || hello.version >> 8 !== 0xfe;
  const versions = hello.extensions.get(ExtensionType.supportedVersions);
  // RFC 8446 §4.2.1: with the list, only what it has may be chosen.
  const unlisted = versions !== undefined && !parseSupportedVersions(versions).includes(DTLS_1_2);
  if (older || unlisted) {
    throw new HandshakeError(Alert.protocolVersion, `version 0x${hello.version.toString(16)} without DTLS 1.2`);
  }
}

function requireOffer(extensions: Extensions, type: number, value: number): void {
  const body = extensions.get(type);
  if (body === undefined || !parseList16(body).includes(value)) {
    throw new HandshakeError(Alert.handshakeFailure, `extension ${type} of the client does not list ${value}`);
  }
}
