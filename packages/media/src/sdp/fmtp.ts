/**
 * Parameters of a format (`a=fmtp`), by lower-case name, in order; the first of a name counts. Those without `=` have
 * an empty value.
 */
export type FormatParameters = ReadonlyMap<string, string>;

/** Reads `name=value;name=value`, with blanks anywhere around. Total. */
export function parseFormatParameters(text: string): FormatParameters {
  const parameters = new Map<string, string>();
  for (const part of text.split(';')) {
    const mark = part.indexOf('=');
    const name = (mark < 0 ? part : part.slice(0, mark)).trim().toLowerCase();
    if (name === '' || parameters.has(name)) continue;
    parameters.set(name, mark < 0 ? '' : part.slice(mark + 1).trim());
  }
  return parameters;
}

/** Writes what {@link parseFormatParameters} reads. */
export function writeFormatParameters(parameters: FormatParameters): string {
  return [...parameters].map(([name, value]) => (value === '' ? name : `${name}=${value}`)).join(';');
}
