import { type Stream, tracksSettled } from '../../core/index.ts';
import type { Ticker } from '../../io/index.ts';

/** Resolves when it is known what a stream consists of, or it can't be waited for any longer. */
export function tracksKnown(stream: Stream, ticker: Ticker): Promise<void> {
  const beganMs = performance.now();
  if (tracksSettled(stream, 0)) return Promise.resolve();
  return new Promise((resolve) => {
    const listener = ticker.on((nowMs) => {
      if (!tracksSettled(stream, nowMs - beganMs)) return;
      listener[Symbol.dispose]();
      resolve();
    });
  });
}
