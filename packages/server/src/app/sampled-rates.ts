import type { StreamRegistry } from '../core/index.ts';
import type { Ticker } from '../io/index.ts';

const SAMPLE_INTERVAL_MS = 1000;

/** Keeps the measured rates of all streams up to date until the result is disposed of. */
export function sampleRates(streams: StreamRegistry, ticker: Ticker): Disposable {
  return ticker.on((now) => {
    for (const stream of streams.all()) {
      stream.videoRate.sample(now);
      stream.audioRate.sample(now);
    }
  }, SAMPLE_INTERVAL_MS);
}
