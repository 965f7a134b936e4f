/** `T` without `undefined` in its fields: what JSON carries. Holds for types whose uncertain fields are optional. */
export type Defined<T> = T extends readonly (infer E)[]
  ? Defined<E>[]
  : T extends object
    ? { -readonly [K in keyof T]: Defined<Exclude<T[K], undefined>> }
    : T;

/** A deep copy of plain data without the fields that are undefined. */
export function defined<T>(value: T): Defined<T> {
  return copy(value) as Defined<T>;
}

function copy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copy);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, field]) => (field === undefined ? [] : [[key, copy(field)]])),
  );
}
