import type { RelayEndCode } from '../../../core/index.ts';

/** What the exact texts of WCS mean (websdk-signalling.md §6.3). */
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
  'Stream name is already in use': 'unreachable',
  'MediaSessionId is already in use': 'unreachable',
  'Publish stream is not ready': 'unreachable',
  'Session not ready': 'unreachable',
  'Session does not exist': 'unreachable',
  'RtspAgent shutdown': 'unreachable',
  'Stream failed': 'unreachable',
  'No available transcoders': 'unreachable',
  'Terminated by keep-alive': 'unreachable',
  'Agent servicing origin stream is shutting down': 'unreachable',
};

/** The final status of a stream there. */
export interface FinalStatus {
  readonly status: string;
  /** The text that came with it; empty for none. */
  readonly info: string;
  /** The offer had been answered before. */
  readonly answered: boolean;
}

/** Why a stream there is over. */
export function codeOfStatus({ status, info, answered }: FinalStatus): RelayEndCode {
  if (Object.hasOwn(CODES, info)) return CODES[info] ?? 'unreachable';
  if (status !== 'FAILED') return 'ended';
  // What is none of WCS's own texts, and comes instead of an answer, are the words of a back end that refuses.
  return answered || info === '' || /^(Failed|Got exception)\b/.test(info) ? 'unreachable' : 'refused';
}
