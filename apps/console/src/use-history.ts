import { type Ref, ref, shallowRef } from 'vue';
import { type HistoryBody, type HistorySamples, joinSamples, NO_SAMPLES } from './history-samples.ts';
import { ask, ServerError } from './server-api.ts';
import { usePolling } from './use-polling.ts';

const INTERVAL_MS = 1000;
const RETRY_MS = 2000;

/** `loading` until the first answer, `stopped` while there is no such thing, `failed` while the server answers nothing. */
export type HistoryPhase = 'loading' | 'live' | 'stopped' | 'failed';

/** How something went lately. */
export interface HistoryFeed<Body> {
  readonly samples: Readonly<Ref<HistorySamples>>;
  readonly phase: Readonly<Ref<HistoryPhase>>;
  /** The newest answer; kept when there is none any more. */
  readonly body: Readonly<Ref<Body | undefined>>;
  /** Asks at once. */
  refresh(): void;
}

/** Asks every second for what is new in a history, while the component is mounted; `path` is without a query. */
export function useHistory<Body extends HistoryBody>(path: string): HistoryFeed<Body> {
  const samples = shallowRef(NO_SAMPLES);
  const phase = ref<HistoryPhase>('loading');
  const body = shallowRef<Body>();

  const refresh = usePolling(async () => {
    try {
      const answer = await fetchHistory<Body>(`${path}?since=${samples.value.timesMs.at(-1) ?? 0}`);
      if (answer !== undefined) {
        samples.value = joinSamples(samples.value, answer);
        body.value = answer;
      }
      phase.value = answer === undefined ? 'stopped' : 'live';
    } catch {
      phase.value = 'failed';
    }
    return phase.value === 'live' ? INTERVAL_MS : RETRY_MS;
  });
  return { samples, phase, body, refresh };
}

/** Undefined when there is no such thing now. */
async function fetchHistory<Body>(path: string): Promise<Body | undefined> {
  try {
    return await ask<Body>(path);
  } catch (error) {
    if (error instanceof ServerError && error.status === 404) return undefined;
    throw error;
  }
}
