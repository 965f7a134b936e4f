import type { ByteSource, InPlacePlan } from '../file-plan.ts';

/**
 * How a file that `WebmWriter` wrote, whole or torn anywhere, becomes a finished one where it is: a torn cluster is cut
 * off, Cues come to the end, and SeekHead, duration and size into the room that the head has for them. A file that is
 * finished already gets a plan that changes nothing.
 * @throws ProtocolError WEBM_BAD_FILE when it is no such file, or has no whole cluster
 */
export async function planWebmInPlace(source: ByteSource): Promise<InPlacePlan> {
  throw new Error(`not yet: ${source.size}`);
}
