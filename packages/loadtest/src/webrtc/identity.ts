import { createDtlsCertificate } from '@sluice/server/wire/webrtc/dtls/certificate';
import type { DtlsCertificate } from '@sluice/server/wire/webrtc/dtls/types';
import { generate } from 'selfsigned';

/** A certificate for all peers of a process: making one takes longer than a handshake. */
export async function makeIdentity(): Promise<DtlsCertificate> {
  const options = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;
  const made = await generate([{ name: 'commonName', value: 'sluice-load' }], options);
  return createDtlsCertificate({ cert: made.cert, key: made.private });
}
