import { STREAM_INFO } from '@sluice/contract';
import { type ErrorCode, MediaServerError, type PeerEndReason } from '../../core/index.ts';

const OF_END: Readonly<Record<PeerEndReason, string>> = {
  ice_timeout: STREAM_INFO.iceTimeout,
  ice_keep_alive: STREAM_INFO.iceKeepAlive,
  dtls_error: STREAM_INFO.dtlsError,
  dtls_fingerprint: STREAM_INFO.dtlsFingerprint,
  rtp_activity: STREAM_INFO.rtpActivity,
  publisher_stopped: STREAM_INFO.publisherStop,
  terminated: STREAM_INFO.restTerminate,
  peer_closed: STREAM_INFO.stoppedByUser,
  not_playable: STREAM_INFO.transcodingDisabled,
  server_stops: STREAM_INFO.shutdown,
  internal_error: STREAM_INFO.error,
};

const OF_ERROR: Readonly<Partial<Record<ErrorCode, string>>> = {
  STREAM_NOT_FOUND: STREAM_INFO.notFound,
  STREAM_NAME_BUSY: STREAM_INFO.nameInUse,
  STREAM_NAME_INVALID: STREAM_INFO.badUri,
  STREAM_LIMIT: STREAM_INFO.notAdded,
  PEER_LIMIT: STREAM_INFO.notAdded,
  SDP_INVALID: STREAM_INFO.notAdded,
  NO_COMMON_CODECS: STREAM_INFO.noCommonCodecs,
  MEDIA_SESSION_BUSY: STREAM_INFO.idInUse,
  TRANSCODING_DISABLED: STREAM_INFO.transcodingDisabled,
  FILE_NOT_FOUND: STREAM_INFO.fileNotFound,
  FILE_INVALID: STREAM_INFO.badFile,
};

const KNOWN: ReadonlySet<string> = new Set(Object.values(STREAM_INFO));

/** The Web SDK's word for why a peer ended. The operator's own reason goes through when the SDK knows it. */
export function infoOfEnd(reason: PeerEndReason, detail: string): string {
  return reason === 'terminated' && KNOWN.has(detail) ? detail : OF_END[reason];
}

/** The Web SDK's word for why a stream could not begin. */
export function infoOfError(error: unknown): string {
  return (error instanceof MediaServerError ? OF_ERROR[error.code] : undefined) ?? STREAM_INFO.error;
}
