import type { CounterName, Counters, Log } from '../../../core/index.ts';

/** Counts and log lines of one test. */
export class Witness {
  readonly counts = new Map<CounterName, number>();
  /** Whole lines, fields and message, as JSON. */
  readonly lines: string[] = [];

  readonly counters: Counters = {
    count: (name, by = 1) => void this.counts.set(name, (this.counts.get(name) ?? 0) + by),
  };

  readonly log: Log = {
    child: () => this.log,
    debug: (fields, message) => this.#write(fields, message),
    info: (fields, message) => this.#write(fields, message),
    warn: (fields, message) => this.#write(fields, message),
    error: (fields, message) => this.#write(fields, message),
  };

  #write(fields: object, message: string): void {
    this.lines.push(
      JSON.stringify({ ...fields, message }, (_key, value: unknown) =>
        value instanceof Error ? String(value) : value,
      ),
    );
  }
}
