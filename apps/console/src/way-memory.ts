import type { PlayProtocol } from './play-protocol.ts';

/** `network`: it would fail for all streams, as when UDP is blocked. `stream`: for this one. */
export type FailureScope = 'network' | 'stream';

/** One failure that is worth remembering. */
export interface WayFailure {
  readonly stream: string;
  readonly protocol: PlayProtocol;
  readonly why: string;
  readonly scope: FailureScope;
}

type Kept = WayFailure & { readonly network: string; readonly untilMs: number };

/** Where failures survive a reload of the page. */
export type Store = Pick<Storage, 'getItem' | 'setItem'>;

const KEY = 'sluice.ways';
const KEPT_MS: Readonly<Record<FailureScope, number>> = { network: 5 * 60_000, stream: 2 * 60_000 };
/** The oldest go first. */
const MAX_KEPT = 200;

/** Remembers for some minutes which ways to play failed, by stream and network, so that nobody waits for them again. */
export class WayMemory {
  readonly #store: Store | undefined;
  readonly #now: () => number;
  readonly #network: () => string;
  #kept: readonly Kept[];

  constructor(store?: Store, now: () => number = Date.now, network: () => string = networkName) {
    this.#store = store;
    this.#now = now;
    this.#network = network;
    this.#kept = read(store);
  }

  /** Notes a failure in place of an older one of the same way. */
  note(failure: WayFailure): void {
    const kept = { ...failure, network: this.#network(), untilMs: this.#now() + KEPT_MS[failure.scope] };
    this.#keep([...this.#kept.filter((old) => !isSame(old, kept)), kept].slice(-MAX_KEPT));
  }

  /** Why a way failed lately in this network; undefined when it may be tried. */
  why(stream: string, protocol: PlayProtocol): string | undefined {
    const network = this.#network();
    const nowMs = this.#now();
    return this.#kept.findLast(
      (kept) =>
        kept.protocol === protocol &&
        kept.network === network &&
        kept.untilMs > nowMs &&
        (kept.scope === 'network' || kept.stream === stream),
    )?.why;
  }

  /** Forgets what failed for a stream, and with `network` also what failed for all. */
  forget(stream: string, scopes: readonly FailureScope[]): void {
    this.#keep(
      this.#kept.filter((kept) => !scopes.includes(kept.scope) || (kept.scope === 'stream' && kept.stream !== stream)),
    );
  }

  #keep(kept: readonly Kept[]): void {
    this.#kept = kept;
    try {
      this.#store?.setItem(KEY, JSON.stringify(kept));
    } catch {
      // Full, or not for this page; it is remembered until the page is closed.
    }
  }
}

/** A memory that lasts as long as the tab of the browser, where it lets a page store something. */
export function tabMemory(): WayMemory {
  try {
    return new WayMemory(sessionStorage);
  } catch {
    return new WayMemory();
  }
}

function isSame(one: Kept, other: Kept): boolean {
  const keys = ['stream', 'protocol', 'scope', 'network'] as const;
  return keys.every((key) => one[key] === other[key]);
}

function read(store: Store | undefined): readonly Kept[] {
  try {
    const kept: unknown = JSON.parse(store?.getItem(KEY) ?? '[]');
    return Array.isArray(kept) ? (kept as Kept[]).filter(({ why }) => typeof why === 'string') : [];
  } catch {
    return [];
  }
}

/** As far as browsers tell: which kind of network it is. */
function networkName(): string {
  return (navigator as { connection?: { type?: string } }).connection?.type ?? '';
}
