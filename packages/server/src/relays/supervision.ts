import type {
  Counters,
  Log,
  RelayEnd,
  RelayEndCode,
  RelayEvents,
  RelayLink,
  RelayLinkFacts,
  RelayState,
} from '../core/index.ts';
import { type LinkTotals, NO_TOTALS, withLink } from './link-totals.ts';
import { Notes } from './notes.ts';
import { type RetryPolicy, STEADY_MS } from './options.ts';

export interface SupervisionParts {
  readonly policy: RetryPolicy;
  /** True: it is over when its first attempt has no media. */
  readonly firstMustWork: boolean;
  /** An attempt that has no media by then is ended, should its protocol not have done so; undefined: it may wait for some. */
  readonly overdueMs: number | undefined;
  readonly counters: Counters;
  readonly log: Log;
  /** In [0, 1). */
  readonly random: () => number;
  connect(events: RelayEvents): RelayLink;
  /** There is another connection, or none any more. */
  onLink(link: RelayLink | undefined): void;
  /** The other side has agreed; `again` when it had before. */
  onConnected(again: boolean): void;
  onMedia(): void;
  /** The state is another one; after `close` for the last time, with `stopped`. */
  onState(): void;
  /** No further attempt will be made. `close` is to be called. */
  onGivenUp(end: RelayEnd): void;
}

/** These are not cured by a quick new attempt. */
const STUBBORN: ReadonlySet<RelayEndCode> = new Set(['refused', 'not_found', 'invalid']);
const DROPS_INTERVAL_MS = 1000;

interface Attempt {
  readonly begunMs: number;
  link: RelayLink | undefined;
  connected: boolean;
  /** When its first media came, on the clock of the ticker. */
  mediaMs: number | undefined;
}

/** Makes connections to one place, one after the other, as long as it takes; knows no media. */
export class Supervision {
  readonly notes = new Notes();
  readonly #parts: SupervisionParts;
  #state: RelayState = 'connecting';
  #attempt: Attempt | undefined;
  #attempts = 0;
  #reconnects = 0;
  #failuresInRow = 0;
  #everConnected = false;
  #everMedia = false;
  #lastError: { readonly message: string; readonly atMs: number } | undefined;
  #next: { readonly dueMs: number; readonly atMs: number } | undefined;
  #totals = NO_TOTALS;
  #countedDrops = 0;
  #dropsMs = 0;
  #released: Promise<void> = Promise.resolve();
  #over = false;

  constructor(parts: SupervisionParts) {
    this.#parts = parts;
  }

  get state(): RelayState {
    return this.#state;
  }

  get attempts(): number {
    return this.#attempts;
  }

  /** Connections that were lost after they had worked. */
  get reconnects(): number {
    return this.#reconnects;
  }

  get lastError(): { readonly message: string; readonly atMs: number } | undefined {
    return this.#lastError;
  }

  get nextAttemptAtMs(): number | undefined {
    return this.#next?.atMs;
  }

  /** True once there was media. */
  get hasWorked(): boolean {
    return this.#everMedia;
  }

  /** Of the connection that there is. */
  linkFacts(): RelayLinkFacts | undefined {
    return this.#attempt?.link?.facts();
  }

  totals(): LinkTotals {
    return withLink(this.#totals, this.linkFacts());
  }

  /** Resolves when no connection is left; after `close`. */
  get released(): Promise<void> {
    return this.#released;
  }

  /** Begins with the first attempt, once `after` is settled. */
  start(after: Promise<void> | undefined): void {
    if (after === undefined) this.#connect();
    else void after.finally(() => this.#connect());
  }

  /** To be called now and then: attempts become due, and what counts per second is counted. */
  tick(nowMs: number): void {
    if (this.#over) return;
    if (this.#next !== undefined && nowMs >= this.#next.dueMs) this.#connect();
    this.#endOverdue(nowMs);
    if (nowMs - this.#dropsMs < DROPS_INTERVAL_MS) return;
    this.#dropsMs = nowMs;
    this.#countDrops();
  }

  /** Ends the connection and makes no other. Idempotent. */
  close(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#next = undefined;
    this.#state = 'stopped';
    this.#attempt?.link?.close(reason);
    this.#parts.onState();
  }

  #endOverdue(nowMs: number): void {
    const { overdueMs } = this.#parts;
    const attempt = this.#attempt;
    if (overdueMs === undefined || attempt === undefined || attempt.mediaMs !== undefined) return;
    if (nowMs - attempt.begunMs > overdueMs) attempt.link?.close('no media came');
  }

  #connect(): void {
    if (this.#over) return;
    this.#next = undefined;
    this.#attempts++;
    const attempt: Attempt = { begunMs: performance.now(), link: undefined, connected: false, mediaMs: undefined };
    this.#attempt = attempt;
    this.#become('connecting');
    // Whoever was told may have closed it.
    if (this.#over) return;
    const link = this.#open(attempt);
    if (link === undefined) return;
    attempt.link = link;
    this.#parts.onLink(link);
    this.#released = link.ended.then((end) => this.#onEnded(attempt, end));
    if (this.#over) link.close('it was ended meanwhile');
  }

  #open(attempt: Attempt): RelayLink | undefined {
    try {
      return this.#parts.connect(this.#eventsOf(attempt));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#parts.log.error({ error }, 'an attempt could not be begun');
      this.#onEnded(attempt, { code: 'invalid', message });
      return undefined;
    }
  }

  #eventsOf(attempt: Attempt): RelayEvents {
    const current = (): boolean => this.#attempt === attempt && !this.#over;
    return {
      onConnected: () => {
        if (!current() || attempt.connected) return;
        attempt.connected = true;
        const again = this.#everConnected;
        this.#everConnected = true;
        this.#parts.counters.count('relay_connections');
        this.#parts.onConnected(again);
        this.#become('connected');
      },
      onMedia: () => {
        if (!current() || attempt.mediaMs !== undefined) return;
        attempt.mediaMs = performance.now();
        this.#everMedia = true;
        this.#become('running');
        this.#parts.onMedia();
      },
      onNote: (text) => {
        if (this.notes.add(text)) this.#parts.log.info({ note: text.slice(0, 300) }, 'relay: note');
      },
    };
  }

  #onEnded(attempt: Attempt, end: RelayEnd): void {
    this.#totals = withLink(this.#totals, attempt.link?.facts());
    this.#attempt = undefined;
    this.#countDrops();
    this.#parts.onLink(undefined);
    if (this.#over) return;
    this.#parts.counters.count('relay_failures');
    if (attempt.mediaMs !== undefined) {
      this.#reconnects++;
      if (performance.now() - attempt.mediaMs >= STEADY_MS) this.#failuresInRow = 0;
    }
    this.#failuresInRow++;
    this.#logFailure(end);
    this.#lastError = { message: end.message, atMs: Date.now() };
    if (this.#isLast()) this.#parts.onGivenUp(end);
    else this.#wait(end.code);
  }

  #isLast(): boolean {
    const { policy, firstMustWork } = this.#parts;
    if (!policy.enabled || (firstMustWork && !this.#everMedia)) return true;
    return policy.maxAttempts > 0 && this.#failuresInRow >= policy.maxAttempts;
  }

  #wait(code: RelayEndCode): void {
    const { policy, random } = this.#parts;
    const doubled = policy.minMs * 2 ** Math.min(this.#failuresInRow - 1, 30);
    const fullMs = STUBBORN.has(code) ? policy.maxMs : Math.min(policy.maxMs, doubled);
    const pauseMs = fullMs / 2 + (random() * fullMs) / 2;
    this.#next = { dueMs: performance.now() + pauseMs, atMs: Math.round(Date.now() + pauseMs) };
    this.#become('waiting');
  }

  /** The same words once: a machine that is off for days would fill the log. */
  #logFailure({ code, message }: RelayEnd): void {
    const fields = { code, reason: message, attempts: this.#attempts };
    if (message === this.#lastError?.message) this.#parts.log.debug(fields, 'relay: failed again');
    else this.#parts.log.warn(fields, 'relay: no connection, or it was lost');
  }

  #become(state: RelayState): void {
    if (this.#state === state && this.#attempts > 1) return;
    this.#state = state;
    this.#parts.onState();
  }

  #countDrops(): void {
    const { slow_viewer: drops = 0 } = this.totals().drops;
    if (drops > this.#countedDrops) this.#parts.counters.count('relay_dropped_packets', drops - this.#countedDrops);
    this.#countedDrops = drops;
  }
}
