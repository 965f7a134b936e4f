import { type ErrorCode, MediaServerError } from './errors.ts';
import type { PeerEndReason } from './peer-gateway.ts';

/**
 * Words for why a publication or playback is over or could not begin. Applications of the Web SDK and back ends compare
 * them (websdk-signalling.md §6.3).
 */
export const ENDING_INFO = {
  iceTimeout: 'Failed by ICE timeout',
  iceKeepAlive: 'Failed by ICE keep alive',
  dtlsFingerprint: 'Failed by DTLS fingerprint error',
  dtlsError: 'Failed by DTLS error',
  rtpActivity: 'Failed by RTP activity',
  sessionDisconnect: 'Stopped by session disconnect',
  restTerminate: 'Stopped by rest /terminate',
  publisherStop: 'Stopped by publisher stop',
  stoppedByUser: 'Stopped by user',
  error: 'Failed by error',
  /** The offer can not be used, or there is no room for another peer. */
  notAdded: 'Failed to add stream to proxy',
  notFound: 'Stream not found',
  nameInUse: 'Stream name is already in use',
  idInUse: 'MediaSessionId is already in use',
  badFile: 'File has wrong format',
  /** The storage does not give the file, or gives no more of it. */
  unreadableFile: 'Failed to read file',
  /** A file turned out to be damaged while it was played. */
  brokenFile: 'Got exception while streaming file',
  noCommonCodecs: 'No common codecs',
  badUri: 'Bad URI',
  shutdown: 'Requested stream shutdown',
  fileNotFound: 'File not found',
  keepAlive: 'Terminated by keep-alive',
  transcodingDisabled: 'Transcoding required, but disabled',
  noTranscoders: 'No available transcoders',
  /** Where nobody gave other words. */
  restricted: 'Restricted access',
} as const;

const OF_END: Readonly<Record<PeerEndReason, string>> = {
  ice_timeout: ENDING_INFO.iceTimeout,
  ice_keep_alive: ENDING_INFO.iceKeepAlive,
  dtls_error: ENDING_INFO.dtlsError,
  dtls_fingerprint: ENDING_INFO.dtlsFingerprint,
  rtp_activity: ENDING_INFO.rtpActivity,
  publisher_stopped: ENDING_INFO.publisherStop,
  file_finished: ENDING_INFO.publisherStop,
  terminated: ENDING_INFO.restTerminate,
  peer_closed: ENDING_INFO.stoppedByUser,
  not_playable: ENDING_INFO.transcodingDisabled,
  server_stops: ENDING_INFO.shutdown,
  internal_error: ENDING_INFO.error,
};

const OF_ERROR: Readonly<Partial<Record<ErrorCode, string>>> = {
  STREAM_NOT_FOUND: ENDING_INFO.notFound,
  STREAM_NAME_BUSY: ENDING_INFO.nameInUse,
  STREAM_NAME_INVALID: ENDING_INFO.badUri,
  STREAM_LIMIT: ENDING_INFO.notAdded,
  PEER_LIMIT: ENDING_INFO.notAdded,
  SDP_INVALID: ENDING_INFO.notAdded,
  NO_COMMON_CODECS: ENDING_INFO.noCommonCodecs,
  TRANSPORT_DISABLED: ENDING_INFO.notAdded,
  MEDIA_SESSION_BUSY: ENDING_INFO.idInUse,
  TRANSCODING_DISABLED: ENDING_INFO.transcodingDisabled,
  TRANSCODING_LIMIT: ENDING_INFO.noTranscoders,
  FILE_NOT_FOUND: ENDING_INFO.fileNotFound,
  FILE_INVALID: ENDING_INFO.badFile,
  FILE_UNREADABLE: ENDING_INFO.unreadableFile,
  URL_INVALID: ENDING_INFO.badUri,
  URL_DENIED: ENDING_INFO.badUri,
  HOST_UNKNOWN: ENDING_INFO.badUri,
  RELAY_LIMIT: ENDING_INFO.notAdded,
};

/** What streams of cameras and other servers that are given up end with. */
const FAILED_SOURCE = /^(?:Failed to connect to \w+ stream|\w+ stream not found|\w+ has wrong format)$/;

/** What streams of files that fail end with: the reason is the word. */
const FILE_FAILURES: ReadonlySet<string> = new Set([ENDING_INFO.unreadableFile, ENDING_INFO.brokenFile]);

/** What the access control says no with; its own words are for the client. */
const DENIALS: readonly ErrorCode[] = ['TOKEN_REQUIRED', 'ACCESS_DENIED', 'APPLICATION_UNKNOWN', 'TOO_MANY_ATTEMPTS'];
/** Of cameras and other servers: the words are those that name their protocol (`Rtsp stream not found`). */
const OF_SOURCES: readonly ErrorCode[] = ['SOURCE_NOT_FOUND', 'SOURCE_UNREACHABLE', 'SOURCE_REFUSED', 'SOURCE_INVALID'];
const KNOWN: ReadonlySet<string> = new Set(Object.values(ENDING_INFO));

/** How the end of a stream is told to those who play it. */
export function playerEnd(reason: string): { readonly failed: boolean; readonly info: string } {
  const failed = FILE_FAILURES.has(reason) || FAILED_SOURCE.test(reason);
  return { failed, info: failed ? reason : ENDING_INFO.publisherStop };
}

/** The word for why a peer ended. The operator's own reason goes through when clients know it. */
export function infoOfEnd(reason: PeerEndReason, detail: string): string {
  if (reason === 'publisher_stopped') return playerEnd(detail).info;
  return reason === 'terminated' && KNOWN.has(detail) ? detail : OF_END[reason];
}

/** The word for why a stream could not begin; for a denial, what the access control says. */
export function infoOfError(error: unknown): string {
  if (!(error instanceof MediaServerError)) return ENDING_INFO.error;
  if (DENIALS.includes(error.code)) return error.message || ENDING_INFO.restricted;
  if (OF_SOURCES.includes(error.code)) return error.message;
  return OF_ERROR[error.code] ?? ENDING_INFO.error;
}
