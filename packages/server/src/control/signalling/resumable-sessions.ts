import type { ConnectionRequest } from '@sluice/contract';

interface Resumable {
  readonly connection: Partial<ConnectionRequest>;
  readonly untilMs: number;
  /** What it takes, about. */
  readonly bytes: number;
}

/** A session that takes more can't be resumed, and all together take no more than this many times as much. */
const MAX_SESSION_BYTES = 64 * 1024;
const MAX_BYTES = 256 * MAX_SESSION_BYTES;

/** Sessions whose connection is gone and whose client may come back with their token; bounded in number and time. */
export class ResumableSessions {
  readonly #windowMs: number;
  readonly #max: number;
  readonly #sessions = new Map<string, Resumable>();
  #bytes = 0;

  constructor(windowMs: number, max: number) {
    this.#windowMs = windowMs;
    this.#max = max;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Keeps a session, unless it is too large; the oldest are given up when there are too many. */
  keep(authToken: string, connection: Partial<ConnectionRequest>, nowMs = performance.now()): void {
    const bytes = JSON.stringify(connection).length;
    if (this.#windowMs <= 0 || bytes > MAX_SESSION_BYTES) return;
    this.#forget(authToken);
    this.#sessions.set(authToken, { connection, untilMs: nowMs + this.#windowMs, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size <= this.#max && this.#bytes <= MAX_BYTES) return;
      this.#forget(oldest);
    }
  }

  /** The session of a token, which is no longer kept then; undefined when there is none or its time is over. */
  take(authToken: string, nowMs = performance.now()): Partial<ConnectionRequest> | undefined {
    const session = this.#sessions.get(authToken);
    this.#forget(authToken);
    return session !== undefined && nowMs < session.untilMs ? session.connection : undefined;
  }

  /** Forgets those whose time is over. They are in the order of their times. */
  expire(nowMs: number): void {
    for (const [authToken, { untilMs }] of this.#sessions) {
      if (nowMs < untilMs) return;
      this.#forget(authToken);
    }
  }

  clear(): void {
    this.#sessions.clear();
    this.#bytes = 0;
  }

  #forget(authToken: string): void {
    this.#bytes -= this.#sessions.get(authToken)?.bytes ?? 0;
    this.#sessions.delete(authToken);
  }
}
