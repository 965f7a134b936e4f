import type { Figures } from '../figures/figures.ts';
import type { Histogram } from '../figures/histogram.ts';
import type { ServerUsage } from '../usage/usage-watch.ts';

/** Times in milliseconds; undefined without any. */
export interface Times {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/** What the members of one group did and saw. */
export interface GroupReport {
  readonly role: 'publish' | 'view';
  readonly protocol: string;
  readonly url: string;
  readonly asked: number;
  readonly joined: number;
  readonly failed: number;
  /** Had joined, and were thrown out. */
  readonly ended: number;
  /** Members that joined in a second, from the first one's start to the last one's joining. */
  readonly joinsPerSecond: number;
  /** From asking to the first whole key frame; for publishers, to being accepted. */
  readonly firstPictureMs: Times | undefined;
  /** Of all together, while nobody joined any more. */
  readonly mbitPerSecond: number;
  readonly packetsPerSecond: number;
  readonly bytes: number;
  readonly packets: number;
  readonly pictures: number;
  /** RTP packets that never came, and their share of all. */
  readonly lost: number;
  readonly lostShare: number;
  readonly repaired: number;
  readonly picturesMissing: number;
  readonly freezes: number;
  readonly frozenMs: number;
  /** From the publisher's clock in a picture to the viewer that had it whole. */
  readonly delayMs: Times | undefined;
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly requestsFailed: number;
  readonly undecryptable: number;
  readonly worstLateMs: number;
  readonly problems: Readonly<Record<string, number>>;
}

/** What the tool itself used, and whether that was too much for figures to be trusted. */
export interface ToolReport {
  /** Of one core, all threads together. */
  readonly cpu: number;
  readonly threads: readonly {
    readonly name: string;
    /** The mean and the busiest second, 0 to 1. */
    readonly utilization: number;
    readonly worstUtilization: number;
    readonly lateP99Ms: number;
    readonly lateMaxMs: number;
  }[];
  /** Datagrams that this machine dropped because the tool had not read those before. */
  readonly droppedDatagrams: number;
  /** CPU of the tool for one viewer, percent of a core; undefined without viewers. */
  readonly cpuPercentPerViewer: number | undefined;
  /** Reasons for which the tool, and not the server, may have been the limit. */
  readonly limits: readonly string[];
}

/** The result of a run. */
export interface LoadReport {
  readonly startedAt: string;
  readonly watchedSeconds: number;
  readonly groups: readonly GroupReport[];
  readonly server: ServerUsage | undefined;
  readonly tool: ToolReport;
  readonly notes: readonly string[];
}

/** Sums between two moments, for rates. */
export interface Span {
  readonly seconds: number;
  readonly bytes: number;
  readonly packets: number;
  readonly requests: number;
}

/** What is known of a group from its plan. */
export interface GroupFacts {
  readonly role: 'publish' | 'view';
  readonly protocol: string;
  readonly url: string;
  readonly asked: number;
}

/** Makes the report of one group. */
export function groupReport(facts: GroupFacts, figures: Figures, span: Span): GroupReport {
  const { counts } = figures;
  const { started: _, ...sums } = counts;
  const perSecond = (sum: number): number => (span.seconds > 0 ? sum / span.seconds : 0);
  const { role, protocol, url, asked } = facts;
  return {
    role,
    protocol,
    url,
    asked,
    ...sums,
    joinsPerSecond: figures.joiningMs > 0 ? (counts.joined * 1000) / figures.joiningMs : 0,
    firstPictureMs: timesOf(figures.firstPictureMs),
    mbitPerSecond: (perSecond(span.bytes) * 8) / 1e6,
    packetsPerSecond: perSecond(span.packets),
    lostShare: counts.lost / Math.max(1, counts.lost + counts.packets),
    delayMs: timesOf(figures.delayMs),
    requestsPerSecond: perSecond(span.requests),
    problems: Object.fromEntries(figures.errors),
  };
}

/** True when all that was asked for has joined and stayed. */
export function allJoined({ groups }: LoadReport): boolean {
  return groups.every(({ asked, joined, ended }) => joined === asked && ended === 0);
}

export function timesOf(histogram: Histogram): Times | undefined {
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => histogram.percentile(share));
  if (p50 === undefined || p95 === undefined || p99 === undefined) return undefined;
  return { count: histogram.count, p50, p95, p99, max: histogram.max };
}
