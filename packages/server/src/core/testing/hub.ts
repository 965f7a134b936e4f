import { type AccessControl, OPEN_ACCESS } from '../access.ts';
import { Adaptations } from '../adaptations/adaptations.ts';
import { ConnectionRegistry } from '../connection-registry.ts';
import type { Converter } from '../converter.ts';
import type { CounterName, Counters, Log, LogLevel } from '../ports.ts';
import { SessionRegistry } from '../session-registry.ts';
import { StreamRegistry } from '../stream-registry.ts';

const SEVERITY: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** Keeps every line, for tests that look at what was logged; children with a level keep those from that one on. */
export class TestLog implements Log {
  readonly lines: { level: string; message: string; fields: object }[];
  readonly #least: number;

  constructor(lines: TestLog['lines'] = [], level: LogLevel = 'debug') {
    this.lines = lines;
    this.#least = SEVERITY.indexOf(level);
  }

  child(_bindings: object, options?: { readonly level: LogLevel }): Log {
    return options === undefined ? this : new TestLog(this.lines, options.level);
  }

  debug(fields: object, message: string): void {
    this.#keep('debug', message, fields);
  }

  info(fields: object, message: string): void {
    this.#keep('info', message, fields);
  }

  warn(fields: object, message: string): void {
    this.#keep('warn', message, fields);
  }

  error(fields: object, message: string): void {
    this.#keep('error', message, fields);
  }

  #keep(level: LogLevel, message: string, fields: object): void {
    if (SEVERITY.indexOf(level) >= this.#least) this.lines.push({ level, message, fields });
  }
}

/** Counts in a plain map. */
export class TestCounters implements Counters {
  readonly values = new Map<CounterName, number>();

  count(name: CounterName, by = 1): void {
    this.values.set(name, this.of(name) + by);
  }

  of(name: CounterName): number {
    return this.values.get(name) ?? 0;
  }
}

/** The parts of a hub that every protocol server is given, fresh for one test. */
export function testHub(
  reconnectWaitMs = 0,
  converter?: Converter,
): {
  streams: StreamRegistry;
  sessions: SessionRegistry;
  connections: ConnectionRegistry;
  adaptations: Adaptations;
  access: AccessControl;
  log: TestLog;
  counters: TestCounters;
} {
  const streams = new StreamRegistry({ reconnectWaitMs, maxStreams: 1000 });
  const log = new TestLog();
  const counters = new TestCounters();
  return {
    streams,
    sessions: new SessionRegistry(),
    connections: new ConnectionRegistry(),
    adaptations: new Adaptations({ converter, log, counters }),
    access: OPEN_ACCESS,
    log,
    counters,
  };
}
