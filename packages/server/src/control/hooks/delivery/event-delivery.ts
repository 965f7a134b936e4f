import { setTimeout as sleep } from 'node:timers/promises';
import type { HookName } from '@sluice/contract';
import type { HookContext } from '../hook-context.ts';

/** An event that was told and has to reach a back end. */
export interface HookEvent {
  readonly hook: HookName;
  readonly body: string;
  readonly appKey: string;
  /** When it was told, as `performance.now()`. */
  readonly toldMs: number;
}

/** The back end can't take it now, but perhaps later. */
const RETRIED_STATUSES: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * Sends an event until the back end has taken it, or has said that it does not want it, or the time for that is over:
 * it is dropped then, and counted. Each event is sent once at least. Never rejects.
 */
export async function deliverEvent(context: HookContext, event: HookEvent): Promise<void> {
  const { backEnds, counters, faults, log, options, stopping } = context;
  const { hook, appKey } = event;
  for (let attempt = 0; ; attempt++) {
    const backEnd = backEnds.get(appKey);
    if (backEnd === undefined) return counters.count('hooks_dropped');
    counters.count(attempt === 0 ? 'hooks_sent' : 'hooks_retried');
    let why: string;
    try {
      const { status } = await backEnd.post({ hook, body: event.body, urgency: 'event', wantsText: false });
      if (status === 200) return;
      why = `the back end answered ${status}`;
      if (status < 500 && !RETRIED_STATUSES.has(status)) {
        counters.count('hooks_refused');
        const suppressed = faults.take();
        if (suppressed >= 0) log.info({ hook, appKey, status, suppressed }, 'the back end does not want the event');
        return;
      }
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
    }
    counters.count('hooks_failed');
    const pauseMs =
      Math.min(options.firstRetryPauseMs * 2 ** attempt, options.maxRetryPauseMs) * (0.5 + Math.random() / 2);
    const inTime = performance.now() + pauseMs - event.toldMs <= options.eventRetryMs;
    const suppressed = faults.take();
    if (suppressed >= 0)
      log.warn({ hook, appKey, why, attempt: attempt + 1, dropped: !inTime, suppressed }, 'hook failed');
    if (!inTime || stopping.aborted) return counters.count('hooks_dropped');
    // Ends early when the server stops, for one last try.
    await sleep(pauseMs, undefined, { signal: stopping }).catch(() => {});
  }
}
