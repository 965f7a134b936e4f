import type { ByteSource, InPlacePlan } from '../file-plan.ts';

/**
 * How a transport stream that was written piece by piece, whole or torn anywhere, becomes a finished one where it is: it
 * is cut where its last whole PES packet ends.
 * @throws ProtocolError TS_BAD_FILE when it is no transport stream with one programme, or has no whole PES packet
 */
export async function planTsInPlace(source: ByteSource): Promise<InPlacePlan> {
  throw new Error(`not yet: ${source.size}`);
}
