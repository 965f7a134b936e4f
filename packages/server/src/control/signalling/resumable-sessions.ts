import type { ConnectionRequest } from '@sluice/contract';

interface Resumable {
  readonly connection: Partial<ConnectionRequest>;
  readonly untilMs: number;
}

/** Sessions whose connection is gone and whose client may come back with their token; bounded in number and time. */
export class ResumableSessions {
  readonly #windowMs: number;
  readonly #max: number;
  readonly #sessions = new Map<string, Resumable>();

  constructor(windowMs: number, max: number) {
    this.#windowMs = windowMs;
    this.#max = max;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Keeps a session; the oldest is given up when there are too many. */
  keep(authToken: string, connection: Partial<ConnectionRequest>, nowMs = performance.now()): void {
    if (this.#windowMs <= 0) return;
    this.#sessions.set(authToken, { connection, untilMs: nowMs + this.#windowMs });
    if (this.#sessions.size > this.#max) this.#sessions.delete(this.#sessions.keys().next().value ?? '');
  }

  /** The session of a token, which is no longer kept then; undefined when there is none or its time is over. */
  take(authToken: string, nowMs = performance.now()): Partial<ConnectionRequest> | undefined {
    const session = this.#sessions.get(authToken);
    this.#sessions.delete(authToken);
    return session !== undefined && nowMs < session.untilMs ? session.connection : undefined;
  }

  /** Forgets those whose time is over. They are in the order of their times. */
  expire(nowMs: number): void {
    for (const [authToken, { untilMs }] of this.#sessions) {
      if (nowMs < untilMs) return;
      this.#sessions.delete(authToken);
    }
  }

  clear(): void {
    this.#sessions.clear();
  }
}
