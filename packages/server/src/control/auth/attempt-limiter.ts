import { isIPv6 } from 'node:net';

/** How failed attempts slow an address down. */
export interface AttemptLimits {
  /** Failures before an address must wait. */
  readonly free: number;
  /** Wait after the last of these; it doubles with each further one. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** After that long without a failure all is forgotten. */
  readonly forgetMs: number;
}

export const DEFAULT_ATTEMPT_LIMITS: AttemptLimits = Object.freeze({
  free: 5,
  firstWaitMs: 1000,
  longestWaitMs: 5 * 60_000,
  forgetMs: 15 * 60_000,
});

/** Behind a reverse proxy everybody comes from this machine: nobody must be able to lock the others out for long. */
export const LOOPBACK_ATTEMPT_LIMITS: AttemptLimits = Object.freeze({
  free: 20,
  firstWaitMs: 250,
  longestWaitMs: 2000,
  forgetMs: 60_000,
});

const MAX_ADDRESSES = 20_000;

interface Failures {
  failures: number;
  /** Attempts whose outcome is not known yet. */
  pending: number;
  waitUntilMs: number;
  lastAtMs: number;
}

/** An attempt that was let through. Exactly one of the two is called, once. */
export interface Attempt {
  /** The secret was wrong. */
  failed(): void;
  /** The secret was right: earlier failures of the address are forgiven. */
  succeeded(): void;
  /** Neither: nothing can be said of the secret. */
  abandoned(): void;
}

/**
 * Slows down who guesses passwords or tokens: after some failures an address must wait before each further attempt,
 * longer each time. IPv6 addresses count by their /64, which is what one customer has. Remembers at most 20 000
 * addresses, the latest.
 */
export class AttemptLimiter {
  readonly #limits: AttemptLimits;
  readonly #loopbackLimits: AttemptLimits;
  readonly #now: () => number;
  readonly #records = new Map<string, Failures>();

  constructor(
    limits: AttemptLimits = DEFAULT_ATTEMPT_LIMITS,
    { loopback = LOOPBACK_ATTEMPT_LIMITS, now = () => performance.now() } = {},
  ) {
    this.#limits = limits;
    this.#loopbackLimits = loopback;
    this.#now = now;
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.#records.size;
  }

  /**
   * Begins an attempt, or gives the time in milliseconds after which the next one is let through. Attempts whose
   * outcome is not known yet count like failures, so that many at once get no further than one after the other.
   */
  begin(address: string): Attempt | number {
    const key = addressKey(address);
    const limits = isLoopback(address) ? this.#loopbackLimits : this.#limits;
    const now = this.#now();
    const record = this.#records.get(key) ?? { failures: 0, pending: 0, waitUntilMs: 0, lastAtMs: now };
    if (now - record.lastAtMs > limits.forgetMs) record.failures = 0;
    if (record.waitUntilMs > now) return record.waitUntilMs - now;
    if (record.pending > 0 && record.failures + record.pending >= limits.free) return limits.firstWaitMs;
    record.pending++;
    record.lastAtMs = now;
    this.#remember(key, record);
    return this.#attempt(key, record, limits);
  }

  #attempt(key: string, record: Failures, limits: AttemptLimits): Attempt {
    const settle = (outcome: () => void) => () => {
      record.pending--;
      outcome();
      if (record.failures > 0 || record.pending > 0 || this.#records.get(key) !== record) return;
      this.#records.delete(key);
    };
    return {
      failed: settle(() => {
        record.failures++;
        record.lastAtMs = this.#now();
        const beyond = record.failures - limits.free;
        if (beyond < 0) return;
        const waitMs = Math.min(limits.longestWaitMs, limits.firstWaitMs * 2 ** Math.min(beyond, 30));
        record.waitUntilMs = record.lastAtMs + waitMs;
      }),
      succeeded: settle(() => {
        record.failures = 0;
        record.waitUntilMs = 0;
      }),
      abandoned: settle(() => {}),
    };
  }

  /** Puts the record last in the map; the first one has been quiet for longest and goes when there are too many. */
  #remember(key: string, record: Failures): void {
    this.#records.delete(key);
    this.#records.set(key, record);
    if (this.#records.size <= MAX_ADDRESSES) return;
    const oldest = this.#records.keys().next().value;
    if (oldest !== undefined) this.#records.delete(oldest);
  }
}

/** True for addresses of this machine itself, also IPv4 mapped to IPv6. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/i.test(address);
}

/** What an address counts as: itself, or for IPv6 its first 64 bits. */
function addressKey(address: string): string {
  const plain = address.replace(/^::ffff:/i, '').replace(/%.*$/, '');
  if (!isIPv6(plain)) return plain;
  const [head = '', tail = ''] = plain.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === '' ? [] : tail.split(':');
  const groups = plain.includes('::')
    ? [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right]
    : left;
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
