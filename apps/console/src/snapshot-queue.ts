/** More at the same time would keep the page's other requests waiting: browsers open six connections to a server. */
const MAX_AT_ONCE = 4;

interface Waiting {
  begin(): void;
}

const waiting: Waiting[] = [];
let running = 0;

/**
 * Runs work on pictures, only so much at the same time for the whole page, first come first served.
 * @throws what the work throws; nothing is begun for a signal that is aborted by then
 */
export async function takeTurn<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  await new Promise<void>((begin) => {
    waiting.push({ begin });
    advance();
  });
  try {
    signal.throwIfAborted();
    return await work();
  } finally {
    running--;
    advance();
  }
}

function advance(): void {
  while (running < MAX_AT_ONCE) {
    const next = waiting.shift();
    if (next === undefined) return;
    running++;
    next.begin();
  }
}
