import type { OverviewBody } from '@sluice/contract';
import { type Ref, ref, shallowRef } from 'vue';
import { TIMEOUT_MS, usePolling } from './use-polling.ts';

const INTERVAL_MS = 2000;

/** What the server tells, asked again every two seconds while the page is visible. */
export interface OverviewFeed {
  readonly overview: Readonly<Ref<OverviewBody | undefined>>;
  /** Why the last answer did not come; empty when it came. `overview` keeps what was known before. */
  readonly problem: Readonly<Ref<string>>;
}

/** Asks for `/api/overview` for as long as the component is mounted. */
export function useOverview(): OverviewFeed {
  const overview = shallowRef<OverviewBody>();
  const problem = ref('');

  usePolling(async () => {
    try {
      overview.value = await fetchOverview();
      problem.value = '';
    } catch (error) {
      problem.value = describe(error);
    }
    return INTERVAL_MS;
  });
  return { overview, problem };
}

async function fetchOverview(): Promise<OverviewBody> {
  const response = await fetch('api/overview', { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new Error(`the server answered ${response.status} ${response.statusText}`);
  return (await response.json()) as OverviewBody;
}

function describe(error: unknown): string {
  if (error instanceof DOMException && error.name === 'TimeoutError') return 'the server did not answer in 5 seconds';
  if (error instanceof TypeError) return 'the server can not be reached';
  return error instanceof Error ? error.message : String(error);
}
