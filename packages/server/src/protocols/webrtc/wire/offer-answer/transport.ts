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
import { MediaServerError } from '../../../../core/index.ts';
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
  const parts = [...sections, offer];
  const withIce = parts.find((part) => hasSdpAttribute(part, 'ice-ufrag'));
  const remoteIce =
    withIce &&
    iceCredentials(sdpValue(withIce, 'ice-ufrag'), sdpValue(withIce, 'ice-pwd') ?? sdpValue(offer, 'ice-pwd'));
  if (remoteIce === undefined) throw invalid('ICE credentials (a=ice-ufrag, a=ice-pwd) are missing or malformed');
  const withFingerprint = parts.find((part) => hasSdpAttribute(part, 'fingerprint'));
  const fingerprints = withFingerprint === undefined ? [] : safeFingerprints(sdpValues(withFingerprint, 'fingerprint'));
  if (fingerprints.length === 0) throw invalid('no fingerprint with sha-256, sha-384 or sha-512 (a=fingerprint)');
  const withSetup = parts.find((part) => hasSdpAttribute(part, 'setup'));
  return { remoteIce, fingerprints, setup: answerSetup(withSetup && sdpValue(withSetup, 'setup')) };
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

/** An offer that can't be used. */
export function invalid(message: string, cause?: unknown): MediaServerError {
  return new MediaServerError('SDP_INVALID', `the offer can't be used: ${message}`, { cause });
}
