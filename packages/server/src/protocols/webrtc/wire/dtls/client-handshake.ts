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
  SignatureScheme,
} from './constants.ts';
import {
  checkCommonExtensions,
  checkFinished,
  type FlightItem,
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
  type Extensions,
  parseHelloVerifyRequest,
  parseList8,
  parseServerHello,
  parseUseSrtp,
  writeClientHello,
  writeUseSrtp,
} from './hello-messages.ts';
import {
  parseCertificate,
  parseCertificateRequest,
  parseServerKeyExchange,
  writeCertificate,
  writeCertificateVerify,
  writeClientKeyExchange,
} from './key-messages.ts';
import { type Secrets, srtpProfileId } from './key-schedule.ts';
import type { HandshakeMessage } from './reassembly.ts';
import type { SrtpProfile } from './types.ts';
import { list16 } from './vectors.ts';

type Due =
  | 'ServerHello'
  | 'Certificate'
  | 'ServerKeyExchange'
  | 'CertificateRequest'
  | 'ServerHelloDone'
  | 'ChangeCipherSpec'
  | 'Finished'
  | 'nothing';

/** The client's side of a full handshake with mutual certificates (RFC 6347 §4.2.4, flights 1 to 6). */
export class ClientHandshake implements Handshake {
  readonly #options: HandshakeOptions;
  readonly #transcript = new Transcript();
  readonly #agreement = new KeyAgreement();
  readonly #random = randomBytes(32);
  readonly #offer: Extensions;
  #due: Due = 'ServerHello';
  #cookieSeen = false;
  #serverRandom: Buffer = Buffer.alloc(0);
  #profile: SrtpProfile | undefined;
  #serverKey: KeyObject | undefined;
  #serverPoint: Buffer | undefined;
  #secrets: Secrets | undefined;

  constructor(options: HandshakeOptions) {
    this.#options = options;
    this.#offer = new Map([
      [ExtensionType.renegotiationInfo, Buffer.of(0)],
      [ExtensionType.extendedMasterSecret, Buffer.alloc(0)],
      [ExtensionType.supportedGroups, list16([NAMED_GROUP_P256])],
      [ExtensionType.ecPointFormats, Buffer.of(1, 0)],
      [ExtensionType.signatureAlgorithms, list16(ACCEPTED_SIGNATURES)],
      [ExtensionType.useSrtp, writeUseSrtp(options.srtpProfiles.map(srtpProfileId))],
    ]);
  }

  /** The first flight: ClientHello without cookie. */
  start(): readonly FlightItem[] {
    return this.#clientHello(Buffer.alloc(0));
  }

  receive(message: HandshakeMessage): HandshakeStep {
    const { type } = message;
    const due = this.#due;
    // RFC 5246 §7.4: one order only; messages in another one are fatal.
    if (due === 'ServerHello' && type === HandshakeType.helloVerifyRequest) return this.#onCookie(message);
    if (due === 'ServerHello' && type === HandshakeType.serverHello) return this.#onServerHello(message);
    if (due === 'Certificate' && type === HandshakeType.certificate) return this.#onCertificate(message);
    if (due === 'ServerKeyExchange' && type === HandshakeType.serverKeyExchange) return this.#onKeyExchange(message);
    if (due === 'CertificateRequest' && type === HandshakeType.certificateRequest) return this.#onRequest(message);
    // RFC 8827 §6.5 has both sides authenticate, but FFmpeg's WHIP never asks: that leaves it in doubt who we are, not
    // us who it is.
    if ((due === 'ServerHelloDone' || due === 'CertificateRequest') && type === HandshakeType.serverHelloDone)
      return this.#onHelloDone(message, due === 'ServerHelloDone');
    if (due === 'Finished' && type === HandshakeType.finished) return this.#onFinished(message);
    return unexpected(message, due);
  }

  changeCipherSpec(): boolean {
    if (this.#due !== 'ChangeCipherSpec') return false;
    this.#due = 'Finished';
    return true;
  }

  #clientHello(cookie: Buffer): readonly FlightItem[] {
    // RFC 6347 §4.2.1: with the cookie everything else is as it was, the random too.
    const body = writeClientHello({
      version: DTLS_1_2,
      random: this.#random,
      sessionId: Buffer.alloc(0),
      cookie,
      cipherSuites: [CIPHER_SUITE],
      compressionMethods: [0],
      extensions: this.#offer,
    });
    return [plain(this.#transcript.write(HandshakeType.clientHello, body))];
  }

  #onCookie(message: HandshakeMessage): HandshakeStep {
    // A server that asks again and again would keep us busy for ever.
    if (this.#cookieSeen) return unexpected(message, 'ServerHello');
    this.#cookieSeen = true;
    const cookie = parseHelloVerifyRequest(message.body);
    // RFC 6347 §4.2.1: neither the first ClientHello nor HelloVerifyRequest are part of the transcript.
    this.#transcript.restart();
    return { flight: this.#clientHello(cookie) };
  }

  #onServerHello(message: HandshakeMessage): HandshakeStep {
    const hello = parseServerHello(message.body);
    if (hello.version !== DTLS_1_2) {
      throw new HandshakeError(Alert.protocolVersion, `the server chose version 0x${hello.version.toString(16)}`);
    }
    // RFC 5246 §7.4.1.3: what the server chooses must have been offered.
    if (hello.cipherSuite !== CIPHER_SUITE || hello.compressionMethod !== 0) {
      const chosen = `suite 0x${hello.cipherSuite.toString(16)}, compression ${hello.compressionMethod}`;
      throw new HandshakeError(Alert.illegalParameter, `the server chose ${chosen}`);
    }
    for (const type of hello.extensions.keys()) {
      // RFC 5246 §7.4.1.4: an extension that was not asked for is fatal.
      if (!this.#offer.has(type))
        throw new HandshakeError(Alert.unsupportedExtension, `extension ${type} not asked for`);
    }
    checkCommonExtensions(hello.extensions, {
      ems: ExtensionType.extendedMasterSecret,
      renegotiation: ExtensionType.renegotiationInfo,
    });
    const formats = hello.extensions.get(ExtensionType.ecPointFormats);
    // RFC 8422 §5.2.
    if (formats !== undefined && !parseList8(formats).includes(0)) {
      throw new HandshakeError(Alert.illegalParameter, 'the server does not take uncompressed points');
    }
    this.#profile = this.#chosenProfile(hello.extensions);
    this.#serverRandom = Buffer.from(hello.random);
    this.#transcript.add(message);
    this.#due = 'Certificate';
    return NOTHING;
  }

  #chosenProfile(extensions: Extensions): SrtpProfile {
    const body = extensions.get(ExtensionType.useSrtp);
    if (body === undefined) throw new HandshakeError(Alert.handshakeFailure, 'the server does not do SRTP');
    const { profiles, mki } = parseUseSrtp(body);
    const profile = this.#options.srtpProfiles.find((candidate) => srtpProfileId(candidate) === profiles[0]);
    // RFC 5764 §4.1.1: exactly one profile, of those offered; §4.1.3: no MKI but the one offered, and we offered none.
    if (profile === undefined || profiles.length !== 1 || mki.length > 0) {
      throw new HandshakeError(Alert.illegalParameter, `the server chose SRTP profiles ${profiles.join()}`);
    }
    return profile;
  }

  #onCertificate(message: HandshakeMessage): HandshakeStep {
    const der = parseCertificate(message.body);
    if (der === undefined) throw new HandshakeError(Alert.illegalParameter, 'the server shows no certificate');
    this.#serverKey = peerPublicKey(der, this.#options.remoteFingerprints);
    // RFC 8422 §2.1: the suite wants a key for ECDSA.
    if (this.#serverKey.asymmetricKeyType !== 'ec') {
      throw new HandshakeError(Alert.unsupportedCertificate, 'the server’s key is not for ECDSA');
    }
    this.#transcript.add(message);
    this.#due = 'ServerKeyExchange';
    return NOTHING;
  }

  #onKeyExchange(message: HandshakeMessage): HandshakeStep {
    if (this.#serverKey === undefined) return unexpected(message, 'Certificate');
    const { parameters, publicKey, signature } = parseServerKeyExchange(message.body);
    // RFC 8422 §5.4: both randoms and the parameters are signed.
    checkSignature(this.#serverKey, Buffer.concat([this.#random, this.#serverRandom, parameters]), signature);
    this.#serverPoint = Buffer.from(publicKey);
    this.#transcript.add(message);
    this.#due = 'CertificateRequest';
    return NOTHING;
  }

  #onRequest(message: HandshakeMessage): HandshakeStep {
    const { types, signatureSchemes } = parseCertificateRequest(message.body);
    // RFC 5246 §7.4.4: our certificate has to be of a kind that is listed, and so has our signature.
    if (!types.includes(CertificateType.ecdsaSign) || !signatureSchemes.includes(SignatureScheme.ecdsaSha256)) {
      throw new HandshakeError(Alert.handshakeFailure, 'the server does not take ECDSA certificates');
    }
    this.#transcript.add(message);
    this.#due = 'ServerHelloDone';
    return NOTHING;
  }

  #onHelloDone(message: HandshakeMessage, asked: boolean): HandshakeStep {
    if (message.body.length > 0) throw new HandshakeError(Alert.decodeError, 'ServerHelloDone is not empty');
    if (this.#serverPoint === undefined) return unexpected(message, 'ServerKeyExchange');
    const transcript = this.#transcript;
    transcript.add(message);
    const { certificate, privateKey } = this.#options.certificate;
    const ours = asked ? [transcript.write(HandshakeType.certificate, writeCertificate([certificate]))] : [];
    const exchange = transcript.write(
      HandshakeType.clientKeyExchange,
      writeClientKeyExchange(this.#agreement.publicKey),
    );
    const randoms = { client: this.#random, server: this.#serverRandom };
    const secrets = this.#agreement.secrets(this.#serverPoint, transcript, randoms);
    // RFC 5246 §7.4.8: over all messages before this one.
    const signature = { scheme: SignatureScheme.ecdsaSha256, signature: signEcdsa(privateKey, transcript.bytes) };
    const verify = asked ? [transcript.write(HandshakeType.certificateVerify, writeCertificateVerify(signature))] : [];
    const verifyData = secrets.verifyData('client', transcript.messages);
    const finished = transcript.write(HandshakeType.finished, verifyData);
    const keys = secrets.recordKeys();
    this.#secrets = secrets;
    this.#due = 'ChangeCipherSpec';
    return {
      keys: { local: keys.client, remote: keys.server },
      flight: [...[...ours, exchange, ...verify].map(plain), ...finishing(finished)],
    };
  }

  #onFinished(message: HandshakeMessage): HandshakeStep {
    const secrets = this.#secrets;
    if (secrets === undefined || this.#profile === undefined) return unexpected(message, 'ServerHelloDone');
    checkFinished(message, secrets.verifyData('server', this.#transcript.messages));
    this.#due = 'nothing';
    return { connected: secrets.srtpKeys(this.#profile, 'client') };
  }
}
