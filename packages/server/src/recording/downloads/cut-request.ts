import { basename, dirname, extname, join } from 'node:path';

/** A part of a recording, in microseconds of it; no end: to its end. */
export interface CutTimes {
  readonly startUs: number;
  readonly endUs: number | undefined;
}

const MAX_NAME_BYTES = 255;

/**
 * Reads `start` and `end` of an address, seconds with decimals; undefined without them.
 * @returns `malformed` for anything else, and for an end that is not after the start
 */
export function parseCut(query: URLSearchParams): CutTimes | 'malformed' | undefined {
  const start = secondsOf(query, 'start');
  const end = secondsOf(query, 'end');
  if (start === 'malformed' || end === 'malformed') return 'malformed';
  if (start === undefined && end === undefined) return undefined;
  if (end !== undefined && end <= (start ?? 0)) return 'malformed';
  return { startUs: start ?? 0, endUs: end };
}

function secondsOf(query: URLSearchParams, name: string): number | 'malformed' | undefined {
  const values = query.getAll(name);
  if (values.length === 0) return undefined;
  const [text = ''] = values;
  // Pages that calculate with numbers write 3.07 as 3.0700000000000003.
  if (values.length > 1 || !/^\d{1,9}(\.\d{0,32})?$/.test(text)) return 'malformed';
  return Math.round(Number(text) * 1_000_000);
}

/** Name of the file of a part: `<name>-s<start>-e<end>.mp4`; a time that was left out is left out. */
export function cutName(name: string, { startUs, endUs }: CutTimes): string {
  const ending = extname(name);
  const start = startUs === 0 && endUs !== undefined ? '' : `-s${startUs / 1_000_000}`;
  const times = `${start}${endUs === undefined ? '' : `-e${endUs / 1_000_000}`}${ending}`;
  let base = basename(name, ending);
  while (Buffer.byteLength(base + times) > MAX_NAME_BYTES) base = Array.from(base).slice(0, -1).join('');
  return join(dirname(name), base + times);
}
