/** Far more than any method needs; beyond it, code that walks through objects runs out of stack. */
const MAX_DEPTH = 100;

/** Thrown for a request body that can't be used; answered with 400. */
export class BadBodyError extends Error {
  readonly statusCode = 400;
}

/**
 * The object in a REST request's body, whatever content type the client calls it; an empty body is `{}`
 * (rest-api.md §1.4).
 * @throws BadBodyError when it is not a JSON object, or is nested deeper than 100 levels
 */
export function parseRestBody(text: string): object {
  const trimmed = text.trim();
  if (trimmed === '') return {};
  if (isTooDeep(trimmed)) throw new BadBodyError(`the request body is nested deeper than ${MAX_DEPTH} levels`);
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

/** Counts brackets outside of texts; for what is not JSON the answer means nothing. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (quoted) {
      if (character === '\\') i++;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === '{' || character === '[') {
      if (++depth > MAX_DEPTH) return true;
    } else if (character === '}' || character === ']') depth--;
  }
  return false;
}
