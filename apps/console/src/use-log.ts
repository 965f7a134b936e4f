import type { LogBody, LogLine } from '@sluice/contract';
import { type Ref, ref, shallowRef } from 'vue';
import { ask, describeProblem } from './server-api.ts';
import { usePolling } from './use-polling.ts';

const INTERVAL_MS = 1000;
/** Lines that the page keeps; the server keeps a thousand. */
const MAX_LINES = 2000;

/** The newest lines of the server's log. */
export interface LogFeed {
  /** Oldest first; replaced as a whole. */
  readonly lines: Readonly<Ref<readonly LogLine[]>>;
  /** Least severe lines that the server logs; empty until it has answered. */
  readonly level: Readonly<Ref<string>>;
  /** Lines that were gone before they could be told. */
  readonly missed: Readonly<Ref<number>>;
  readonly problem: Readonly<Ref<string>>;
}

/** Follows the log while the component is mounted and the page is visible. */
export function useLog(): LogFeed {
  const lines = shallowRef<readonly LogLine[]>([]);
  const level = ref('');
  const missed = ref(0);
  const problem = ref('');
  let startedMs = 0;
  let next = 0;

  usePolling(async () => {
    try {
      const body = await ask<LogBody>(`api/log?since=${next}`);
      const restarted = startedMs !== 0 && body.startedMs !== startedMs;
      // Numbers begin again with a server that was started anew; what was known stays to be read.
      if (!restarted) missed.value += next === 0 ? 0 : body.missed;
      startedMs = body.startedMs;
      next = restarted ? 0 : body.next;
      level.value = body.level;
      if (!restarted && body.lines.length > 0) lines.value = [...lines.value, ...body.lines].slice(-MAX_LINES);
      problem.value = '';
      return restarted ? 0 : INTERVAL_MS;
    } catch (error) {
      problem.value = describeProblem(error);
    }
    return INTERVAL_MS;
  });
  return { lines, level, missed, problem };
}
