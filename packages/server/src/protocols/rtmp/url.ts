/** At most this many parameters are read from a URL; the rest is left out. */
const MAX_PARAMETERS = 64;

/** Addresses that a stream can be named by. */
const SOURCE_ADDRESS = /^(rtsp[a-z]?|rtmps?|srt|wheps?):\/\//i;

/** A name with the parameters that its URL part carried. */
export interface NameWithParameters {
  readonly name: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * Splits `live?a=1` or `camera?b=2` into its name and parameters. WCS keeps those of the application
 * (connection parameters) apart from those of the stream (functions-1 §1.1). A stream that is named by the address of a
 * camera or another server keeps what that address has.
 */
export function splitNameAndQuery(text: string): NameWithParameters {
  const mark = SOURCE_ADDRESS.test(text) ? -1 : text.indexOf('?');
  if (mark < 0) return { name: text, parameters: {} };
  const parameters: Record<string, string> = {};
  let count = 0;
  for (const [key, value] of new URLSearchParams(text.slice(mark + 1))) {
    if (key === '__proto__' || ++count > MAX_PARAMETERS) continue;
    parameters[key] = value;
  }
  return { name: text.slice(0, mark), parameters };
}
