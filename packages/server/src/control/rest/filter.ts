import { badParameters } from './rest-error.ts';

/** Fields that a method filters by, with their types. */
export type FilterFields = Readonly<Record<string, 'string' | 'boolean'>>;

/** Values that an object must have, by field; without any it matches all. */
export type Filter = ReadonlyMap<string, string | boolean>;

/**
 * Reads a filter from a request's body. Fields that are not listed are ignored, and so are those that are null (the Web
 * SDK sends `mediaSessionId: null`). Booleans may come as text and text as a number (rest-api.md §1.4).
 * @throws RestError 500 for a value of another type
 */
export function readFilter(body: object, fields: FilterFields): Filter {
  const filter = new Map<string, string | boolean>();
  for (const [field, type] of Object.entries(fields)) {
    const value: unknown = Object.hasOwn(body, field) ? body[field as keyof typeof body] : undefined;
    if (value === undefined || value === null) continue;
    filter.set(field, type === 'boolean' ? readBoolean(field, value) : readText(field, value));
  }
  return filter;
}

/** True when the object has all values of the filter. */
export function matches(object: object, filter: Filter): boolean {
  for (const [field, value] of filter) if (object[field as keyof typeof object] !== value) return false;
  return true;
}

/**
 * Reads a list of texts, or one text alone; undefined when it is absent or null.
 * @throws RestError 500 for anything else
 */
export function readTexts(body: object, field: string): readonly string[] | undefined {
  const value: unknown = Object.hasOwn(body, field) ? body[field as keyof typeof body] : undefined;
  if (value === undefined || value === null) return undefined;
  return (Array.isArray(value) ? value : [value]).map((item: unknown) => readText(field, item));
}

function readText(field: string, value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  throw badParameters(`${field} is a text`);
}

function readBoolean(field: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  const text = typeof value === 'string' ? value.trim().toLowerCase() : '';
  if (text === 'true' || text === 'false') return text === 'true';
  throw badParameters(`${field} is true or false`);
}
