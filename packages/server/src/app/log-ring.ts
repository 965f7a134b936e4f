import type { LogBody, LogLine } from '@sluice/contract';

const MAX_LINES = 1000;
const MAX_BYTES = 1024 * 1024;
/** Of one value, and of the message. */
const MAX_VALUE_LENGTH = 2000;
const MAX_FIELDS = 32;
/** What pino adds to each line, and what has a place of its own. */
const OWN_FIELDS: ReadonlySet<string> = new Set(['level', 'time', 'pid', 'hostname', 'msg']);
const LEVELS: readonly (readonly [from: number, name: LogLine['level']])[] = [
  [50, 'error'],
  [40, 'warn'],
  [30, 'info'],
];

/** The newest lines of the log in memory, for the console: at most 1000 lines and 1 MiB of text. */
export class LogRing {
  readonly #level: string;
  readonly #startedMs = Date.now();
  #lines: { readonly line: LogLine; readonly bytes: number }[] = [];
  #bytes = 0;
  #count = 0;

  /** `level` is the least severe that is logged. */
  constructor(level: string) {
    this.#level = level;
  }

  /** Takes a line as pino writes it: one JSON object. What is none is kept as a message. */
  write(text: string): void {
    const line = toLine(text, ++this.#count);
    const bytes = JSON.stringify(line).length;
    this.#lines.push({ line, bytes });
    this.#bytes += bytes;
    while (this.#lines.length > MAX_LINES || this.#bytes > MAX_BYTES) this.#bytes -= this.#lines.shift()?.bytes ?? 0;
  }

  /** Lines with a greater number than `number`, the oldest first; of more than `limit` the newest. */
  since(number: number, limit: number): LogBody {
    // A number that was not told yet is of an earlier start of the server.
    const after = number > this.#count ? 0 : Math.max(0, number);
    const first = this.#lines[0]?.line.number ?? this.#count + 1;
    const lines = this.#lines.slice(Math.max(0, after + 1 - first)).slice(-limit);
    const told = lines.map(({ line }) => line);
    const missed = (told[0]?.number ?? after + 1) - after - 1;
    return { startedMs: this.#startedMs, level: this.#level, lines: told, next: told.at(-1)?.number ?? after, missed };
  }
}

function toLine(text: string, number: number): LogLine {
  const object = parse(text);
  const fields: Record<string, string> = {};
  for (const [name, value] of Object.entries(object).slice(0, MAX_FIELDS)) {
    if (!OWN_FIELDS.has(name)) fields[name] = cut(textOf(value));
  }
  const { level, time, msg } = object;
  return {
    number,
    timeMs: typeof time === 'number' ? Math.round(time) : Date.now(),
    level: LEVELS.find(([from]) => Number(level) >= from)?.[1] ?? 'debug',
    message: cut(typeof msg === 'string' ? msg : ''),
    fields,
  };
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Kept as it is.
  }
  return { level: 30, msg: text };
}

/** Of an error its stack, which begins with its message. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null && 'stack' in value && typeof value.stack === 'string')
    return value.stack;
  return JSON.stringify(value) ?? '';
}

function cut(text: string): string {
  return text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH)}…` : text;
}
