import { Alert, HandshakeError } from './alerts.ts';
import type { PeerSignature } from './certificate.ts';
import { NAMED_GROUP_P256 } from './constants.ts';
import { list16, readList, uint8, uint16, VectorReader, vector8, vector16, vector24 } from './vectors.ts';

/** ECCurveType named_curve (RFC 8422 §5.4). */
const NAMED_CURVE = 3;
/** An uncompressed point of P-256: 0x04, x, y (RFC 8422 §5.4.1). */
const POINT_BYTES = 65;
const UNCOMPRESSED = 4;

/** Gives the sender's own certificate, the first of the list (RFC 5246 §7.4.2), or undefined when there is none. */
export function parseCertificate(body: Buffer): Buffer | undefined {
  const reader = new VectorReader(body);
  const list = new VectorReader(reader.vector24());
  reader.end();
  let first: Buffer | undefined;
  while (list.remaining > 0) {
    const certificate = list.vector24(1);
    first ??= certificate;
  }
  return first;
}

/** The body of a Certificate message. */
export function writeCertificate(certificates: readonly Buffer[]): Buffer {
  return vector24(...certificates.map((certificate) => vector24(certificate)));
}

function checkPoint(point: Buffer): Buffer {
  // RFC 8422 §5.4.1 and §5.7: only the uncompressed form. That the point is on the curve is checked where it is used.
  if (point.length !== POINT_BYTES || point[0] !== UNCOMPRESSED) {
    throw new HandshakeError(Alert.illegalParameter, `public key of ${point.length} bytes`);
  }
  return point;
}

function readSignature(reader: VectorReader): PeerSignature {
  const scheme = reader.uint16();
  return { scheme, signature: reader.vector16() };
}

function writeSignature({ scheme, signature }: PeerSignature): Buffer {
  return Buffer.concat([uint16(scheme), vector16(signature)]);
}

export interface ServerKeyExchange {
  /** What is signed after the randoms: curve and public key. */
  readonly parameters: Buffer;
  readonly publicKey: Buffer;
  readonly signature: PeerSignature;
}

/** Curve and public key of a ServerKeyExchange (ServerECDHParams, RFC 8422 §5.4). */
export function writeServerParameters(publicKey: Buffer): Buffer {
  return Buffer.concat([uint8(NAMED_CURVE), uint16(NAMED_GROUP_P256), vector8(publicKey)]);
}

/** @throws HandshakeError illegal_parameter for another curve than P-256, decode_error */
export function parseServerKeyExchange(body: Buffer): ServerKeyExchange {
  const reader = new VectorReader(body);
  const curveType = reader.uint8();
  const curve = reader.uint16();
  // RFC 8422 §5.4: the client checks that the curve is one that it offered.
  if (curveType !== NAMED_CURVE || curve !== NAMED_GROUP_P256) {
    throw new HandshakeError(Alert.illegalParameter, `curve ${curve} of type ${curveType}`);
  }
  const publicKey = checkPoint(reader.vector8(1));
  const parameters = body.subarray(0, body.length - reader.remaining);
  const signature = readSignature(reader);
  reader.end();
  return { parameters, publicKey, signature };
}

/** The body of a ServerKeyExchange. */
export function writeServerKeyExchange(parameters: Buffer, signature: PeerSignature): Buffer {
  return Buffer.concat([parameters, writeSignature(signature)]);
}

/** RFC 5246 §7.4.4. */
export interface CertificateRequest {
  readonly types: readonly number[];
  readonly signatureSchemes: readonly number[];
}

/** The authorities are read and let go: nobody in WebRTC has any. @throws HandshakeError */
export function parseCertificateRequest(body: Buffer): CertificateRequest {
  const reader = new VectorReader(body);
  const types = [...reader.vector8(1)];
  const signatureSchemes = readList(reader.vector16(2));
  const authorities = new VectorReader(reader.vector16());
  reader.end();
  while (authorities.remaining > 0) authorities.vector16(1);
  return { types, signatureSchemes };
}

/** The body of a CertificateRequest, without authorities. */
export function writeCertificateRequest({ types, signatureSchemes }: CertificateRequest): Buffer {
  return Buffer.concat([vector8(Buffer.from(types)), list16(signatureSchemes), vector16()]);
}

/** Gives the client's public key (RFC 8422 §5.7). @throws HandshakeError */
export function parseClientKeyExchange(body: Buffer): Buffer {
  const reader = new VectorReader(body);
  const point = checkPoint(reader.vector8(1));
  reader.end();
  return point;
}

/** The body of a ClientKeyExchange. */
export function writeClientKeyExchange(publicKey: Buffer): Buffer {
  return vector8(publicKey);
}

/** RFC 5246 §7.4.8. @throws HandshakeError */
export function parseCertificateVerify(body: Buffer): PeerSignature {
  const reader = new VectorReader(body);
  const signature = readSignature(reader);
  reader.end();
  return signature;
}

/** The body of a CertificateVerify. */
export function writeCertificateVerify(signature: PeerSignature): Buffer {
  return writeSignature(signature);
}
