import { onMounted, onUnmounted, type Ref, ref, shallowRef } from 'vue';
import { describeProblem } from './server-api.ts';

/**
 * Calls `ask` again and again while the component is mounted and the page is visible. `ask` must not fail; it resolves
 * to the time from its start to the next call, milliseconds. Gives a function that calls it at once.
 */
export function usePolling(ask: () => Promise<number>): () => void {
  let timer = 0;
  let mounted = false;

  const poll = async (): Promise<void> => {
    window.clearTimeout(timer);
    const startMs = performance.now();
    const periodMs = await ask();
    // A page that was hidden and shown again meanwhile has asked once more; only the last answer goes on.
    window.clearTimeout(timer);
    if (!mounted || document.hidden) return;
    timer = window.setTimeout(() => void poll(), Math.max(0, periodMs - (performance.now() - startMs)));
  };
  const onVisibility = (): void => {
    if (document.hidden) window.clearTimeout(timer);
    else void poll();
  };

  onMounted(() => {
    mounted = true;
    document.addEventListener('visibilitychange', onVisibility);
    void poll();
  });
  onUnmounted(() => {
    mounted = false;
    window.clearTimeout(timer);
    document.removeEventListener('visibilitychange', onVisibility);
  });
  return () => void poll();
}

/** What is asked for again and again. */
export interface Polled<T> {
  /** The newest answer; kept while others do not come. */
  readonly value: Readonly<Ref<T | undefined>>;
  /** Why the last answer did not come; empty when it came. */
  readonly problem: Readonly<Ref<string>>;
  /** Asks at once, as when what is asked for has changed. */
  refresh(): void;
}

/** Polls, and keeps the answer to the newest question. */
export function usePolled<T>(ask: () => Promise<T>, intervalMs: number): Polled<T> {
  const value = shallowRef<T>();
  const problem = ref('');
  let asked = 0;

  const refresh = usePolling(async () => {
    const number = ++asked;
    try {
      const answer = await ask();
      if (number !== asked) return intervalMs;
      value.value = answer;
      problem.value = '';
    } catch (error) {
      if (number === asked) problem.value = describeProblem(error);
    }
    return intervalMs;
  });
  return { value, problem, refresh };
}
