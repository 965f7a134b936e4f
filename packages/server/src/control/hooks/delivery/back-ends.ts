import type { ApplicationStore } from '../applications/application-store.ts';
import { BackEnd, type BackEndOptions } from './back-end.ts';

/** Half for questions, half for events, at the least. */
const MIN_SHARE = 2;

export interface BackEndsOptions extends BackEndOptions {
  /** Connections to all back ends; each one gets the same share, so that a dead one does not take those of others. */
  readonly maxConnections: number;
  /** True sends nothing to anybody. */
  readonly disabled: boolean;
}

/** The back ends of all applications that have one. */
export class BackEnds {
  readonly #store: ApplicationStore;
  readonly #options: BackEndsOptions;
  readonly #byKey = new Map<string, BackEnd>();
  readonly #following: Disposable;
  #share = MIN_SHARE;

  constructor(store: ApplicationStore, options: BackEndsOptions) {
    this.#store = store;
    this.#options = options;
    this.#following = store.onChange(() => this.#follow());
    this.#follow();
  }

  /** The back end of an application; undefined when it has none, or all hooks are off. */
  get(appKey: string): BackEnd | undefined {
    return this.#byKey.get(appKey);
  }

  /** Connections in use, idle ones, and hooks that wait for one. */
  connections(): { readonly leased: number; readonly available: number; readonly pending: number } {
    const sum = { leased: 0, available: 0, pending: 0 };
    for (const { connections } of this.#byKey.values()) {
      sum.leased += connections.leased;
      sum.available += connections.available;
      sum.pending += connections.pending;
    }
    return sum;
  }

  /** Events that wait or are on their way. */
  get heldEvents(): number {
    let sum = 0;
    for (const backEnd of this.#byKey.values()) sum += backEnd.heldEvents;
    return sum;
  }

  /** Gives up all that is on its way. */
  async close(): Promise<void> {
    this.#following[Symbol.dispose]();
    await Promise.all([...this.#byKey.values()].map((backEnd) => backEnd.close()));
  }

  #follow(): void {
    if (this.#options.disabled) return;
    const applications = this.#store.all().filter(({ url }) => url !== '');
    this.#share = Math.max(MIN_SHARE, Math.floor(this.#options.maxConnections / Math.max(1, applications.length)));
    const gone = new Set(this.#byKey.keys());
    for (const application of applications) {
      const { appKey } = application;
      gone.delete(appKey);
      const present = this.#byKey.get(appKey);
      if (present !== undefined) present.configure(application);
      else this.#byKey.set(appKey, new BackEnd(application, () => this.#share, this.#options));
    }
    for (const appKey of gone) {
      void this.#byKey.get(appKey)?.close();
      this.#byKey.delete(appKey);
    }
  }
}
