import { MediaServerError, type RelayEnd, type RelayEndCode } from '../../../core/index.ts';

/** Why a connection to another server could not be made, or is over. */
export class RelayFailure extends Error {
  readonly code: RelayEndCode;

  constructor(code: RelayEndCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'RelayFailure';
    this.code = code;
  }
}

/** What the guard of outgoing connections says, whichever class its errors have. */
const OUTBOUND_CODES: Readonly<Record<string, RelayEndCode>> = {
  URL_INVALID: 'invalid',
  URL_DENIED: 'refused',
  HOST_UNKNOWN: 'unreachable',
};

const ABOUT_ANSWERS: ReadonlySet<string> = new Set(['SDP_INVALID', 'NO_COMMON_CODECS']);

/** The end that an error of an attempt means. */
export function endOf(error: unknown): RelayEnd {
  if (error instanceof RelayFailure) return { code: error.code, message: error.message };
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  const outbound = typeof code === 'string' ? OUTBOUND_CODES[code] : undefined;
  if (outbound !== undefined) return { code: outbound, message: String(message) };
  // What is left of the server's own errors is about what the other side has answered, or about this machine.
  if (error instanceof MediaServerError && ABOUT_ANSWERS.has(error.code))
    return { code: 'invalid', message: error.message };
  return { code: 'unreachable', message: `an error here: ${String(message ?? error)}` };
}
