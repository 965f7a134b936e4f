import type { OverviewStream } from '@sluice/contract';
import { type Ref, shallowRef, watch } from 'vue';

/** Points of a trail: a minute, as the overview comes every two seconds. */
const MAX_POINTS = 30;

/** The bit rates of each stream since the page was opened, oldest first, for a minute at most. */
export type Trails = ReadonlyMap<string, readonly number[]>;

/** Notes the bit rates of streams whenever they are told anew; forgets streams that are gone. */
export function useTrails(streams: Readonly<Ref<readonly OverviewStream[]>>): Readonly<Ref<Trails>> {
  const trails = shallowRef<Trails>(new Map());
  watch(
    streams,
    (now) => {
      const next = new Map<string, readonly number[]>();
      for (const { name, video, audio } of now) {
        const rate = (video?.bitrate ?? 0) + (audio?.bitrate ?? 0);
        next.set(name, [...(trails.value.get(name) ?? []), rate].slice(-MAX_POINTS));
      }
      trails.value = next;
    },
    { immediate: true },
  );
  return trails;
}
