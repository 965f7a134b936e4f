import { ProtocolError } from '@sluice/media';
import { MediaServerError, type RelayEnd, type RelayEndCode } from '../../../core/index.ts';
import type { RtspResponse } from '../wire/reader.ts';

/** Why a connection to an RTSP server can't go on, with a text for people that has no credentials. */
export class RtspFailure extends Error {
  readonly code: RelayEndCode;

  constructor(code: RelayEndCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'RtspFailure';
    this.code = code;
  }
}

/** How whatever went wrong is told to the relay; undefined for an error of our own. */
export function relayEndOf(error: unknown): RelayEnd | undefined {
  if (error instanceof RtspFailure) return { code: error.code, message: error.message };
  if (error instanceof ProtocolError) return { code: 'invalid', message: `it does not speak RTSP: ${error.message}` };
  if (!(error instanceof MediaServerError)) return undefined;
  if (error.code === 'URL_DENIED') return { code: 'refused', message: error.message };
  return { code: error.code === 'HOST_UNKNOWN' ? 'unreachable' : 'invalid', message: error.message };
}

/** What an answer other than 2xx means. */
export function refusalOf(method: string, response: RtspResponse): RtspFailure {
  const { status } = response;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what a server says goes into logs and pages.
  const reason = response.reason.replaceAll(/[\u0000-\u001f\u007f]/g, ' ').slice(0, 60);
  const answered = `it answered ${method} with ${`${status} ${reason}`.trim()}`;
  const [code, advice] = MEANINGS[status] ?? [status >= 500 ? 'unreachable' : 'invalid', undefined];
  return new RtspFailure(code, advice === undefined ? answered : `${answered}: ${advice}`);
}

const MEANINGS: Readonly<Record<number, readonly [RelayEndCode, string | undefined]>> = {
  401: ['refused', 'it refused the user name or password'],
  403: ['refused', 'the user may not do that, or the address of this machine is blocked'],
  404: ['not_found', 'there is no such stream; check the path of the address'],
  405: ['invalid', 'it can not do that'],
  406: ['invalid', 'it does not describe its streams by SDP'],
  407: ['refused', 'a proxy wants a user name and password'],
  410: ['not_found', 'the stream is gone'],
  453: ['unreachable', 'it serves no more clients'],
  454: ['ended', 'it has ended the session'],
  461: ['invalid', 'it takes neither TCP nor UDP for the media'],
  501: ['invalid', 'it can not do that'],
  503: ['unreachable', 'it is overloaded, or the source is not ready'],
};

/** What an error of a socket means; `place` is host and port. */
export function unreachable(error: unknown, place: string): RtspFailure {
  const code = errorCode(error);
  const known = CONNECTION_ERRORS[code];
  if (known !== undefined) return new RtspFailure('unreachable', `${place} ${known}`, { cause: error });
  if (/CERT|SELF_SIGNED|UNABLE_TO|ALTNAME|ISSUER/.test(code))
    return new RtspFailure(
      'invalid',
      `the certificate of ${place} is not valid (${code}); rtsp_client_tls_verify=false connects all the same`,
      { cause: error },
    );
  const detail = code || (error instanceof Error ? error.message : String(error));
  return new RtspFailure('unreachable', `the connection to ${place} failed: ${detail}`, { cause: error });
}

const CONNECTION_ERRORS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses connections: check the port, and whether RTSP is turned on there',
  ECONNRESET: 'broke the connection',
  EPIPE: 'broke the connection',
  ETIMEDOUT: 'did not answer: check the address and firewalls',
  EHOSTUNREACH: 'can not be reached: check the address and routes',
  ENETUNREACH: 'can not be reached: check the address and routes',
  EADDRNOTAVAIL: 'can not be connected to from the address of rtsp_client_address, which this machine does not have',
};

function errorCode(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}
