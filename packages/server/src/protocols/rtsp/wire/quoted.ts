/** Cuts at `separator` where it does not stand between double quotes; parts are trimmed, empty ones left out. */
export function splitUnquoted(value: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  for (let at = 0; at < value.length; at += 1) {
    const char = value[at];
    if (quoted && char === '\\') at += 1;
    else if (char === '"') quoted = !quoted;
    else if (char === separator && !quoted) {
      parts.push(value.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(value.slice(start));
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

/** Takes the quotes off a value that has them, and the backslashes within. */
export function unquote(value: string): string {
  const text = value.trim();
  if (!text.startsWith('"')) return text;
  const end = text.length > 1 && text.endsWith('"') ? -1 : text.length;
  return text.slice(1, end).replaceAll(/\\(.)/g, '$1');
}

/** Puts a value between quotes. */
export function quote(value: string): string {
  return `"${value.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** `name=value` or `name` alone; the name in lower case, the value without its quotes. */
export function parameterOf(part: string): readonly [name: string, value: string | undefined] {
  const equals = part.indexOf('=');
  if (equals < 0) return [part.toLowerCase(), undefined];
  return [part.slice(0, equals).trim().toLowerCase(), unquote(part.slice(equals + 1))];
}
