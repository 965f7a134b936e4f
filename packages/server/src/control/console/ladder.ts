import type { LadderBody, LadderRow } from '@sluice/contract';
import { type Ladder, MediaServerError, type Rendition, type Stream } from '../../core/index.ts';
import type { ControlDeps } from '../control-deps.ts';

type LadderDeps = Pick<ControlDeps, 'streams' | 'renditions' | 'adaptations' | 'conversionBudget'>;

/**
 * The qualities that a live stream can be had in by HLS, what each costs or is expected to cost, and what is free.
 * @throws MediaServerError STREAM_NOT_FOUND
 */
export function ladderOf(deps: LadderDeps, streamName: string): LadderBody {
  const stream = deps.streams.get(streamName);
  if (stream?.live !== true) throw new MediaServerError('STREAM_NOT_FOUND', `stream "${streamName}" is not live`);
  const { ladder, notes } = ladderOrWhyNot(deps, stream);
  const budget = deps.conversionBudget?.();
  return {
    renditions: (ladder?.renditions ?? []).map((rendition) => rowOf(deps, stream, rendition)),
    estimatedCores: rounded(ladder?.estimatedCores ?? 0),
    limitCores: rounded(budget?.limitCores ?? 0),
    usedCores: rounded(budget?.usedCores ?? 0),
    notes: [...notes],
  };
}

function ladderOrWhyNot(
  { renditions }: LadderDeps,
  stream: Stream,
): { readonly ladder: Ladder | undefined; readonly notes: readonly string[] } {
  if (renditions?.enabled('hls') !== true) {
    return { ladder: undefined, notes: ['Qualities are switched off (hls_abr_enabled, transcoding_disabled).'] };
  }
  try {
    const ladder = renditions.ladder(stream, 'hls');
    return { ladder, notes: ladder?.notes ?? ['The stream has no picture, or its size is not known yet.'] };
  } catch (error) {
    if (!(error instanceof MediaServerError)) throw error;
    return { ladder: undefined, notes: [error.message] };
  }
}

function rowOf({ adaptations }: LadderDeps, stream: Stream, rendition: Rendition): LadderRow {
  const { name, original, size, fps, bandwidthBps, estimatedCores, acceptance } = rendition;
  const conversion = original ? undefined : adaptations?.conversionFor(stream, 'video', acceptance);
  return {
    name,
    width: size?.width ?? 0,
    height: size?.height ?? 0,
    fps: fps ?? 0,
    bandwidth: Math.round(bandwidthBps),
    original,
    estimatedCores: rounded(estimatedCores),
    running: conversion !== undefined && conversion.failure === undefined,
    ...(conversion?.cpuShare === undefined ? {} : { usedCores: rounded(conversion.cpuShare) }),
    ...(conversion?.failure === undefined ? {} : { failure: conversion.failure }),
  };
}

function rounded(cores: number): number {
  return Math.round(cores * 1000) / 1000;
}
