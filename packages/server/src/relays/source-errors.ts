import { type ErrorCode, MediaServerError, type RelayEnd, type RelayEndCode } from '../core/index.ts';

const CODES: Readonly<Record<RelayEndCode, ErrorCode>> = {
  closed: 'SOURCE_UNREACHABLE',
  ended: 'SOURCE_UNREACHABLE',
  unreachable: 'SOURCE_UNREACHABLE',
  stalled: 'SOURCE_UNREACHABLE',
  refused: 'SOURCE_REFUSED',
  not_found: 'SOURCE_NOT_FOUND',
  invalid: 'SOURCE_INVALID',
};

/**
 * Why a source that was asked for by its address can't be had. The messages are the words that applications of the Web
 * SDK compare (websdk-signalling.md §6.3), which there are for RTSP; the cause has what happened.
 */
export function sourceError(url: string, end: RelayEnd): MediaServerError {
  return new MediaServerError(CODES[end.code], sourceWords(url, end.code), { cause: end.message });
}

/** The words alone. */
export function sourceWords(url: string, code: RelayEndCode): string {
  const name = nameOf(url);
  if (code === 'not_found') return `${name} stream not found`;
  if (code === 'invalid') return `${name} has wrong format`;
  // The SDK has no words for a wrong password.
  return `Failed to connect to ${name.toLowerCase()} stream`;
}

/** `Rtsp`, whatever way it goes. */
function nameOf(url: string): string {
  const [scheme = ''] = url.toLowerCase().split(':', 1);
  const plain = scheme.startsWith('rtsp') ? 'rtsp' : scheme.replace(/^(rtmp|whep)s$/, '$1');
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}
