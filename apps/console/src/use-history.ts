import type { StreamHistoryBody } from '@sluice/contract';
import { type Ref, ref, shallowRef } from 'vue';
import { type HistorySamples, joinSamples, NO_SAMPLES } from './history-samples.ts';
import { TIMEOUT_MS, usePolling } from './use-polling.ts';

const INTERVAL_MS = 1000;
const RETRY_MS = 2000;

/** `loading` until the first answer, `stopped` while the stream is not live, `failed` while the server gives none. */
export type HistoryPhase = 'loading' | 'live' | 'stopped' | 'failed';

/** How one stream went lately. */
export interface HistoryFeed {
  readonly samples: Readonly<Ref<HistorySamples>>;
  readonly phase: Readonly<Ref<HistoryPhase>>;
}

/** Asks every second for what is new in the history of the stream `name`, while the component is mounted. */
export function useHistory(name: string): HistoryFeed {
  const samples = shallowRef(NO_SAMPLES);
  const phase = ref<HistoryPhase>('loading');

  usePolling(async () => {
    try {
      const body = await fetchHistory(name, samples.value.timesMs.at(-1) ?? 0);
      if (body !== undefined) samples.value = joinSamples(samples.value, body);
      phase.value = body === undefined ? 'stopped' : 'live';
    } catch {
      phase.value = 'failed';
    }
    return phase.value === 'live' ? INTERVAL_MS : RETRY_MS;
  });
  return { samples, phase };
}

/** Undefined when the stream is not live. */
async function fetchHistory(name: string, sinceMs: number): Promise<StreamHistoryBody | undefined> {
  const path = `api/streams/${encodeURIComponent(name)}/history?since=${sinceMs}`;
  const response = await fetch(path, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return (await response.json()) as StreamHistoryBody;
}
