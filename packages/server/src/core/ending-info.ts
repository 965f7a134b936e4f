import { type ErrorCode, MediaServerError } from './errors.ts';

/** Why a publication or playback ended or could not begin, in words that the Web SDK and back ends know. */
export const ENDING_INFO = {
  /** The client's own wish. */
  stoppedByUser: 'Stopped by user',
  /** The client's connection is gone. */
  sessionDisconnect: 'Stopped by session disconnect',
  /** What was played is over. */
  publisherStop: 'Stopped by publisher stop',
  /** Nothing came for too long. */
  rtpActivity: 'Failed by RTP activity',
  terminated: 'Stopped by rest /terminate',
  shutdown: 'Requested stream shutdown',
  error: 'Failed by error',
  notFound: 'Stream not found',
  nameInUse: 'Stream name is already in use',
  badName: 'Bad URI',
  notAdded: 'Failed to add stream to proxy',
  noCommonCodecs: 'No common codecs',
  transcodingDisabled: 'Transcoding required, but disabled',
  fileNotFound: 'File not found',
  badFile: 'File has wrong format',
} as const;

const OF_ERROR: Readonly<Partial<Record<ErrorCode, string>>> = {
  STREAM_NOT_FOUND: ENDING_INFO.notFound,
  STREAM_NAME_BUSY: ENDING_INFO.nameInUse,
  STREAM_NAME_INVALID: ENDING_INFO.badName,
  STREAM_LIMIT: ENDING_INFO.notAdded,
  NO_COMMON_CODECS: ENDING_INFO.noCommonCodecs,
  TRANSCODING_DISABLED: ENDING_INFO.transcodingDisabled,
  FILE_NOT_FOUND: ENDING_INFO.fileNotFound,
  FILE_INVALID: ENDING_INFO.badFile,
};

/** The known words for why something could not begin. */
export function infoOfFailure(error: unknown): string {
  return (error instanceof MediaServerError ? OF_ERROR[error.code] : undefined) ?? ENDING_INFO.error;
}
