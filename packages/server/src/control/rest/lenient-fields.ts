import type { TSchema } from 'typebox';

/** What of a JSON schema matters here. */
interface Shape {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, TSchema>>;
  readonly items?: TSchema;
  readonly patternProperties?: unknown;
}

const NUMBER = /^-?[0-9]{1,15}([.][0-9]{1,15})?$/;

/**
 * The fields of `body` that `schema` has, as clients of WCS may write them (rest-api.md §1.4): null counts as absent,
 * texts stand for booleans and numbers, numbers for texts, one value for a list of one, words of a set in any case.
 * What does not fit is left as it is, for the check against the schema. Fields that the schema does not have are left
 * out, but for objects that may have any. `body` is not changed; what the schema leaves open is not looked into.
 */
export function readLeniently(schema: TSchema, body: unknown): unknown {
  const shape = schema as Shape;
  if (shape.enum !== undefined) return readWord(shape.enum, body);
  switch (shape.type) {
    case 'object':
      return readObject(shape, body);
    case 'array':
      return readList(shape, body);
    case 'boolean':
      return readBoolean(body);
    case 'integer':
    case 'number':
      return typeof body === 'string' && NUMBER.test(body.trim()) ? Number(body) : body;
    case 'string':
      return typeof body === 'number' ? String(body) : body;
    default:
      return body;
  }
}

function readObject(shape: Shape, body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  if (shape.properties === undefined || shape.patternProperties !== undefined) return body;
  const fields: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(shape.properties)) {
    // Own fields only: every object has a `constructor`.
    const value: unknown = Object.hasOwn(body, name) ? body[name as keyof typeof body] : undefined;
    if (value !== undefined && value !== null) fields[name] = readLeniently(schema, value);
  }
  return fields;
}

function readList({ items }: Shape, body: unknown): unknown {
  if (typeof body === 'object' && !Array.isArray(body)) return body;
  const list: readonly unknown[] = Array.isArray(body) ? body : [body];
  return items === undefined ? list : list.map((item) => readLeniently(items, item));
}

function readBoolean(body: unknown): unknown {
  const text = typeof body === 'string' ? body.trim().toLowerCase() : '';
  return text === 'true' || text === 'false' ? text === 'true' : body;
}

function readWord(words: readonly unknown[], body: unknown): unknown {
  if (typeof body !== 'string') return body;
  const wanted = body.trim().toLowerCase();
  return words.find((word) => typeof word === 'string' && word.toLowerCase() === wanted) ?? body;
}
