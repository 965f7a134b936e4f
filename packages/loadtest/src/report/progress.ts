import type { Figures } from '../figures/figures.ts';

/** What one line of progress tells. */
export interface Progress {
  readonly elapsedS: number;
  readonly asked: { readonly publishers: number; readonly viewers: number };
  readonly publishers: Figures;
  readonly viewers: Figures;
  /** Of viewers, since the line before. */
  readonly mbitPerSecond: number;
  readonly serverCpu: number | undefined;
}

/** One line that is written every second. */
export function progressLine(progress: Progress): string {
  const { publishers, viewers, asked } = progress;
  const parts = [`${String(Math.round(progress.elapsedS)).padStart(4)} s`];
  if (asked.publishers > 0) parts.push(`publishing ${publishers.counts.joined}/${asked.publishers}`);
  if (asked.viewers > 0) parts.push(`viewing ${viewers.counts.joined}/${asked.viewers}`);
  const failed = viewers.counts.failed + publishers.counts.failed;
  parts.push(`failed ${failed}`);
  const ended = viewers.counts.ended + publishers.counts.ended;
  if (ended > 0) parts.push(`thrown out ${ended}`);
  if (asked.viewers > 0) {
    const { lost, freezes } = viewers.counts;
    parts.push(`${progress.mbitPerSecond.toFixed(1)} Mbit/s`, `lost ${lost}`, `freezes ${freezes}`);
    const [p50, p95] = [0.5, 0.95].map((share) => viewers.delayMs.percentile(share));
    if (p50 !== undefined && p95 !== undefined) parts.push(`delay ${p50.toFixed(0)}/${p95.toFixed(0)} ms`);
  }
  if (progress.serverCpu !== undefined) parts.push(`server ${Math.round(progress.serverCpu * 100)} %`);
  return parts.join('  ');
}
