import { setTimeout as wait } from 'node:timers/promises';

/** Pause before try number `tries` + 1, milliseconds: doubled each time, with a random part so that many don't come at once. */
export function backOffMs(
  tries: number,
  { firstMs, maxMs }: { readonly firstMs: number; readonly maxMs: number },
): number {
  const full = Math.min(maxMs, firstMs * 2 ** Math.min(tries - 1, 30));
  return full / 2 + Math.random() * (full / 2);
}

/** Waits; rejects with the reason of the signal when that is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(ms, undefined, { signal });
  } catch {
    signal.throwIfAborted();
  }
}
