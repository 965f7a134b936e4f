/** Names of fields whose values let somebody in, or are too long for a line. */
const SECRET = /pass|pwd|token|secret|credential|authori[sz]ation|^(sdp|custom|rtmpUrl)$/i;
const HIDDEN = '***';
/**
 * The same in texts that clients compose themselves: JSON, `name=value` or lines of SDP. Names are looked at as far as
 * real ones are long, so that no text takes long.
 */
const IN_TEXT: readonly (readonly [RegExp, string])[] = [
  [/(["'][\w-]{0,40}(?:pass|pwd|token|secret|credential)[\w-]{0,40}\\*["']\s*:\s*\\*["'])[^"'\\]*/gi, `$1${HIDDEN}`],
  [/((?:passw|pwd|token|secret|credential)[\w-]{0,40}\s*[=:]\s*)[^\s"'\\&,;]+/gi, `$1${HIDDEN}`],
  [/(\bBearer\s+)[^\s"'\\]+/gi, `$1${HIDDEN}`],
  [/(:\/\/)[^\s/@"'\\]{1,512}@/g, `$1${HIDDEN}@`],
];

/** A client's message as text, without the values of fields that let somebody in. */
export function loggable(body: object): string {
  return JSON.stringify(body, (name, value: unknown) => (name !== '' && SECRET.test(name) ? HIDDEN : value));
}

/** A client's own text for the log, without what looks like passwords and tokens. */
export function withoutSecrets(text: string): string {
  return IN_TEXT.reduce((left, [pattern, replacement]) => left.replace(pattern, replacement), text);
}
