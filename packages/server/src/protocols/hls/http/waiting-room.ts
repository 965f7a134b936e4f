import type { Exchange } from './exchange.ts';

/** What a request waits for; those who wait for the same share one subscription. */
export interface Awaited {
  /** Where it is to come, and what: together they say which requests wait for the same. */
  readonly source: object;
  readonly key: string;
  /** Calls `wake` once when it has come or will not come; undefined when that is so already. */
  subscribe(wake: () => void): Disposable | undefined;
}

export interface Waiting {
  readonly exchange: Exchange;
  /** Monotonic milliseconds. */
  readonly untilMs: number;
  /** Answers when it has come, or will not come. Must not throw. */
  readonly ready: () => void;
  /** Answers when the time is over. Must not throw. */
  readonly giveUp: () => void;
}

interface Group {
  readonly waiters: Set<Waiting>;
  subscription: Disposable | undefined;
  /** What they waited for is there. */
  woken: boolean;
}

/** Requests answered in one go: between them others have their turn, the media of publishers above all. */
const BATCH = 100;

/**
 * Requests that wait for media to come, of all streams: bounded in number, with time limits that one sweep looks after. A
 * waiter costs no timer and no promise; it goes when its client does.
 */
export class WaitingRoom {
  readonly #groups = new Map<object, Map<string, Group>>();
  readonly #woken = new Set<Group>();
  readonly #max: number;
  #size = 0;
  #next: NodeJS.Immediate | undefined;

  constructor(max: number) {
    this.#max = max;
  }

  /** Requests that wait now. */
  get size(): number {
    return this.#size;
  }

  /** Takes a request in. `there`: there is nothing to wait for, nothing will be called; `full`: so many wait already. */
  enter(awaited: Awaited, waiting: Waiting): 'entered' | 'there' | 'full' {
    if (this.#size >= this.#max) return 'full';
    const { source, key } = awaited;
    const groups = this.#groups.get(source);
    const group = groups?.get(key) ?? this.#open(awaited);
    if (group === undefined) return 'there';
    group.waiters.add(waiting);
    this.#size++;
    waiting.exchange.onGone = () => {
      this.#leave(group, waiting);
      if (group.waiters.size === 0) this.#drop(awaited, group);
    };
    return 'entered';
  }

  /** Lets those go whose time is over. */
  sweep(nowMs: number): void {
    for (const [source, groups] of this.#groups) {
      for (const [key, group] of groups) {
        for (const waiting of group.waiters) if (nowMs >= waiting.untilMs) this.#expire(group, waiting);
        if (group.waiters.size === 0) this.#drop({ source, key }, group);
      }
    }
  }

  /** Lets all go. */
  close(): void {
    clearImmediate(this.#next);
    this.sweep(Number.POSITIVE_INFINITY);
    for (const group of this.#woken) for (const waiting of group.waiters) this.#expire(group, waiting);
    this.#woken.clear();
  }

  #open(awaited: Awaited): Group | undefined {
    const group: Group = { waiters: new Set(), subscription: undefined, woken: false };
    group.subscription = awaited.subscribe(() => this.#wake(awaited, group));
    if (group.subscription === undefined || group.woken) return undefined;
    const groups = this.#groups.get(awaited.source);
    if (groups === undefined) this.#groups.set(awaited.source, new Map([[awaited.key, group]]));
    else groups.set(awaited.key, group);
    return group;
  }

  #wake(awaited: Awaited, group: Group): void {
    group.woken = true;
    this.#drop(awaited, group);
    this.#woken.add(group);
    // Not at once: it is called while a packet of the stream is on its way to others.
    this.#next ??= setImmediate(() => this.#answer());
  }

  #answer(): void {
    this.#next = undefined;
    let left = BATCH;
    for (const group of this.#woken) {
      for (const waiting of group.waiters) {
        if (left-- === 0) {
          this.#next = setImmediate(() => this.#answer());
          return;
        }
        this.#leave(group, waiting);
        waiting.ready();
      }
      this.#woken.delete(group);
    }
  }

  #expire(group: Group, waiting: Waiting): void {
    this.#leave(group, waiting);
    waiting.giveUp();
  }

  #leave(group: Group, waiting: Waiting): void {
    if (!group.waiters.delete(waiting)) return;
    this.#size--;
    waiting.exchange.onGone = undefined;
  }

  #drop({ source, key }: Pick<Awaited, 'source' | 'key'>, group: Group): void {
    group.subscription?.[Symbol.dispose]();
    const groups = this.#groups.get(source);
    if (groups?.get(key) !== group) return;
    groups.delete(key);
    if (groups.size === 0) this.#groups.delete(source);
  }
}
