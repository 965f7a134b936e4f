import { parentPort } from 'node:worker_threads';
import type { Tell } from './carry-out.ts';
import { cutFile } from './cut-file.ts';
import { finishFile } from './finish-file.ts';
import type { FinishedFile, FinisherJob, JoinedFile } from './finish-job.ts';
import type { ThreadMessage } from './finisher-thread.ts';
import { joinFiles } from './join-files.ts';

/** Progress is told this often at most; it is also the sign of life. */
const TELL_MS = 250;

function tell(message: ThreadMessage): void {
  parentPort?.postMessage(message);
}

function newTell(): Tell {
  let toldMs = Number.NEGATIVE_INFINITY;
  return (progress) => {
    const nowMs = performance.now();
    if (nowMs - toldMs < TELL_MS) return;
    toldMs = nowMs;
    tell({ type: 'progress', progress });
  };
}

function carryOut(job: FinisherJob): Promise<FinishedFile | JoinedFile> {
  switch (job.kind) {
    case 'finish':
      return finishFile(job, newTell());
    case 'cut':
      return cutFile(job, newTell());
    case 'join':
      return joinFiles(job, newTell());
  }
}

async function work(job: FinisherJob): Promise<void> {
  try {
    tell({ type: 'done', file: await carryOut(job) });
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    tell({ type: 'failed', code: typeof code === 'string' ? code : 'FAILED', message: String(message) });
  }
}

parentPort?.on('message', (job: FinisherJob) => void work(job));
