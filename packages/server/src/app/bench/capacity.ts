import type { LoadReport } from '@sluice/loadtest/report';

/** What was measured with one number of viewers. */
export interface BenchStep {
  readonly viewers: number;
  /** Of the server, as a share of one core. */
  readonly cpu: number;
  readonly residentBytes: number;
  readonly kbitEach: number;
  /** From the publisher's clock in a picture to the viewer; undefined without any. */
  readonly delayP95Ms: number | undefined;
  /** What was not delivered, in words; empty when everything was. */
  readonly missing: string;
  /** Why the load generator may have been the limit. */
  readonly toolLimits: readonly string[];
  /** Of the load generator, as a share of one core. */
  readonly toolCpu: number;
}

/** What this machine can serve by one protocol. */
export interface Capacity {
  /** Viewers that one core of the server carries; undefined when nothing could be measured. */
  readonly perCore: number | undefined;
  readonly kbitEach: number;
  readonly kibEach: number;
  /** Viewers that a network of 1 Gbit/s carries, when a tenth is left for everything else. */
  readonly perGigabit: number;
  /** Viewers for whom the memory of this machine is enough, when half is left. */
  readonly byMemory: number;
}

const KIB = 1024;
const USABLE_OF_NETWORK = 0.9;
const USABLE_OF_MEMORY = 0.5;
/** What a viewer takes at least: less is the noise of what was there before. */
const LEAST_KIB = 4;

/** One number of viewers, out of the report of the load generator. */
export function stepOf(report: LoadReport, viewers: number): BenchStep {
  const group = report.groups[0];
  const missing: string[] = [];
  if (group === undefined) missing.push('no report');
  else {
    if (group.joined < viewers) missing.push(`${viewers - group.joined} of ${viewers} could not join`);
    if (group.ended > 0) missing.push(`${group.ended} were thrown out`);
    if (group.lost > 0) missing.push(`${group.lost} packets were lost`);
    // One may stand still while all others join.
    if (group.freezes > viewers) missing.push(`pictures stood still ${group.freezes} times`);
  }
  return {
    viewers,
    cpu: report.server?.cpu ?? Number.NaN,
    residentBytes: report.server?.residentBytes ?? Number.NaN,
    kbitEach: ((group?.mbitPerSecond ?? 0) * 1000) / viewers,
    delayP95Ms: group?.delayMs?.p95,
    missing: missing.join(', '),
    toolLimits: report.tool.limits,
    toolCpu: report.tool.cpu,
  };
}

/**
 * What follows from the steps: CPU grows in a line with the viewers, so what they cost is its slope, and what is there
 * without any stays out of it.
 * @param idleBytes memory of the server before the first viewer
 * @param machineBytes memory of the machine
 */
export function capacityOf(
  steps: readonly BenchStep[],
  { idleBytes, machineBytes }: { readonly idleBytes: number; readonly machineBytes: number },
): Capacity | undefined {
  const whole = steps.filter(({ missing, cpu }) => missing === '' && Number.isFinite(cpu));
  const last = (whole.length > 0 ? whole : steps).at(-1);
  if (last === undefined) return undefined;
  const kibEach = Math.max(LEAST_KIB, (last.residentBytes - idleBytes) / KIB / last.viewers);
  const { each, without } = lineThrough(whole.length > 0 ? whole : steps);
  const perCore = each > 0 ? Math.max(0, (1 - without) / each) : undefined;
  return {
    perCore,
    kbitEach: last.kbitEach,
    kibEach,
    perGigabit: (1e6 * USABLE_OF_NETWORK) / Math.max(1, last.kbitEach),
    byMemory: (machineBytes * USABLE_OF_MEMORY) / KIB / kibEach,
  };
}

/** CPU without any viewer, and for each, by least squares; through zero when one step is all there is. */
function lineThrough(steps: readonly BenchStep[]): { readonly without: number; readonly each: number } {
  const mean = (of: (step: BenchStep) => number): number =>
    steps.reduce((sum, step) => sum + of(step), 0) / Math.max(1, steps.length);
  const viewers = mean((step) => step.viewers);
  const cpu = mean((step) => step.cpu);
  const spread = steps.reduce((sum, step) => sum + (step.viewers - viewers) ** 2, 0);
  const through = { without: 0, each: cpu / Math.max(1, viewers) };
  if (spread === 0) return through;
  const each = steps.reduce((sum, step) => sum + (step.viewers - viewers) * (step.cpu - cpu), 0) / spread;
  const without = cpu - each * viewers;
  // Noise is larger than what is measured.
  return each <= 0 || without < 0 ? through : { without, each };
}

/** When to stop. */
export interface StepLimits {
  /** Viewers. */
  readonly most: number;
  /** CPU of the server, and of the load generator, as a share of one core. */
  readonly busy: number;
}

/**
 * How many viewers the next step has: up to four times as many, as the CPU allows; as many again when not all was delivered
 * for once. Undefined when more would tell nothing new, or would not fit.
 */
export function nextViewers(steps: readonly BenchStep[], { most, busy }: StepLimits): number | undefined {
  const step = steps.at(-1);
  if (step === undefined) return undefined;
  if (step.missing !== '') return steps.at(-2)?.viewers === step.viewers ? undefined : step.viewers;
  const factor = Math.min(4, busy / Math.max(step.cpu, step.toolCpu, 0.02));
  if (!(factor >= 1.3) || step.viewers >= most) return undefined;
  return Math.min(most, Math.round((step.viewers * factor) / 10) * 10);
}
