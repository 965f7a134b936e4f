import { type AccessControl, OPEN_ACCESS } from '../access.ts';
import { Adaptations } from '../adaptations/adaptations.ts';
import { ConnectionRegistry } from '../connection-registry.ts';
import type { Converter } from '../converter.ts';
import type { CounterName, Counters, Log } from '../ports.ts';
import { SessionRegistry } from '../session-registry.ts';
import { StreamRegistry } from '../stream-registry.ts';

/** Keeps every line, for tests that look at what was logged. */
export class TestLog implements Log {
  readonly lines: { level: string; message: string; fields: object }[] = [];

  child(): Log {
    return this;
  }

  debug(fields: object, message: string): void {
    this.lines.push({ level: 'debug', message, fields });
  }

  info(fields: object, message: string): void {
    this.lines.push({ level: 'info', message, fields });
  }

  warn(fields: object, message: string): void {
    this.lines.push({ level: 'warn', message, fields });
  }

  error(fields: object, message: string): void {
    this.lines.push({ level: 'error', message, fields });
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
