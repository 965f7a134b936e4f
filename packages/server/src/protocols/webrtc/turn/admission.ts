import type { Counters } from '../../../core/index.ts';
import { plainAddress } from '../../../io/index.ts';
import { ownerOf } from './allocations.ts';
import type { TurnLimits } from './options.ts';

/** Bounds the connections of all listeners together, and those of one address. */
export class Admission {
  readonly #limits: Pick<TurnLimits, 'maxConnections' | 'maxConnectionsPerAddress'>;
  readonly #counters: Counters;
  readonly #perOwner = new Map<string, number>();
  #count = 0;

  constructor(limits: Pick<TurnLimits, 'maxConnections' | 'maxConnectionsPerAddress'>, counters: Counters) {
    this.#limits = limits;
    this.#counters = counters;
  }

  /** Counts a connection until the result is disposed of; undefined when there are too many. */
  admit(remoteAddress: string | undefined): Disposable | undefined {
    const owner = ownerOf(plainAddress(remoteAddress));
    const owned = this.#perOwner.get(owner) ?? 0;
    if (this.#count >= this.#limits.maxConnections || owned >= this.#limits.maxConnectionsPerAddress) {
      this.#counters.count('turn_refused_connections');
      return undefined;
    }
    this.#counters.count('turn_connections');
    this.#count++;
    this.#perOwner.set(owner, owned + 1);
    return { [Symbol.dispose]: () => this.#release(owner) };
  }

  #release(owner: string): void {
    this.#count--;
    const owned = (this.#perOwner.get(owner) ?? 1) - 1;
    if (owned > 0) this.#perOwner.set(owner, owned);
    else this.#perOwner.delete(owner);
  }
}
