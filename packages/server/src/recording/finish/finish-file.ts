import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  type FinishedFacts,
  type InPlacePlan,
  openMediaFile,
  ProtocolError,
  planMp4InPlace,
  planMp4Rewrite,
  planTsInPlace,
  planWebmInPlace,
} from '@sluice/media';
import type { RecordingContainer } from '../../core/index.ts';
import { carryOutInPlace, carryOutRewrite, copyFile, digestOf, expectRoom, type Tell } from './carry-out.ts';
import { FinishError } from './finish-error.ts';
import type { FinishedFile, FinishJob } from './finish-job.ts';
import { LocalFile } from './local-file.ts';
import { recordedTrack } from './recorded-track.ts';

/** What recordings that run need while a new file is made beside them. */
const RESERVE_BYTES = 64 * 1024 * 1024;

/**
 * Finishes a file by its bytes alone: with its index first where that is wanted and there is room, else where it is, else
 * as it was written.
 * @throws FinishError, and the errors of I/O
 */
export async function finishFile(job: FinishJob, tell: Tell): Promise<FinishedFile> {
  const notes: string[] = [];
  if (job.container === 'mp4' && job.indexFirst) {
    const made = await rewrite(job, tell, notes);
    if (made !== undefined) return made;
  }
  const facts = await finishInPlace(job, notes);
  const form = facts === undefined ? 'as written' : 'in place';
  const { tracks, durationUs, tornBytes } = facts ?? (await factsOf(job.source));
  const where = place(job, tell);
  const note = notes.length === 0 ? undefined : notes.join('; ');
  return { ...where, form, note, tracks: tracks.map(recordedTrack), durationUs, tornBytes };
}

async function rewrite(job: FinishJob, tell: Tell, notes: string[]): Promise<FinishedFile | undefined> {
  const source = new LocalFile(job.source, 'r', () => tell(0));
  try {
    const plan = await planMp4Rewrite(source);
    expectRoom(job.target, plan.byteLength, job.reserveBytes ?? RESERVE_BYTES);
    const made = carryOutRewrite(source, plan, { target: job.target, tell });
    const { durationUs, tornBytes } = plan;
    return {
      path: job.target,
      form: 'rewritten',
      ...made,
      durationUs,
      tornBytes,
      tracks: plan.tracks.map(recordedTrack),
    };
  } catch (error) {
    notes.push(`its index is not at the front: ${(error as Error).message}`);
    return undefined;
  } finally {
    source.close();
  }
}

async function finishInPlace(job: FinishJob, notes: string[]): Promise<FinishedFacts | undefined> {
  const file = new LocalFile(job.source, 'r+');
  try {
    const plan = await planInPlace(job.container, file);
    carryOutInPlace(file, plan);
    return plan;
  } catch (error) {
    notes.push(`it has no index: ${(error as Error).message}`);
    return undefined;
  } finally {
    file.close();
  }
}

function planInPlace(container: RecordingContainer, file: LocalFile): Promise<InPlacePlan> {
  switch (container) {
    case 'mp4':
      return planMp4InPlace(file);
    case 'webm':
    case 'mkv':
      return planWebmInPlace(file);
    case 'ts':
      return planTsInPlace(file);
  }
}

/**
 * What a file holds that can't be planned for: one that was finished already, say, before the server was killed.
 * @throws FinishError EMPTY, DAMAGED
 */
async function factsOf(path: string): Promise<FinishedFacts> {
  const file = new LocalFile(path, 'r');
  try {
    const reader = await openMediaFile(file);
    const samples = new Map<number, number>();
    let endUs = 0;
    for await (const { track, ptsUs } of reader.readPackets()) {
      samples.set(track.id, (samples.get(track.id) ?? 0) + 1);
      endUs = Math.max(endUs, ptsUs);
    }
    if (samples.size === 0) throw new FinishError('EMPTY', 'nothing was recorded');
    const tracks = reader.tracks.map((one) => ({ ...one, samples: samples.get(one.track.id) ?? 0 }));
    return { durationUs: reader.durationUs || endUs, tracks, tornBytes: 0 };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    if (file.size === 0) throw new FinishError('EMPTY', 'nothing was recorded');
    throw new FinishError('DAMAGED', error.message);
  } finally {
    file.close();
  }
}

/** The finished file on the disk where it is to be. */
function place({ source, target }: FinishJob, tell: Tell): Pick<FinishedFile, 'path' | 'bytes' | 'sha256'> {
  const file = new LocalFile(source, 'r');
  try {
    if (file.device === statSync(dirname(target)).dev) {
      return { path: source, bytes: file.size, sha256: digestOf(file, file.size, tell) };
    }
    expectRoom(target, file.size, 0);
    return { path: target, ...copyFile(file, file.size, { target, tell }) };
  } finally {
    file.close();
  }
}
