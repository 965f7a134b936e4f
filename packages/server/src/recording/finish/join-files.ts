import type { Tell } from './carry-out.ts';
import { FinishError } from './finish-error.ts';
import type { FinishedFile, JoinJob } from './finish-job.ts';

export function joinFiles({ target }: JoinJob, _tell: Tell): Promise<FinishedFile> {
  return Promise.reject(new FinishError('UNSUPPORTED', `${target} can not be joined yet`));
}
