import type { ConversionFacts, Stream } from '../../core/index.ts';
import type { StatSources } from './stat-groups.ts';
import { MAX_LISTED_STREAMS, type StatValues } from './stat-value.ts';

/** Decoders, encoders and the like exist in pairs: one pair for each conversion that runs. */
export function nativeResources({ deps }: StatSources): StatValues {
  let running = 0;
  for (const stream of deps.streams.all()) running += conversionsOf(deps, stream).length;
  return { native_resources: running };
}

/** Streams whose picture is converted, each with the codecs that it is converted to (rest-hooks.md §9). */
export function transcoding({ deps }: StatSources): StatValues {
  const streams = new Map<string, unknown>();
  let conversions = 0;
  for (const stream of deps.streams.all()) {
    const all = conversionsOf(deps, stream);
    conversions += all.length;
    const video = all.filter(({ kind }) => kind === 'video');
    if (video.length === 0 || streams.size >= MAX_LISTED_STREAMS) continue;
    const size = deps.describeTrack(stream).video;
    const resolution = size === undefined ? '' : `${size.width}x${size.height}`;
    streams.set(stream.name, {
      distributors: Object.fromEntries(video.map((facts) => distributor(facts, resolution))),
    });
  }
  return {
    transcoding_conversions: conversions,
    transcoding_video_full_info: Object.fromEntries(streams),
  };
}

function conversionsOf(deps: StatSources['deps'], stream: Stream): readonly ConversionFacts[] {
  return (deps.adaptations?.conversionsOf(stream) ?? []).filter(({ failure }) => failure === undefined);
}

/** WCS tells groups of receivers with the times of sending; there are none here. */
function distributor({ to, queued }: ConversionFacts, resolution: string): readonly [id: string, facts: object] {
  return [to, { codec: to, queueSize: queued ?? 0, resolution, videoGroupsSendStats: {} }];
}
