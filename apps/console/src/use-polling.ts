import { onMounted, onUnmounted } from 'vue';

/** An answer that takes longer counts as none. */
export const TIMEOUT_MS = 5000;

/**
 * Calls `ask` again and again while the component is mounted and the page is visible. `ask` must not fail; it resolves
 * to the time from its start to the next call, milliseconds.
 */
export function usePolling(ask: () => Promise<number>): void {
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
}
