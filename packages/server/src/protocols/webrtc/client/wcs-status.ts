import type { RelayEndCode } from '../../../core/index.ts';

/** What the exact texts of WCS mean (websdk-signalling.md §6.3); by others the connection is tried again. */
const CODES: Readonly<Record<string, RelayEndCode>> = {
  'Stream not found': 'not_found',
  'File not found': 'not_found',
  'Rtsp stream not found': 'not_found',
  'CDN stream not found': 'not_found',
  'Restricted access': 'refused',
  'Failed by DTLS fingerprint error': 'invalid',
  'Failed to add stream to proxy': 'invalid',
  'Rtsp has wrong format': 'invalid',
  'File has wrong format': 'invalid',
  'No common codecs': 'invalid',
  'Bad URI': 'invalid',
  'Transcoding required, but disabled': 'invalid',
  'Failed by RTP activity': 'stalled',
  'Stopped by session disconnect': 'ended',
  'Stopped by rest /terminate': 'ended',
  'Stopped by publisher stop': 'ended',
  'Stopped by user': 'ended',
  'Distributor stopped': 'ended',
  'Requested stream shutdown': 'ended',
};

/** Why a stream there is over, by its final status and the text that came with it. */
export function codeOfStatus(status: string, info: string): RelayEndCode {
  if (Object.hasOwn(CODES, info)) return CODES[info] ?? 'unreachable';
  return status === 'FAILED' ? 'unreachable' : 'ended';
}
