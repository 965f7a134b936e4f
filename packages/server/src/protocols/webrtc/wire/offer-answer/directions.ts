import { hasSdpAttribute, type SessionDescription } from '@sluice/media';

const DIRECTIONS = ['sendrecv', 'sendonly', 'recvonly', 'inactive'] as const;

export type Direction = (typeof DIRECTIONS)[number];

/** The direction that a description, or a section of it, says (RFC 8866 §6.7). */
export function directionOf(part: Pick<SessionDescription, 'attributes'>): Direction | undefined {
  return DIRECTIONS.find((direction) => hasSdpAttribute(part, direction));
}
