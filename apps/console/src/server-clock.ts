const TRIES = 3;
const TIMEOUT_MS = 3000;
/** Clocks drift apart slowly. */
const FRESH_MS = 5 * 60_000;
/** Where the server tells whole seconds only, the middle of one. */
const HALF_SECOND_MS = 500;

/** Tells the server's time in this browser, whose own clock may be wrong. */
export class ServerClock {
  #offsetMs: number | undefined;
  #askedMs = Number.NEGATIVE_INFINITY;

  /** The server's time, milliseconds since 1970; undefined until it has answered. Asks it now and then. */
  nowMs(): number | undefined {
    if (performance.now() - this.#askedMs > FRESH_MS) void this.#ask();
    return this.#offsetMs === undefined ? undefined : performance.now() + this.#offsetMs;
  }

  async #ask(): Promise<void> {
    this.#askedMs = performance.now();
    let leastMs = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < TRIES; tries++) {
      const startMs = performance.now();
      const serverMs = await serverTime().catch(() => undefined);
      const roundTripMs = performance.now() - startMs;
      if (serverMs === undefined) return;
      if (roundTripMs >= leastMs) continue;
      leastMs = roundTripMs;
      this.#offsetMs = serverMs - startMs - roundTripMs / 2;
    }
  }
}

/** Shared by all players of a page. */
export const serverClock = new ServerClock();

/** Milliseconds since 1970 by the server's clock; undefined when it does not tell. */
async function serverTime(): Promise<number | undefined> {
  const response = await fetch('embed/time', { cache: 'no-store', signal: AbortSignal.timeout(TIMEOUT_MS) });
  const date = Date.parse(response.headers.get('date') ?? '');
  const body = (await response.json().catch(() => ({}))) as { nowMs?: unknown };
  if (typeof body.nowMs === 'number') return body.nowMs;
  return Number.isNaN(date) ? undefined : date + HALF_SECOND_MS;
}
