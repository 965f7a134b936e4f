/** Every error that a client or an operator can meet, with its HTTP status and what it means. */
export const ERRORS = {
  STREAM_NOT_FOUND: { status: 404, meaning: 'no stream has that name' },
  STREAM_NAME_BUSY: { status: 409, meaning: 'another publisher already uses that stream name' },
  STREAM_NAME_INVALID: {
    status: 400,
    meaning: 'a stream name is empty, too long, or has characters that are not allowed',
  },
  STREAM_LIMIT: { status: 503, meaning: 'the server carries as many streams as its settings allow' },
  FILE_NOT_FOUND: { status: 404, meaning: 'a media file is not in the media folder' },
  FILE_INVALID: { status: 400, meaning: 'a media file can not be read as what its name says' },
  FILE_UNREADABLE: { status: 500, meaning: 'a media file is there, but its storage does not give it' },
  RECORDING_DISABLED: { status: 500, meaning: 'the settings forbid to record (record_streams)' },
  RECORDING_NOT_FOUND: {
    status: 404,
    meaning: 'nothing is being recorded under that id, or no such recording is known',
  },
  RECORDING_BUSY: { status: 409, meaning: 'a recording of that name runs already, or is still being worked on' },
  RECORDING_LIMIT: { status: 503, meaning: 'as many recordings run as the settings allow' },
  RECORDING_CONFIG_INVALID: { status: 400, meaning: 'a file name, rotation or address of a recording can not be used' },
  SNAPSHOT_FAILED: { status: 500, meaning: 'no picture could be taken of a stream' },
  SNAPSHOT_LIMIT: { status: 503, meaning: 'too many pictures are being taken at the same time' },
  URL_INVALID: { status: 400, meaning: 'an address can not be read, or nothing here speaks its scheme' },
  URL_DENIED: {
    status: 403,
    meaning: 'the settings forbid to connect to that address (outbound_*)',
  },
  HOST_UNKNOWN: { status: 400, meaning: 'the name of a host in an address can not be resolved' },
  SOURCE_UNREACHABLE: { status: 502, meaning: 'another server or a camera can not be reached, or fell silent' },
  SOURCE_REFUSED: { status: 502, meaning: 'another server or a camera refused, mostly for want of a right password' },
  SOURCE_NOT_FOUND: { status: 404, meaning: 'another server or a camera has no such stream' },
  SOURCE_INVALID: { status: 502, meaning: 'what another server or a camera sends can not be used' },
  RELAY_NOT_FOUND: { status: 404, meaning: 'nothing is pulled or pushed that matches' },
  RELAY_BUSY: { status: 409, meaning: 'the same is pulled or pushed already' },
  RELAY_LIMIT: { status: 503, meaning: 'as much is pulled and pushed as the settings allow (relay_max)' },
  SESSION_NOT_FOUND: { status: 404, meaning: 'no session has that id' },
  MEDIA_SESSION_BUSY: { status: 409, meaning: 'another publication or playback already has that id' },
  SDP_INVALID: { status: 400, meaning: 'a session description can not be read, or lacks what WebRTC needs' },
  NO_COMMON_CODECS: { status: 406, meaning: 'none of the codecs that the client offers can be used' },
  TRANSCODING_DISABLED: {
    status: 406,
    meaning: 'the client can not take the stream as it is, and the settings forbid to convert it',
  },
  TRANSCODING_LIMIT: {
    status: 503,
    meaning: 'the machine, or the settings, have no processor time left to make another form of the picture',
  },
  TRANSPORT_DISABLED: {
    status: 406,
    meaning: 'the client wants its media by a transport that the settings turn off (ice_tcp_enabled)',
  },
  PEER_LIMIT: { status: 503, meaning: 'the server carries as many WebRTC peers as its settings allow' },
  TOKEN_REQUIRED: { status: 401, meaning: 'a stream token is needed, and none came or it can not be used' },
  ACCESS_DENIED: { status: 403, meaning: 'the back end, a stream token or a list of addresses forbids it' },
  APPLICATION_UNKNOWN: { status: 403, meaning: 'no application has the key (appKey) that the client names' },
  TOO_MANY_ATTEMPTS: { status: 429, meaning: 'too many failed attempts came from that address' },
  PORT_IN_USE: { status: 500, meaning: 'a listening port is taken by another program' },
  CONFIG_INVALID: { status: 500, meaning: 'a setting has a value that is not allowed' },
} as const satisfies Record<string, { status: number; meaning: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** The one error class of the server; `code` is stable and documented, `message` says what happened and what to do. */
export class MediaServerError extends Error {
  readonly code: ErrorCode;
  readonly status: number;

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'MediaServerError';
    this.code = code;
    this.status = ERRORS[code].status;
  }
}
