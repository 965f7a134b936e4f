import type { ByteSource, RewritePlan } from '../file-plan.ts';

/** A part of a file, on the timeline of {@link MediaFileReader}. */
export interface CutRange {
  readonly startUs: number;
  readonly endUs: number;
}

/**
 * How a plain MP4 file, index first, is made of a part of another MP4 file, with fragments or without: from the last
 * key frame at or before `startUs` to the first picture after `endUs`, with the sound of that time. Where the
 * container allows players begin at `startUs`.
 * @throws ProtocolError MP4_BAD_FILE for a damaged file, or when there is nothing in that part
 */
export async function planMp4Cut(source: ByteSource, range: CutRange): Promise<RewritePlan> {
  throw new Error(`not yet: ${source.size} ${range.startUs}`);
}
