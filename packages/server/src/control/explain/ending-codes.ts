import { ENDING_INFO } from '../../core/index.ts';

/** Stable names for the words that clients get, as far as these tell something. */
const CODES: ReadonlyMap<string, string> = new Map([
  [ENDING_INFO.iceTimeout, 'ice_timeout'],
  [ENDING_INFO.iceKeepAlive, 'ice_keep_alive'],
  [ENDING_INFO.dtlsFingerprint, 'dtls_fingerprint'],
  [ENDING_INFO.dtlsError, 'dtls_error'],
  [ENDING_INFO.rtpActivity, 'rtp_activity'],
  [ENDING_INFO.restTerminate, 'terminated'],
  [ENDING_INFO.notFound, 'STREAM_NOT_FOUND'],
  [ENDING_INFO.nameInUse, 'STREAM_NAME_BUSY'],
  [ENDING_INFO.badUri, 'STREAM_NAME_INVALID'],
  [ENDING_INFO.noCommonCodecs, 'NO_COMMON_CODECS'],
  [ENDING_INFO.transcodingDisabled, 'TRANSCODING_DISABLED'],
  [ENDING_INFO.idInUse, 'MEDIA_SESSION_BUSY'],
  [ENDING_INFO.fileNotFound, 'FILE_NOT_FOUND'],
  [ENDING_INFO.badFile, 'FILE_INVALID'],
  [ENDING_INFO.brokenFile, 'FILE_INVALID'],
  [ENDING_INFO.unreadableFile, 'FILE_UNREADABLE'],
]);

/** The stable name of a reason that a client was told; undefined for words of a back end, and for others that say little. */
export function codeOfInfo(info: string): string | undefined {
  return CODES.get(info);
}
