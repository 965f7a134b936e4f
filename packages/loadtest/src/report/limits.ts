import type { CrewThread } from '../crew/crew-thread.ts';
import type { ToolReport } from './report.ts';

/** A thread that was busier than this in any second had no room for a burst. */
const BUSY = 0.9;
/** An event loop that is later than this makes delays longer than they are. */
const LATE_MS = 50;

/** What the tool used, and where it was at its end. */
export function toolReport(
  threads: readonly CrewThread[],
  facts: { readonly cpu: number; readonly drops: number; readonly viewers: number; readonly worstLateMs: number },
): ToolReport {
  const told = threads.map(({ name, utilizations, lateP99Ms, lateMaxMs }) => ({
    name,
    utilization: utilizations.reduce((sum, one) => sum + one, 0) / Math.max(1, utilizations.length),
    worstUtilization: Math.max(0, ...utilizations),
    lateP99Ms,
    lateMaxMs,
  }));
  const percent = (share: number): string => `${Math.round(share * 100)} %`;
  const limits = told.flatMap(({ name, worstUtilization, lateP99Ms }) => [
    ...(worstUtilization > BUSY ? [`${name} was busy for ${percent(worstUtilization)} of a second`] : []),
    ...(lateP99Ms > LATE_MS ? [`the event loop of ${name} was late by ${Math.round(lateP99Ms)} ms (p99)`] : []),
  ]);
  if (facts.drops > 0) limits.push(`${facts.drops} datagrams were dropped before the tool had read them`);
  if (facts.worstLateMs > LATE_MS) limits.push(`publishers sent up to ${Math.round(facts.worstLateMs)} ms late`);
  return {
    cpu: facts.cpu,
    threads: told,
    droppedDatagrams: facts.drops,
    cpuPercentPerViewer: facts.viewers === 0 ? undefined : (facts.cpu * 100) / facts.viewers,
    limits,
  };
}
