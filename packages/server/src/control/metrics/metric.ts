import { Counter, Gauge, type Registry } from 'prom-client';

/** A value that goes up and down; `help` says its unit. */
export function gauge(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[] = [],
): Gauge<string> {
  return new Gauge({ name, help, labelNames, registers: [registry] });
}

/** A value that only grows until the server restarts; `help` says its unit. */
export function counter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[] = [],
): Counter<string> {
  return new Counter({ name, help, labelNames, registers: [registry] });
}
