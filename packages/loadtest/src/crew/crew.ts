import { type EventLoopUtilization, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { Figures } from '../figures/figures.ts';
import type { Member } from '../member.ts';
import { unixUs } from '../source/clock.ts';
import type { CrewReport, CrewTask } from './crew-messages.ts';
import { MemberMaker } from './make-member.ts';

const TICK_MS = 10;
const REPORT_MS = 1000;
/** Resolution of the watch over the event loop; its own period counts as no delay. */
const DELAY_RESOLUTION_MS = 10;

/** A member that has not begun yet. */
interface Waiting {
  readonly member: Member;
}

/** The members of one thread: begins them at their pace, looks after them, and tells what they saw. */
export class Crew {
  readonly #rate: number;
  readonly #maker: MemberMaker;
  readonly #groups: readonly { readonly id: number; readonly figures: Figures }[];
  readonly #waiting: Waiting[];
  readonly #members: Member[] = [];
  readonly #tell: (report: CrewReport) => void;
  readonly #delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  #utilization: EventLoopUtilization = performance.eventLoopUtilization();
  #beganMs = 0;
  #begun = 0;
  #timers: NodeJS.Timeout[] = [];

  private constructor(task: CrewTask, maker: MemberMaker, tell: (report: CrewReport) => void) {
    this.#rate = task.rate;
    this.#maker = maker;
    this.#tell = tell;
    const groups = task.groups.map((group) => ({ group, figures: new Figures() }));
    this.#groups = groups.map(({ group, figures }) => ({ id: group.id, figures }));
    // Groups take turns, so that all of them grow alike.
    const longest = Math.max(0, ...task.groups.map(({ members }) => members.length));
    this.#waiting = Array.from({ length: longest }, (_, index) =>
      groups.flatMap(({ group, figures }) => {
        const member = group.members[index];
        return member === undefined ? [] : [{ member: maker.make(group, member, figures) }];
      }),
    ).flat();
  }

  /** @throws Error when members can not be made as the plan wants them */
  static async prepare(task: CrewTask, tell: (report: CrewReport) => void): Promise<Crew> {
    return new Crew(task, await MemberMaker.prepare(task.plan, task.groups), tell);
  }

  /** Begins. */
  start(): void {
    this.#beganMs = performance.now();
    this.#delay.enable();
    this.#timers = [
      setInterval(() => this.#tick(performance.now()), TICK_MS),
      setInterval(() => this.#tell(this.#report('report')), REPORT_MS),
    ];
  }

  /** Nobody joins any more: delays that joining had made are forgotten. */
  watch(): void {
    for (const { figures } of this.#groups) figures.beginWatching();
    this.#delay.reset();
  }

  /** All leave; then the last report is told. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#delay.disable();
    const last = this.#report('end');
    await Promise.all(this.#members.map((member) => member.stop()));
    this.#maker.close();
    this.#tell({ ...last, groups: this.#figures() });
  }

  #tick(nowMs: number): void {
    const due = Math.min(this.#waiting.length, 1 + Math.floor(((nowMs - this.#beganMs) * this.#rate) / 1000));
    for (; this.#begun < due; this.#begun++) {
      const next = this.#waiting[this.#begun];
      if (next === undefined) break;
      this.#members.push(next.member);
      next.member.start(performance.now());
    }
    for (const member of this.#members) member.tick(nowMs);
  }

  #figures(): CrewReport['groups'] {
    return this.#groups.map(({ id, figures }) => ({ id, figures: figures.data() }));
  }

  #report(kind: CrewReport['kind']): CrewReport {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#utilization);
    this.#utilization = now;
    const late = (nanoseconds: number): number => Math.max(0, nanoseconds / 1e6 - DELAY_RESOLUTION_MS) || 0;
    const lateP99Ms = late(this.#delay.percentile(99));
    const lateMaxMs = late(this.#delay.max);
    this.#delay.reset();
    const all = this.#begun === this.#waiting.length;
    const settled = all && this.#groups.every(({ figures }) => figures.joining === 0);
    return { kind, atMs: unixUs() / 1000, groups: this.#figures(), settled, utilization, lateP99Ms, lateMaxMs };
  }
}
