import type { LadderBody } from '@sluice/contract';
import { computed, type Ref, ref, shallowRef } from 'vue';
import { ask, describeProblem, ServerError } from './server-api.ts';
import { usePolling } from './use-polling.ts';

const INTERVAL_MS = 3000;
/** A server that has none of this stream is asked less often. */
const IDLE_MS = 10_000;

/** The qualities of a stream, asked for as long as the component is mounted. */
export interface Ladder {
  /** Undefined until the server has answered, and when it makes no qualities. */
  readonly body: Readonly<Ref<LadderBody | undefined>>;
  readonly problem: Readonly<Ref<string>>;
  /** Names that can be chosen; none when there is nothing to choose from. */
  readonly names: Readonly<Ref<readonly string[]>>;
}

/** Asks for the qualities of a stream as long as the component is mounted and `isOn` says so. */
export function useLadder(name: string, isOn: () => boolean): Ladder {
  const body = shallowRef<LadderBody>();
  const problem = ref('');
  usePolling(async () => {
    if (!isOn()) return INTERVAL_MS;
    try {
      body.value = await ask<LadderBody>(`api/ladder?stream=${encodeURIComponent(name)}`);
      problem.value = '';
      return INTERVAL_MS;
    } catch (error) {
      const isNone = error instanceof ServerError && error.status === 404;
      if (isNone) body.value = undefined;
      problem.value = isNone ? '' : describeProblem(error);
      return isNone ? IDLE_MS : INTERVAL_MS;
    }
  });
  const names = computed(() => body.value?.renditions.map((rendition) => rendition.name) ?? []);
  return { body, problem, names };
}
