import type { GroupTask, MemberTask } from './crew/crew-messages.ts';
import { CrewThread } from './crew/crew-thread.ts';
import { Figures } from './figures/figures.ts';
import { numberedUrl, type Plan } from './plan.ts';
import { toolReport } from './report/limits.ts';
import { progressLine } from './report/progress.ts';
import { type GroupFacts, groupReport, type LoadReport, type Span } from './report/report.ts';
import { UsageWatch } from './usage/usage-watch.ts';

const LOOK_MS = 1000;

/** A group with the threads that it is in. */
interface RunGroup extends GroupFacts {
  readonly id: number;
}

/** One run: publishers first, then viewers, then a time of watching, and a report. */
export class LoadRun {
  readonly #plan: Plan;
  readonly #write: (line: string) => void;
  readonly #startedMs = performance.now();
  readonly #watch: UsageWatch;
  readonly #groups: readonly RunGroup[];
  #publishing: CrewThread[] = [];
  #viewing: CrewThread[] = [];
  #viewed = { bytes: 0, atMs: 0 };
  #looking: Promise<void> = Promise.resolve();

  /** @param write takes a line of progress */
  constructor(plan: Plan, write: (line: string) => void) {
    this.#plan = plan;
    this.#write = write;
    this.#watch = new UsageWatch(plan);
    const facts = (role: 'publish' | 'view') =>
      plan[role].map(({ protocol, url, count }) => ({ role, protocol, url, asked: count }));
    this.#groups = [...facts('publish'), ...facts('view')].map((group, id) => ({ ...group, id }));
  }

  /**
   * Runs it to its end.
   * @param signal ends the watching early; a second call of nothing is needed, all leave as at the end
   * @throws Error when a thread dies
   */
  async run(signal: AbortSignal): Promise<LoadReport> {
    const startedAt = new Date().toISOString();
    const timer = setInterval(() => {
      this.#looking = this.#look();
    }, LOOK_MS);
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    try {
      await Promise.race([this.#begin(), aborted]);
      const nobody = this.#groups.every(({ id }) => this.#figuresOf(id).counts.joined === 0);
      await this.#pause(nobody ? 0 : this.#plan.warmUpS, signal);
      for (const crew of [...this.#publishing, ...this.#viewing]) crew.watch();
      await this.#watch.begin();
      const before = this.#spans();
      await this.#pause(nobody ? 0 : this.#plan.timeS, signal);
      await this.#looking;
      await this.#watch.look();
      const spans = this.#spans().map((span, index) => difference(span, before[index]));
      clearInterval(timer);
      await Promise.all([...this.#viewing].map((crew) => crew.stop()));
      await Promise.all(this.#publishing.map((crew) => crew.stop()));
      return this.#report(startedAt, spans);
    } finally {
      clearInterval(timer);
      await Promise.all([...this.#viewing, ...this.#publishing].map((crew) => crew.kill()));
    }
  }

  async #begin(): Promise<void> {
    const { publish, view, threads, rate } = this.#plan;
    if (publish.length > 0) {
      const groups = this.#tasks('publish');
      this.#publishing = [new CrewThread('publishing', { groups, rate, plan: this.#plan })];
      await Promise.all(this.#publishing.map((crew) => crew.settled()));
      if (this.#figuresOfAll('publish').counts.joined === 0) return;
      if (view.length > 0) await this.#pause(this.#plan.settleS);
    }
    if (view.length === 0) return;
    const groups = this.#tasks('view');
    this.#viewing = Array.from({ length: threads }, (_, thread) => {
      const share = groups.map((group) => ({
        ...group,
        members: group.members.filter((_member, index) => index % threads === thread),
      }));
      const name = threads === 1 ? 'viewing' : `viewing ${thread + 1}`;
      return new CrewThread(name, { groups: share, rate: rate / threads, plan: this.#plan });
    });
    await Promise.all(this.#viewing.map((crew) => crew.settled()));
  }

  #tasks(role: 'publish' | 'view'): GroupTask[] {
    const { streams, checkEvery } = this.#plan;
    return this.#groups
      .filter((group) => group.role === role)
      .map(({ id, protocol, url, asked }) => {
        const members = Array.from({ length: asked }, (_, index): MemberTask => {
          const number = role === 'publish' ? index + 1 : (index % streams) + 1;
          const isNeeded = role === 'publish' && asked > 1;
          return { url: numberedUrl(url, number, isNeeded), checked: index % checkEvery === 0 };
        });
        return { id, role, protocol: protocol as GroupTask['protocol'], members };
      });
  }

  #figuresOf(id: number): Figures {
    const figures = new Figures();
    for (const crew of [...this.#publishing, ...this.#viewing]) crew.addTo(figures, id);
    return figures;
  }

  #figuresOfAll(role: 'publish' | 'view'): Figures {
    const all = new Figures();
    for (const group of this.#groups) if (group.role === role) all.merge(this.#figuresOf(group.id).data());
    return all;
  }

  #spans(): Span[] {
    return this.#groups.map(({ id, role }) => {
      const crews = role === 'publish' ? this.#publishing : this.#viewing;
      const seconds = crews.reduce((sum, { atMs }) => sum + atMs, 0) / 1000 / Math.max(1, crews.length);
      const { bytes, packets, requests } = this.#figuresOf(id).counts;
      return { seconds, bytes, packets, requests };
    });
  }

  async #look(): Promise<void> {
    await this.#watch.look();
    if (this.#plan.quiet) return;
    const publishers = this.#figuresOfAll('publish');
    const viewers = this.#figuresOfAll('view');
    const { bytes } = viewers.counts;
    const nowMs = performance.now();
    const bitsPerMs = ((bytes - this.#viewed.bytes) * 8) / (nowMs - this.#viewed.atMs);
    this.#viewed = { bytes, atMs: nowMs };
    const sum = (plans: readonly { readonly count: number }[]): number =>
      plans.reduce((total, { count }) => total + count, 0);
    this.#write(
      progressLine({
        elapsedS: (performance.now() - this.#startedMs) / 1000,
        asked: { publishers: sum(this.#plan.publish), viewers: sum(this.#plan.view) },
        publishers,
        viewers,
        mbitPerSecond: bitsPerMs / 1000,
        serverCpu: this.#watch.usage()?.server?.cpu,
      }),
    );
  }

  #report(startedAt: string, spans: readonly Span[]): LoadReport {
    const usage = this.#watch.usage();
    const figures = this.#groups.map(({ id }) => this.#figuresOf(id));
    const groups = this.#groups.map((facts, index) =>
      groupReport(
        facts,
        figures[index] ?? new Figures(),
        spans[index] ?? { seconds: 0, bytes: 0, packets: 0, requests: 0 },
      ),
    );
    const viewers = groups.filter(({ role }) => role === 'view').reduce((sum, { joined }) => sum + joined, 0);
    const worstLateMs = Math.max(0, ...groups.map((group) => group.worstLateMs));
    const facts = { cpu: usage?.tool.cpu ?? 0, drops: this.#watch.drops, viewers, worstLateMs };
    return {
      startedAt,
      watchedSeconds: usage?.seconds ?? 0,
      groups,
      server: usage?.server,
      tool: toolReport([...this.#publishing, ...this.#viewing], facts),
      notes: this.#watch.problem === undefined ? [] : [`the server's metrics: ${this.#watch.problem}`],
    };
  }

  #pause(seconds: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      signal?.addEventListener('abort', () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

function difference(after: Span, before: Span | undefined): Span {
  if (before === undefined) return after;
  return {
    seconds: after.seconds - before.seconds,
    bytes: after.bytes - before.bytes,
    packets: after.packets - before.packets,
    requests: after.requests - before.requests,
  };
}
