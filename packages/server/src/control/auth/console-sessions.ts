import { randomBytes } from 'node:crypto';
import type { StoredUser } from './users-file.ts';

const MAX_SESSIONS = 1000;
const IDLE_MS = 12 * 60 * 60_000;
const TOKEN_BYTES = 32;
const TOKEN = /^[A-Za-z0-9_-]{43}$/;

interface Session {
  readonly user: string;
  readonly passwordHash: string;
  lastUseMs: number;
}

/**
 * Logins of the console, in memory: they end after twelve hours without use, with a new password of their user, and with
 * the server. Beyond a thousand the one that was not used for longest ends.
 */
export class ConsoleSessions {
  readonly #sessions = new Map<string, Session>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Begins a session and gives the secret that stands for it. */
  begin({ name, passwordHash }: StoredUser): string {
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    this.#put(token, { user: name, passwordHash, lastUseMs: this.#now() });
    return token;
  }

  /** The name of the session's user; `find` tells what has become of him. Counts as use. */
  async userOf(
    token: string,
    find: (name: string) => Promise<StoredUser | undefined>,
  ): Promise<StoredUser | undefined> {
    const session = TOKEN.test(token) ? this.#sessions.get(token) : undefined;
    if (session === undefined) return undefined;
    const user = await find(session.user);
    const fresh = this.#now() - session.lastUseMs < IDLE_MS;
    if (!fresh || user?.active !== true || user.passwordHash !== session.passwordHash) {
      this.#sessions.delete(token);
      return undefined;
    }
    // It may have been ended meanwhile.
    if (!this.#sessions.has(token)) return undefined;
    session.lastUseMs = this.#now();
    this.#put(token, session);
    return user;
  }

  /** Ends it. Idempotent. */
  end(token: string): void {
    this.#sessions.delete(token);
  }

  /** Puts it last in the map, so that the first one is the one that was not used for longest. */
  #put(token: string, session: Session): void {
    this.#sessions.delete(token);
    this.#sessions.set(token, session);
    const oldest = this.#sessions.keys().next().value;
    if (this.#sessions.size > MAX_SESSIONS && oldest !== undefined) this.#sessions.delete(oldest);
  }
}
