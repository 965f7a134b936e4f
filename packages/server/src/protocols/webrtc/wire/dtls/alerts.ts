import { ProtocolError } from '@sluice/media';

/** RFC 5246 §7.2. */
export const AlertLevel = { warning: 1, fatal: 2 } as const;

/** The descriptions that we send or name (RFC 5246 §7.2.2). */
export const Alert = {
  closeNotify: 0,
  unexpectedMessage: 10,
  badRecordMac: 20,
  handshakeFailure: 40,
  badCertificate: 42,
  unsupportedCertificate: 43,
  illegalParameter: 47,
  decodeError: 50,
  decryptError: 51,
  protocolVersion: 70,
  insufficientSecurity: 71,
  internalError: 80,
  userCanceled: 90,
  noRenegotiation: 100,
  unsupportedExtension: 110,
} as const;

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(Alert).map(([name, code]) => [code, name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)]),
);

/** The name of an alert as the RFC writes it, or its number. */
export function alertName(description: number): string {
  return NAMES.get(description) ?? `alert ${description}`;
}

/** A peer that broke the rules: ends the association with this fatal alert. */
export class HandshakeError extends ProtocolError {
  /** Alert description that the peer is told. */
  readonly alert: number;
  /** The peer's certificate is not the one that the signalling promised. */
  readonly fingerprintMismatch: boolean;
  constructor(alert: number, message: string, fingerprintMismatch = false) {
    super(`DTLS_${alertName(alert).toUpperCase()}`, message);
    this.name = 'HandshakeError';
    this.alert = alert;
    this.fingerprintMismatch = fingerprintMismatch;
  }
}
