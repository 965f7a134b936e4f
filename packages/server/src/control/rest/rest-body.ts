/** Thrown for a request body that can't be used; answered with 400. */
export class BadBodyError extends Error {
  readonly statusCode = 400;
}

/**
 * The object in a REST request's body, whatever content type the client calls it; an empty body is `{}`
 * (rest-api.md §1.4). Unknown fields are left in and ignored by the methods.
 * @throws BadBodyError
 */
export function parseRestBody(text: string): object {
  const trimmed = text.trim();
  if (trimmed === '') return {};
  let value: unknown;
  try {
    value = JSON.parse(trimmed);
  } catch (cause) {
    throw new BadBodyError('the request body is not JSON', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new BadBodyError('the request body is not a JSON object');
  }
  return value;
}
