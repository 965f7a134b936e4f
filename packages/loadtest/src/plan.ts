import type { PictureForm } from './source/pictures.ts';

/** Ways in. */
export type PublishProtocol = 'rtmp' | 'whip';
/** Ways out. */
export type ViewProtocol = 'rtmp' | 'flv' | 'whep' | 'websdk' | 'hls' | 'll-hls';

/** Members of one kind. */
export interface GroupPlan<P extends string> {
  readonly protocol: P;
  /** As it was given, with `{n}` for a number. */
  readonly url: string;
  readonly count: number;
}

/** All that a run does; numbers are checked. */
export interface Plan {
  readonly publish: readonly GroupPlan<PublishProtocol>[];
  readonly view: readonly GroupPlan<ViewProtocol>[];
  /** What publishers send when they have no file. */
  readonly pictures: PictureForm;
  readonly soundBps: number;
  /** A file that is sent instead. */
  readonly source: string | undefined;
  /** Members that begin per second. */
  readonly rate: number;
  /** How long all play before they are watched, seconds: a server of JavaScript is compiled while it runs. */
  readonly warmUpS: number;
  /** How long all are watched after the last one has joined, seconds. */
  readonly timeS: number;
  /** Between the last publisher and the first viewer, seconds. */
  readonly settleS: number;
  /** Streams that the viewers of a group are spread over. */
  readonly streams: number;
  /** One viewer in so many is checked. */
  readonly checkEvery: number;
  readonly freezeMs: number;
  readonly feedbackMs: number;
  readonly joinTimeoutMs: number;
  readonly insecure: boolean;
  /** Threads for viewers. */
  readonly threads: number;
  readonly metricsUrl: string | undefined;
  /** Processes of the server; those that they have started belong to them. */
  readonly pids: readonly number[];
  readonly reportFile: string | undefined;
  readonly allowFailures: boolean;
  readonly quiet: boolean;
}

/**
 * The address of one member. `{n}` becomes its number; publishers of which there are several need numbers and get them
 * at the end of the path where no place is given.
 */
export function numberedUrl(url: string, number: number, isNeeded: boolean): string {
  if (url.includes('{n}')) return url.replaceAll('{n}', String(number));
  if (!isNeeded) return url;
  const query = url.indexOf('?');
  return query < 0 ? `${url}${number}` : `${url.slice(0, query)}${number}${url.slice(query)}`;
}
