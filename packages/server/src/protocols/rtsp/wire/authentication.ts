import { parameterOf, quote, splitUnquoted } from './quoted.ts';

/** What a `WWW-Authenticate` asks for, or an `Authorization` gives (RFC 7235 §2.1). */
export interface Authentication {
  /** In lower case, such as `basic` or `digest`. */
  readonly scheme: string;
  /** What stands behind the scheme without being a parameter: the base64 of Basic. */
  readonly token: string | undefined;
  /** Names in lower case, values without quotes. */
  readonly parameters: ReadonlyMap<string, string>;
}

const MAX_PARTS = 64;
/** A scheme, white space, and then what may be its first parameter or its token. */
const SCHEME = /^([A-Za-z][A-Za-z0-9_-]{0,31})(?:\s+(.+))?$/s;
const PARAMETER = /^[A-Za-z][A-Za-z0-9_-]*\s*=\s*(?:".*"?|[^=\s].*)$/s;

/** All challenges of one header field, which may hold several, cut by commas as their parameters are. */
export function parseAuthentications(value: string): Authentication[] {
  const found: Authentication[] = [];
  let parameters = new Map<string, string>();
  for (const part of splitUnquoted(value, ',').slice(0, MAX_PARTS)) {
    if (found.length > 0 && PARAMETER.test(part)) {
      addParameter(parameters, part);
      continue;
    }
    const [, scheme, rest] = SCHEME.exec(part) ?? [];
    if (scheme === undefined) continue;
    parameters = new Map();
    const isParameter = rest !== undefined && PARAMETER.test(rest);
    if (isParameter) addParameter(parameters, rest);
    found.push({ scheme: scheme.toLowerCase(), token: isParameter ? undefined : rest?.trim(), parameters });
  }
  return found;
}

/** Values that stand without quotes (RFC 7616 §3.4). */
const BARE: ReadonlySet<string> = new Set(['algorithm', 'stale', 'nc']);

/**
 * The header field of a scheme with parameters. `qop` has quotes in a challenge and none in credentials, which are
 * known by their `response`.
 */
export function writeAuthentication(scheme: string, parameters: Readonly<Record<string, string>>): string {
  const answers = 'response' in parameters;
  const parts = Object.entries(parameters).map(([name, value]) =>
    BARE.has(name) || (name === 'qop' && answers) ? `${name}=${value}` : `${name}=${quote(value)}`,
  );
  return parts.length === 0 ? scheme : `${scheme} ${parts.join(', ')}`;
}

function addParameter(parameters: Map<string, string>, part: string): void {
  const [name, value] = parameterOf(part);
  if (value !== undefined && !parameters.has(name)) parameters.set(name, value);
}
