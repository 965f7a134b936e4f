import type { Fields } from '../../core/index.ts';

/** Deeper than any sensible answer; what reads it afterwards may be recursive. */
const MAX_DEPTH = 32;

/** True for what is written as `{…}` in JSON. */
export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object that a JSON text is; undefined for anything else, and for one that is nested too deeply. */
export function parseObject(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && depthWithin(value, MAX_DEPTH) ? value : undefined;
  } catch {
    return undefined;
  }
}

function depthWithin(value: unknown, left: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return left > 0 && Object.values(value).every((member) => depthWithin(member, left - 1));
}
