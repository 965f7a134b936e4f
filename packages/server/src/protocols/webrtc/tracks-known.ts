import type { Stream } from '../../core/index.ts';
import type { Ticker } from '../../io/index.ts';

/** A stream that has one track is believed to have no other after this time. */
const SECOND_TRACK_WAIT_MS = 500;
/** What a stream consists of that sends nothing for this long is not waited for. */
const FIRST_TRACK_WAIT_MS = 2000;

/** Resolves when it is known what a stream consists of, or it can't be waited for any longer. */
export function tracksKnown(stream: Stream, ticker: Ticker): Promise<void> {
  const beganMs = performance.now();
  const isKnown = (nowMs: number): boolean => {
    const { video, audio } = stream.state;
    if (stream.ended || (video !== undefined && audio !== undefined)) return true;
    const one = video !== undefined || audio !== undefined;
    if (one && stream.publisher?.tracksComplete === true) return true;
    return nowMs - beganMs > (one ? SECOND_TRACK_WAIT_MS : FIRST_TRACK_WAIT_MS) || (one && isSettled(stream));
  };
  if (isKnown(beganMs)) return Promise.resolve();
  return new Promise((resolve) => {
    const listener = ticker.on((nowMs) => {
      if (!isKnown(nowMs)) return;
      listener[Symbol.dispose]();
      resolve();
    });
  });
}

/** True when the one track that is there has run for a while by itself. */
function isSettled({ log }: Stream): boolean {
  const first = log.at(log.start);
  const last = log.at(log.end - 1);
  return first !== undefined && last !== undefined && last.dtsUs - first.dtsUs > SECOND_TRACK_WAIT_MS * 1000;
}
