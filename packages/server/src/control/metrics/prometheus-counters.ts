import { Counter, type Registry } from 'prom-client';
import { COUNTERS, type CounterName, type Counters } from '../../core/index.ts';

const NAMES = Object.keys(COUNTERS) as readonly CounterName[];

/** Counts for `/metrics`, as `sluice_<name>_total`. Counting is an addition; Prometheus' objects are filled when read. */
export class PrometheusCounters implements Counters {
  readonly #values: Record<CounterName, number>;

  constructor() {
    this.#values = Object.fromEntries(NAMES.map((name) => [name, 0])) as Record<CounterName, number>;
  }

  count(name: CounterName, by = 1): void {
    this.#values[name] += by;
  }

  /** The counts of now. */
  snapshot(): Readonly<Record<CounterName, number>> {
    return { ...this.#values };
  }

  /** Makes the counts part of what `registry` renders. */
  register(registry: Registry): void {
    for (const name of NAMES) {
      const value = (): number => this.#values[name];
      new Counter({
        name: `sluice_${name}_total`,
        help: COUNTERS[name],
        registers: [registry],
        collect() {
          this.reset();
          this.inc(value());
        },
      });
    }
  }
}
