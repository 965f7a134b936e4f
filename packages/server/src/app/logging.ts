import { pino, stdSerializers } from 'pino';
import { build } from 'pino-pretty';
import type { Log } from '../core/index.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFormat = 'auto' | 'pretty' | 'json';

const STDERR = 2;

/**
 * A log on standard error: lines for people when `format` says so or `auto` meets a terminal, else JSON lines.
 * It writes synchronously, so nothing is lost when the process ends right after a message.
 */
export function createLog(level: LogLevel, format: LogFormat, isTTY: boolean): Log {
  const pretty = format === 'pretty' || (format === 'auto' && isTTY);
  const serializers = { err: stdSerializers.err, error: stdSerializers.err };
  const destination = pretty
    ? build({
        destination: STDERR,
        sync: true,
        colorize: isTTY,
        translateTime: 'SYS:HH:MM:ss.l',
        ignore: 'pid,hostname',
      })
    : pino.destination({ dest: STDERR, sync: true });
  return pino({ level, serializers }, destination);
}
