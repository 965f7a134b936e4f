import type { FiguresData } from '../figures/figures.ts';
import type { Plan, PublishProtocol, ViewProtocol } from '../plan.ts';

/** One member of a crew. */
export interface MemberTask {
  readonly url: string;
  readonly checked: boolean;
}

/** Members of one kind in one crew. */
export interface GroupTask {
  /** That of the plan; groups of several crews with the same one belong together. */
  readonly id: number;
  readonly role: 'publish' | 'view';
  readonly protocol: PublishProtocol | ViewProtocol;
  readonly members: readonly MemberTask[];
}

/** What a thread is told when it begins. */
export interface CrewTask {
  readonly groups: readonly GroupTask[];
  /** Members that begin per second in this thread. */
  readonly rate: number;
  readonly plan: Plan;
}

/** What a thread tells every second, and at the end. */
export interface CrewReport {
  readonly kind: 'report' | 'end';
  /** When the figures were these: Unix time in milliseconds. */
  readonly atMs: number;
  readonly groups: readonly { readonly id: number; readonly figures: FiguresData }[];
  /** All members have joined or failed. */
  readonly settled: boolean;
  /** Since the report before: how busy the thread was, 0 to 1, and how late its event loop came. */
  readonly utilization: number;
  readonly lateP99Ms: number;
  readonly lateMaxMs: number;
}

/** What a thread is told afterwards: all have joined and are watched from now on, or all are to leave. */
export type CrewOrder = 'watch' | 'stop';
