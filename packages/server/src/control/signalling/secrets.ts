/** Names of fields whose values let somebody in, or are too long for a line. */
const SECRET = /pass|pwd|token|secret|credential|authori[sz]ation|^(sdp|custom|rtmpUrl)$/i;
const HIDDEN = '***';
/** The same in texts that clients compose themselves: JSON, `name=value` or lines of SDP. */
const IN_TEXT: readonly [RegExp, string][] = [
  [/(\\?["'][\w-]*(?:pass|pwd|token|secret|credential)[\w-]*\\?["']\s*:\s*\\?["'])[^"'\\]*/gi, `$1${HIDDEN}`],
  [/([\w-]*(?:passw|pwd|token|secret|credential)[\w-]*\s*[=:]\s*)[^\s"'\\&,;]+/gi, `$1${HIDDEN}`],
  [/(\bBearer\s+)[^\s"'\\]+/gi, `$1${HIDDEN}`],
  [/(:\/\/)[^\s/@"'\\]*@/g, `$1${HIDDEN}@`],
];

/** A client's message as text for the log, without what lets somebody in. */
export function loggable(body: object): string {
  return withoutSecrets(
    JSON.stringify(body, (name, value: unknown) => (name !== '' && SECRET.test(name) ? HIDDEN : value)),
  );
}

/** A client's own text for the log, without what looks like passwords and tokens. */
export function withoutSecrets(text: string): string {
  return IN_TEXT.reduce((left, [pattern, replacement]) => left.replace(pattern, replacement), text);
}
