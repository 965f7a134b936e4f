import type { Static, TObject } from 'typebox';
import Value from 'typebox/value';
import type { Fields } from '../../core/index.ts';

/** A message of a client: its name and the one argument that all have (websdk-signalling.md §1.2). */
export interface ClientMessage {
  readonly name: string;
  /** The argument; anything that is not an object counts as an empty one. */
  readonly body: object;
}

/** Levels of arrays and objects; deeper ones would overflow the stack when they are passed on. */
const MAX_DEPTH = 64;
const MAX_NAME_LENGTH = 64;
/** Members of `custom` that are looked at. */
const MAX_CUSTOM_FIELDS = 64;
const NO_BODY: object = Object.freeze({});

/** Reads a text frame. Undefined when it is not a message: bad JSON, too deep, or without a name. */
export function parseMessage(text: string): ClientMessage | undefined {
  if (isTooDeep(text)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || !('message' in value)) return undefined;
  const name = value.message;
  if (typeof name !== 'string' || name.length === 0 || name.length > MAX_NAME_LENGTH) return undefined;
  const data = 'data' in value ? value.data : undefined;
  const first: unknown = Array.isArray(data) ? data[0] : undefined;
  return { name, body: isObject(first) ? first : NO_BODY };
}

/** Fields of `body` that are as the schema says; those of another type are left out. */
export function readFields<T extends TObject>(schema: T, body: object): Partial<Static<T>> {
  const fields: [string, unknown][] = [];
  for (const [name, type] of Object.entries(schema.properties)) {
    const value = Object.getOwnPropertyDescriptor(body, name)?.value as unknown;
    if (value !== undefined && Value.Check(type, value)) fields.push([name, value]);
  }
  return Object.fromEntries(fields) as Partial<Static<T>>;
}

/** The value of a number that may have come as text. */
export function numberOf(value: number | string | undefined): number {
  return value === undefined ? 0 : Number(value);
}

/** A client's own JSON value when it is an object, else an empty one: hooks and REST have no place for others. */
export function objectOf(value: unknown): Fields {
  return isObject(value) && !Array.isArray(value) ? (value as Fields) : {};
}

/** The members of a client's `custom` value as texts, which is what REST shows of streams; others than texts as JSON. */
export function customFields(custom: unknown): Readonly<Record<string, string>> {
  const fields = Object.entries(objectOf(custom)).slice(0, MAX_CUSTOM_FIELDS);
  return Object.fromEntries(
    fields.map(([name, value]: [string, unknown]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Looks at the text, because the parser itself takes any depth. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (quoted) {
      if (char === '\\') i++;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === '[' || char === '{') {
      if (++depth > MAX_DEPTH) return true;
    } else if (char === ']' || char === '}') depth--;
  }
  return false;
}
