import { rename } from 'node:fs/promises';
import { planMp4Cut } from '@sluice/media';
import { carryOutRewrite, expectRoom, type Tell } from './carry-out.ts';
import type { CutJob, FinishedFile } from './finish-job.ts';
import { LocalFile, syncNameSync } from './local-file.ts';
import { recordedTrack } from './recorded-track.ts';

/**
 * Makes a file of a part of an MP4 file; it appears under its name when it is whole.
 * @throws ProtocolError when the file is damaged or has nothing in that part, and the errors of I/O
 */
export async function cutFile({ source, target, startUs, endUs }: CutJob, tell: Tell): Promise<FinishedFile> {
  const file = new LocalFile(source, 'r', () => tell(0));
  try {
    const plan = await planMp4Cut(file, { startUs, endUs: endUs ?? Number.MAX_SAFE_INTEGER });
    expectRoom(target, plan.byteLength, 0);
    const made = carryOutRewrite(file, plan, { target: `${target}.new`, tell });
    await rename(`${target}.new`, target);
    syncNameSync(target);
    const { durationUs, tornBytes } = plan;
    return { path: target, form: 'rewritten', ...made, durationUs, tornBytes, tracks: plan.tracks.map(recordedTrack) };
  } finally {
    file.close();
  }
}
