/** What a client prefers of how it is answered (RFC 7240, rest-api.md §20). */
export interface Preferences {
  readonly respondAsync: boolean;
  readonly waitSeconds: number | undefined;
  readonly timeoutSeconds: number | undefined;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = '"(?:[^"\\\\]|\\\\.)*"';
const VALUE = `(?:[ \\t]*=[ \\t]*(${TOKEN}|${QUOTED})?)?`;
/** One preference, its parameters, and the comma after it (RFC 7240 §2). */
const PREFERENCE = new RegExp(
  `[ \\t]*(?:(${TOKEN})${VALUE}(?:[ \\t]*;[ \\t]*(?:${TOKEN}(?:[ \\t]*=[ \\t]*(?:${TOKEN}|${QUOTED})?)?)?)*)?[ \\t]*(?:,|$)`,
  'y',
);

/**
 * Reads a `Prefer` header. Of a preference that is there twice the first one counts; what can't be read is left out
 * with all that follows, since preferences bind nobody.
 */
export function parsePrefer(header: string | undefined): Preferences {
  const values = new Map<string, string>();
  const text = header ?? '';
  PREFERENCE.lastIndex = 0;
  while (PREFERENCE.lastIndex < text.length) {
    const match = PREFERENCE.exec(text);
    if (match === null) break;
    const name = match[1]?.toLowerCase();
    if (name !== undefined && !values.has(name)) values.set(name, unquoted(match[2] ?? ''));
  }
  return {
    respondAsync: values.has('respond-async'),
    waitSeconds: seconds(values.get('wait')),
    timeoutSeconds: seconds(values.get('timeout')),
  };
}

function unquoted(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
}

function seconds(value: string | undefined): number | undefined {
  return value !== undefined && /^[0-9]{1,9}$/.test(value) ? Number(value) : undefined;
}
