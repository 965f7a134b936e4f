import type { ByteSource, InPlacePlan } from '../file-plan.ts';

/**
 * How a file that `Mp4FragmentWriter` wrote, whole or torn anywhere, becomes a plain MP4 file where it is: the index goes
 * into the reserved room or to the end, and everything between becomes one `mdat`.
 * @throws ProtocolError MP4_BAD_FILE when it is no such file, or has no whole fragment
 */
export async function planMp4InPlace(source: ByteSource): Promise<InPlacePlan> {
  throw new Error(`not yet: ${source.size}`);
}
