import {
  hasSdpAttribute,
  iceCredentials,
  type MediaDescription,
  parseFingerprint,
  type SdpFingerprint,
  type SessionDescription,
  sdpValue,
  sdpValues,
} from '@sluice/media';
import { type ErrorCode, MediaServerError } from '../../../../core/index.ts';
import type { NegotiatedMedia } from './negotiated.ts';

/** Hash functions that a fingerprint may have; SHA-1 and MD5 prove nothing any more. */
const SAFE_HASHES: ReadonlySet<string> = new Set(['sha-256', 'sha-384', 'sha-512']);
const MAX_FINGERPRINTS = 8;

/** What the sections of one transport have in common. */
export type OfferedTransport = Pick<NegotiatedMedia, 'remoteIce' | 'fingerprints' | 'setup'>;

/**
 * Reads ICE and DTLS of a transport: from the first of `sections` that has them, or from the session level.
 * @throws MediaServerError SDP_INVALID
 */
export function readTransport(offer: SessionDescription, sections: readonly MediaDescription[]): OfferedTransport {
  if (hasSdpAttribute(offer, 'ice-lite'))
    throw invalid('the client is ICE-lite, as the server is: nobody would look for a way');
  const { setup, ...rest } = readParts(offer, sections, invalid);
  return { ...rest, setup: answerSetup(setup) };
}

/**
 * Reads ICE and DTLS of the transport that an answer to our offer describes.
 * @throws MediaServerError SDP_INVALID
 */
export function readAnsweredTransport(
  answer: SessionDescription,
  sections: readonly MediaDescription[],
): OfferedTransport {
  const { setup, ...rest } = readParts(answer, sections, invalidAnswer);
  return { ...rest, setup: answeredSetup(setup) };
}

type Refuse = (message: string) => MediaServerError;

function readParts(description: SessionDescription, sections: readonly MediaDescription[], refuse: Refuse) {
  const parts = [...sections, description];
  const withIce = parts.find((part) => hasSdpAttribute(part, 'ice-ufrag'));
  const remoteIce =
    withIce &&
    iceCredentials(sdpValue(withIce, 'ice-ufrag'), sdpValue(withIce, 'ice-pwd') ?? sdpValue(description, 'ice-pwd'));
  if (remoteIce === undefined) throw refuse('ICE credentials (a=ice-ufrag, a=ice-pwd) are missing or malformed');
  const withFingerprint = parts.find((part) => hasSdpAttribute(part, 'fingerprint'));
  const fingerprints = withFingerprint === undefined ? [] : safeFingerprints(sdpValues(withFingerprint, 'fingerprint'));
  if (fingerprints.length === 0) throw refuse('no fingerprint with sha-256, sha-384 or sha-512 (a=fingerprint)');
  const withSetup = parts.find((part) => hasSdpAttribute(part, 'setup'));
  return { remoteIce, fingerprints, setup: withSetup && sdpValue(withSetup, 'setup') };
}

function safeFingerprints(values: readonly string[]): SdpFingerprint[] {
  const safe = values.flatMap((value) => {
    const fingerprint = parseFingerprint(value);
    return fingerprint !== undefined && SAFE_HASHES.has(fingerprint.algorithm) ? [fingerprint] : [];
  });
  return safe.slice(0, MAX_FINGERPRINTS);
}

/** RFC 8842 §5.3; an offer without the attribute means `active` (RFC 4145 §4). */
function answerSetup(offered = 'active'): 'active' | 'passive' {
  switch (offered.trim().toLowerCase()) {
    case 'actpass':
    case 'active':
      return 'passive';
    case 'passive':
      return 'active';
    default:
      throw invalid(`a=setup:${offered.slice(0, 32)} is not actpass, active or passive`);
  }
}

/**
 * Our role after an answer to `actpass` (RFC 8842 §5.3). One without the attribute, as WCS is reported to give, is
 * taken as browsers take it: the other side is the client.
 */
function answeredSetup(answered = 'active'): 'active' | 'passive' {
  switch (answered.trim().toLowerCase()) {
    case 'active':
      return 'passive';
    case 'passive':
    // It leaves to us what it should have chosen.
    case 'actpass':
      return 'active';
    default:
      throw invalidAnswer(`a=setup:${answered.slice(0, 32)} is not active or passive`);
  }
}

/** An answer that can't be used. */
export function invalidAnswer(message: string, cause?: unknown, code: ErrorCode = 'SDP_INVALID'): MediaServerError {
  return new MediaServerError(code, `the answer can't be used: ${message}`, { cause });
}

/** An offer that can't be used. */
export function invalid(message: string, cause?: unknown): MediaServerError {
  return new MediaServerError('SDP_INVALID', `the offer can't be used: ${message}`, { cause });
}
