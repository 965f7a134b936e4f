import { type DestinationStream, pino, stdSerializers } from 'pino';
import { build } from 'pino-pretty';
import { type Log, withoutCredentials } from '../core/index.ts';
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
/** An address within a line of JSON, where quotes and backslashes are escaped. Bounded, so that no line takes long. */
const ADDRESS = /\b[a-z][a-z0-9+.-]{1,11}:\/\/(?:[^\s"\\]|\\["\\])+/gi;

/**
 * A log on standard error: lines for people when `format` says so or `auto` meets a terminal, else JSON lines.
 * It writes synchronously, so nothing is lost when the process ends right after a message. `recent` has its newest lines.
 * Neither has credentials of addresses.
 */
export function createLog(options: LogOptions): { readonly log: Log; readonly recent: LogRing } {
  const serializers = { err: stdSerializers.err, error: stdSerializers.err };
  const destination = options.write === undefined ? standardError(options) : { write: options.write };
  const recent = new LogRing(options.level);
  const both: DestinationStream = {
    write: (text) => {
      // Streams of cameras have addresses for names, with passwords in them, and names are in lines of all parts.
      const line = text.includes('://') ? text.replace(ADDRESS, withoutCredentials) : text;
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
