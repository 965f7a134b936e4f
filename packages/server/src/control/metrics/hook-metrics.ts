import type { Registry } from 'prom-client';
import type { HookTraffic } from '../control-deps.ts';
import { gauge } from './metric.ts';

/** What hooks have open at this moment. */
export class HookMetrics {
  readonly #traffic: HookTraffic;
  readonly #connections;
  readonly #events;

  constructor(traffic: HookTraffic, registry: Registry) {
    this.#traffic = traffic;
    const help = 'connections to back ends (leased: in use, available: idle), and hooks that wait for one (pending)';
    this.#connections = gauge(registry, 'sluice_hooks_connections', help, ['state']);
    this.#events = gauge(registry, 'sluice_hooks_events_held', 'events that back ends have not taken yet');
  }

  refresh(): void {
    for (const [state, count] of Object.entries(this.#traffic.connections)) this.#connections.set({ state }, count);
    this.#events.set(this.#traffic.heldEvents);
  }
}
