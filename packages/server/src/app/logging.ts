import { type DestinationStream, pino, stdSerializers } from 'pino';
import { build } from 'pino-pretty';
import type { Log } from '../core/index.ts';
import { LogRing } from './log-ring.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFormat = 'auto' | 'pretty' | 'json';

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly isTTY: boolean;
  /** Takes the lines in place of standard error. */
  readonly write?: ((line: string) => void) | undefined;
}

const STDERR = 2;

/**
 * A log on standard error: lines for people when `format` says so or `auto` meets a terminal, else JSON lines.
 * It writes synchronously, so nothing is lost when the process ends right after a message. `recent` has its newest lines.
 */
export function createLog(options: LogOptions): { readonly log: Log; readonly recent: LogRing } {
  const serializers = { err: stdSerializers.err, error: stdSerializers.err };
  const destination = options.write === undefined ? standardError(options) : { write: options.write };
  const recent = new LogRing(options.level);
  const both: DestinationStream = {
    write: (line) => {
      recent.write(line);
      destination.write(line);
    },
  };
  return { log: pino({ level: options.level, serializers }, both), recent };
}

function standardError({ format, isTTY }: LogOptions): DestinationStream {
  const pretty = format === 'pretty' || (format === 'auto' && isTTY);
  if (!pretty) return pino.destination({ dest: STDERR, sync: true });
  return build({
    destination: STDERR,
    sync: true,
    colorize: isTTY,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
  });
}
