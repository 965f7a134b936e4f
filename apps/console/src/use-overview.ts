import type { OverviewBody } from '@sluice/contract';
import { onMounted, onUnmounted, type Ref, ref, shallowRef } from 'vue';

const INTERVAL_MS = 2000;
const TIMEOUT_MS = 5000;

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
  let timer = 0;
  let stopped = false;

  const poll = async (): Promise<void> => {
    try {
      overview.value = await fetchOverview();
      problem.value = '';
    } catch (error) {
      problem.value = describe(error);
    }
    if (!stopped && !document.hidden) timer = window.setTimeout(() => void poll(), INTERVAL_MS);
  };
  const onVisibility = (): void => {
    window.clearTimeout(timer);
    if (!document.hidden) void poll();
  };

  onMounted(() => {
    document.addEventListener('visibilitychange', onVisibility);
    void poll();
  });
  onUnmounted(() => {
    stopped = true;
    window.clearTimeout(timer);
    document.removeEventListener('visibilitychange', onVisibility);
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
