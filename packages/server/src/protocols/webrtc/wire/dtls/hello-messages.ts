import { Alert, HandshakeError } from './alerts.ts';
import { list16, readList, uint8, uint16, VectorReader, vector8, vector16 } from './vectors.ts';

/** Extension bodies by type. */
export type Extensions = ReadonlyMap<number, Buffer>;

/** RFC 6347 §4.2.1: as in RFC 5246 §7.4.1.2, with a cookie. */
export interface ClientHello {
  readonly version: number;
  /** 32 bytes. */
  readonly random: Buffer;
  readonly sessionId: Buffer;
  readonly cookie: Buffer;
  readonly cipherSuites: readonly number[];
  readonly compressionMethods: readonly number[];
  readonly extensions: Extensions;
}

/** RFC 5246 §7.4.1.3. */
export interface ServerHello {
  readonly version: number;
  /** 32 bytes. */
  readonly random: Buffer;
  readonly sessionId: Buffer;
  readonly cipherSuite: number;
  readonly compressionMethod: number;
  readonly extensions: Extensions;
}

const MAX_SESSION_ID_BYTES = 32;

function readSessionId(reader: VectorReader): Buffer {
  const sessionId = reader.vector8();
  if (sessionId.length > MAX_SESSION_ID_BYTES) {
    throw new HandshakeError(Alert.decodeError, `session id of ${sessionId.length} bytes`);
  }
  return sessionId;
}

function readExtensions(reader: VectorReader): Extensions {
  const extensions = new Map<number, Buffer>();
  // RFC 5246 §7.4.1.2 and §7.4.1.3: a hello may end without the field.
  if (reader.remaining === 0) return extensions;
  const list = new VectorReader(reader.vector16());
  reader.end();
  while (list.remaining > 0) {
    const type = list.uint16();
    // RFC 5246 §7.4.1.4: there MUST NOT be more than one extension of the same type.
    if (extensions.has(type)) throw new HandshakeError(Alert.illegalParameter, `extension ${type} twice`);
    extensions.set(type, list.vector16());
  }
  return extensions;
}

function writeExtensions(extensions: Extensions): Buffer {
  return vector16(...[...extensions].map(([type, body]) => Buffer.concat([uint16(type), vector16(body)])));
}

/** @throws HandshakeError */
export function parseClientHello(body: Buffer): ClientHello {
  const reader = new VectorReader(body);
  return {
    version: reader.uint16(),
    random: reader.bytes(32),
    sessionId: readSessionId(reader),
    cookie: reader.vector8(),
    cipherSuites: reader.list16(),
    compressionMethods: [...reader.vector8(1)],
    extensions: readExtensions(reader),
  };
}

/** The body of a ClientHello. */
export function writeClientHello(hello: ClientHello): Buffer {
  return Buffer.concat([
    uint16(hello.version),
    hello.random,
    vector8(hello.sessionId),
    vector8(hello.cookie),
    list16(hello.cipherSuites),
    vector8(Buffer.from(hello.compressionMethods)),
    writeExtensions(hello.extensions),
  ]);
}

/** @throws HandshakeError */
export function parseServerHello(body: Buffer): ServerHello {
  const reader = new VectorReader(body);
  return {
    version: reader.uint16(),
    random: reader.bytes(32),
    sessionId: readSessionId(reader),
    cipherSuite: reader.uint16(),
    compressionMethod: reader.uint8(),
    extensions: readExtensions(reader),
  };
}

/** The body of a ServerHello. */
export function writeServerHello(hello: ServerHello): Buffer {
  return Buffer.concat([
    uint16(hello.version),
    hello.random,
    vector8(hello.sessionId),
    uint16(hello.cipherSuite),
    uint8(hello.compressionMethod),
    writeExtensions(hello.extensions),
  ]);
}

/** Gives the cookie of a HelloVerifyRequest (RFC 6347 §4.2.1). @throws HandshakeError */
export function parseHelloVerifyRequest(body: Buffer): Buffer {
  const reader = new VectorReader(body);
  // RFC 6347 §4.2.1: the version here says nothing about the one that will be negotiated.
  reader.uint16();
  const cookie = reader.vector8();
  reader.end();
  return cookie;
}

/** Body of `use_srtp` (RFC 5764 §4.1.1). */
export interface UseSrtp {
  readonly profiles: readonly number[];
  readonly mki: Buffer;
}

/** @throws HandshakeError */
export function parseUseSrtp(body: Buffer): UseSrtp {
  const reader = new VectorReader(body);
  const profiles = reader.list16();
  const mki = reader.vector8();
  reader.end();
  return { profiles, mki };
}

/** `use_srtp` without MKI. */
export function writeUseSrtp(profiles: readonly number[]): Buffer {
  return Buffer.concat([list16(profiles), vector8()]);
}

/** Reads an extension that is one list of 16-bit numbers: groups, signature schemes. @throws HandshakeError */
export function parseList16(body: Buffer): number[] {
  const reader = new VectorReader(body);
  const values = reader.list16();
  reader.end();
  return values;
}

/** Reads an extension that is one list of bytes: point formats, renegotiation_info. @throws HandshakeError */
export function parseList8(body: Buffer): number[] {
  const reader = new VectorReader(body);
  const values = [...reader.vector8()];
  reader.end();
  return values;
}

/** Reads `supported_versions` of a ClientHello (RFC 8446 §4.2.1). @throws HandshakeError */
export function parseSupportedVersions(body: Buffer): number[] {
  const reader = new VectorReader(body);
  const versions = readList(reader.vector8(2));
  reader.end();
  return versions;
}
