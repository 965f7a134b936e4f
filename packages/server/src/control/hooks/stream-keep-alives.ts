import type { Fields, MediaSession } from '../../core/index.ts';
import { endSession } from '../rest/stream-methods.ts';
import type { HookContext } from './hook-context.ts';
import type { HookSession } from './hook-session.ts';

/** A publication or playback that is told of again and again. */
export interface KeptAlive {
  readonly mediaSession: MediaSession;
  readonly body: () => Fields;
}

interface Entry extends KeptAlive {
  readonly session: HookSession;
  dueMs: number;
  asking: boolean;
}

const TICK_MS = 100;
const FORBIDDEN = 403;
/** What the client hears (websdk-signalling.md §6.3). */
const TERMINATED = 'Terminated by keep-alive';
const NOTHING: Disposable = { [Symbol.dispose]: () => {} };

/**
 * Tells back ends again and again of each stream (`StreamKeepAliveEvent`, rest-hooks.md §6.2), and ends those that they
 * do not want any more. One timer for all; streams that begin together are told of at different times.
 */
export class StreamKeepAlives {
  readonly #context: HookContext;
  readonly #entries = new Set<Entry>();
  #timer: NodeJS.Timeout | undefined;

  constructor(context: HookContext) {
    this.#context = context;
  }

  /** Streams that are told of. */
  get size(): number {
    return this.#entries.size;
  }

  /** Tells of a stream until what comes back is disposed of, if its application wants that. */
  add(session: HookSession, stream: KeptAlive): Disposable {
    const { enabled, intervalMs, appKeys } = this.#context.options.keepAlive;
    if (!enabled || !appKeys.has(session.appKey)) return NOTHING;
    const dueMs = performance.now() + intervalMs * (0.5 + Math.random() / 2);
    const entry = { ...stream, session, dueMs, asking: false };
    this.#entries.add(entry);
    this.#timer ??= setInterval(() => this.#tick(), Math.min(TICK_MS, intervalMs)).unref();
    return { [Symbol.dispose]: () => this.#remove(entry) };
  }

  close(): void {
    this.#entries.clear();
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    const nowMs = performance.now();
    const { intervalMs } = this.#context.options.keepAlive;
    for (const entry of this.#entries) {
      if (nowMs < entry.dueMs) continue;
      entry.dueMs = Math.max(entry.dueMs + intervalMs, nowMs);
      if (!entry.asking && entry.session.sends('StreamKeepAliveEvent')) void this.#ask(entry);
    }
  }

  /** Only a plain 403 ends a stream: a back end that fails must not end all of them. */
  async #ask(entry: Entry): Promise<void> {
    const { session, mediaSession } = entry;
    entry.asking = true;
    const status = await session.tellOnce('StreamKeepAliveEvent', entry.body());
    entry.asking = false;
    if (status !== FORBIDDEN || session.policy('StreamKeepAliveEvent').restOnError !== 'FAIL') return;
    if (!this.#entries.has(entry)) return;
    this.#remove(entry);
    this.#context.log.info({ mediaSessionId: mediaSession.mediaSessionId }, 'the back end ends a stream by keep-alive');
    endSession(this.#context.streams, mediaSession, TERMINATED);
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry);
    if (this.#entries.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
