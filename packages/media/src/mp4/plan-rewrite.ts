import type { ByteSource, RewritePlan } from '../file-plan.ts';

/**
 * How a plain MP4 file with its index first is made of one that `Mp4FragmentWriter` wrote, whole or torn anywhere.
 * @throws ProtocolError MP4_BAD_FILE when it is no such file, or has no whole fragment
 */
export async function planMp4Rewrite(source: ByteSource): Promise<RewritePlan> {
  throw new Error(`not yet: ${source.size}`);
}
