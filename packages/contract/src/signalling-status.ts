import Type, { type Static } from 'typebox';
import { StreamObject } from './stream-object.ts';

/** Words for why a stream is not, or no longer, there; applications compare them (websdk-signalling.md §6.3). */
export const STREAM_INFO = {
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
  idMissing: 'MediaSessionId is null',
  idInUse: 'MediaSessionId is already in use',
  sessionNotReady: 'Session not ready',
  badFile: 'File has wrong format',
  unreadableFile: 'Failed to read file',
  brokenFile: 'Got exception while streaming file',
  noCommonCodecs: 'No common codecs',
  badUri: 'Bad URI',
  shutdown: 'Requested stream shutdown',
  fileNotFound: 'File not found',
  keepAlive: 'Terminated by keep-alive',
  transcodingDisabled: 'Transcoding required, but disabled',
  /** The machine can't make another form of a picture at this moment. */
  noTranscoders: 'No available transcoders',
  /** The back end, a stream token or an address list says no, and gives no words of its own. */
  restricted: 'Restricted access',
} as const;

/** Where a stream of the Web SDK is in its life (§6.1); the last three are final. */
export const StreamStatus = Type.Enum(['PENDING', 'PUBLISHING', 'PLAYING', 'UNPUBLISHED', 'STOPPED', 'FAILED']);

export type StreamStatus = Static<typeof StreamStatus>;

/**
 * Argument of `notifyStreamStatusEvent` (§5.7). A key `available` would be taken for an answer to `availableStream`.
 */
export const StreamStatusObject = Type.Object(
  {
    ...StreamObject.properties,
    status: StreamStatus,
    /** Why, for final statuses. */
    info: Type.Optional(Type.String()),
  },
  { additionalProperties: false },
);

export type StreamStatusObject = Static<typeof StreamStatusObject>;
