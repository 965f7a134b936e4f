import { type Counters, MediaServerError, type OutboundAddress, type OutboundAddresses } from '../core/index.ts';
import { OutboundError, type OutboundGuard } from '../io/index.ts';

/** The guard of the settings as relays know it; counts what it denies. */
export class GuardedAddresses implements OutboundAddresses {
  readonly #guard: OutboundGuard;
  readonly #counters: Counters;

  constructor(guard: OutboundGuard, counters: Counters) {
    this.#guard = guard;
    this.#counters = counters;
  }

  async resolve(url: string): Promise<OutboundAddress> {
    try {
      return await this.#guard.resolve(url);
    } catch (error) {
      if (!(error instanceof OutboundError)) throw error;
      if (error.code === 'URL_DENIED') this.#counters.count('outbound_denied');
      throw new MediaServerError(error.code, error.message, { cause: error });
    }
  }
}
