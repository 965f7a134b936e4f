import Type, { type Static } from 'typebox';

/** A conversion in a worker process, and what it costs. */
export const ExplainConversion = Type.Object({
  kind: Type.Union([Type.Literal('video'), Type.Literal('audio')]),
  /** FFmpeg's names: `aac` to `opus`. */
  from: Type.String(),
  to: Type.String(),
  /** When it began, milliseconds since 1970. */
  sinceMs: Type.Integer(),
  /** Forms of the stream that share it; each may have many viewers. */
  users: Type.Integer(),
  /** Why it was given up; absent while it runs. */
  failure: Type.Optional(Type.String()),
  /** Process id of the worker; absent while it waits for one. */
  worker: Type.Optional(Type.Integer()),
  /** Share of one processor core that it takes; more than 1 with several threads. */
  cpuShare: Type.Optional(Type.Number()),
  /** Share of the time that the worker is at it, 0 to 1: near 1 it does not keep up. */
  busyShare: Type.Optional(Type.Number()),
  /** Work for one packet or picture, milliseconds. */
  msPerFrame: Type.Optional(Type.Number()),
  /** Packets that wait for the worker; left out on the way to it; left out because they were damaged. */
  queued: Type.Optional(Type.Integer()),
  dropped: Type.Optional(Type.Integer()),
  damaged: Type.Optional(Type.Integer()),
});

export type ExplainConversion = Static<typeof ExplainConversion>;

/** A codec that the client offers, and that is not used. */
export const ExplainRefusedCodec = Type.Object({
  /** As the client, or the publisher, writes it: `VP8`, `H264`. */
  codec: Type.String(),
  /**
   * `not_offered`: the stream has it, the client does not offer it. `disabled`: the settings turn it off. `unknown`: the
   * server does not carry it. `profile`: in a form that can't be used. `other_sent`: the publisher sends another one.
   * `other_preferred`: another one was chosen. `not_wanted`: this part of the offer is not used.
   */
  reason: Type.Union([
    Type.Literal('not_offered'),
    Type.Literal('disabled'),
    Type.Literal('unknown'),
    Type.Literal('profile'),
    Type.Literal('other_sent'),
    Type.Literal('other_preferred'),
    Type.Literal('not_wanted'),
  ]),
  text: Type.String(),
});

export type ExplainRefusedCodec = Static<typeof ExplainRefusedCodec>;

/** Picture or sound of one session. What is absent is not known, or there is no such thing in its protocol. */
export const ExplainMedia = Type.Object({
  kind: Type.Union([Type.Literal('video'), Type.Literal('audio')]),
  /** WebRTC: codecs that the client offers, in its order, with parameters that matter: `H264/42e01f`. */
  offered: Type.Optional(Type.Array(Type.String())),
  /** WebRTC: the codec that was agreed on. */
  chosen: Type.Optional(Type.String()),
  refused: Type.Optional(Type.Array(ExplainRefusedCodec)),
  /**
   * How a viewer gets it: `as_is`; `converted`, see `conversion`; `left_out`, see `reason`; `pending`, nothing has come
   * yet; `absent`, the stream has none, or it is not wanted. Of a publisher: `received` or `pending`.
   */
  delivery: Type.Union([
    Type.Literal('as_is'),
    Type.Literal('converted'),
    Type.Literal('left_out'),
    Type.Literal('pending'),
    Type.Literal('absent'),
    Type.Literal('received'),
  ]),
  /** Codec that goes over the wire, by FFmpeg's name. */
  codec: Type.Optional(Type.String()),
  reason: Type.Optional(Type.String()),
  conversion: Type.Optional(ExplainConversion),
  /** The viewer can't begin, or go on, before the next key frame. */
  waitsForKeyFrame: Type.Optional(Type.Boolean()),
  /** Since the newest key frame was sent to the viewer, or came from the publisher. */
  lastKeyFrameAgeMs: Type.Optional(Type.Integer()),
  packets: Type.Optional(Type.Integer()),
  bytes: Type.Optional(Type.Integer()),
  bitrateBps: Type.Optional(Type.Integer()),
  /**
   * Packets lost on the way, since the beginning, and the share that is missing, 0 to 1: of a viewer by its last report;
   * of a publisher since the beginning, without what came again in time.
   */
  packetsLost: Type.Optional(Type.Integer()),
  lossFraction: Type.Optional(Type.Number()),
  jitterMs: Type.Optional(Type.Number()),
  /** Requests for packets to be sent again (NACK) and for key frames (PLI, FIR): the viewer's, or ours to the publisher. */
  nacks: Type.Optional(Type.Integer()),
  plis: Type.Optional(Type.Integer()),
  firs: Type.Optional(Type.Integer()),
  /** Packets that were sent again; requests for those that were gone; those of a publisher that came again in time. */
  resent: Type.Optional(Type.Integer()),
  resendMisses: Type.Optional(Type.Integer()),
  recovered: Type.Optional(Type.Integer()),
  /** What is made for the viewer by its bandwidth: name of a profile, or size and bitrate of what is for thin lines. */
  quality: Type.Optional(Type.String()),
  /** Why it has not the best one, or that another one is on the way. */
  qualityReason: Type.Optional(Type.String()),
  /** What the way to the viewer is believed to carry, bits a second; absent while nothing speaks of a limit. */
  bandwidthBps: Type.Optional(Type.Integer()),
  /** Which of the publisher's encodings the viewer gets, where there are several (simulcast). */
  layer: Type.Optional(
    Type.Object({
      rid: Type.String(),
      width: Type.Optional(Type.Integer()),
      height: Type.Optional(Type.Integer()),
    }),
  ),
  /**
   * What is left of the picture, where the way does not carry all of it: no frames of temporal layers above 1 (`layer_1`) or
   * above 0 (`layer_0`), key frames alone, or nothing. Absent: all.
   */
  pictureLimit: Type.Optional(
    Type.Union([Type.Literal('layer_1'), Type.Literal('layer_0'), Type.Literal('key_frames'), Type.Literal('none')]),
  ),
  /** Frames that were left out for that, since the beginning. */
  framesLeftOut: Type.Optional(Type.Integer()),
  /** How long packets wait to be sent to the viewer, and how much longer than the quickest they take on the way. */
  queueMs: Type.Optional(Type.Integer()),
  delayMs: Type.Optional(Type.Integer()),
});

export type ExplainMedia = Static<typeof ExplainMedia>;

/** An address that a WebRTC client's connectivity checks came from, and the way to it. */
export const ExplainIcePair = Type.Object({
  /** `relay`: by the server's own TURN server. */
  via: Type.Union([Type.Literal('udp'), Type.Literal('tcp'), Type.Literal('relay')]),
  remoteAddress: Type.String(),
  remotePort: Type.Integer(),
  /** By TCP: bytes that wait in the server for it, and packets that were left out because it was behind. */
  queuedBytes: Type.Optional(Type.Integer()),
  dropped: Type.Optional(Type.Integer()),
  /** Authentic checks that came from there. */
  checks: Type.Integer(),
  lastCheckAgeMs: Type.Integer(),
  /** Media goes there. */
  selected: Type.Boolean(),
  /** The client itself has chosen it. */
  nominated: Type.Boolean(),
});

export type ExplainIcePair = Static<typeof ExplainIcePair>;

/** An address that connectivity checks came from which could not be accepted: they were made with another password. */
export const ExplainIceRejected = Type.Object({
  via: Type.Union([Type.Literal('udp'), Type.Literal('tcp'), Type.Literal('relay')]),
  remoteAddress: Type.String(),
  remotePort: Type.Integer(),
  checks: Type.Integer(),
});

export type ExplainIceRejected = Static<typeof ExplainIceRejected>;

/** WebRTC: the connection below the media. */
export const ExplainWebRtc = Type.Object({
  ice: Type.Object({
    /** `waiting`: no check has come. `connected`. `lost`: checks have stopped. `closed`: the session is over. */
    state: Type.Union([
      Type.Literal('waiting'),
      Type.Literal('connected'),
      Type.Literal('lost'),
      Type.Literal('closed'),
    ]),
    /** Where the client was told to send its checks: `192.0.2.1:31001`; by TCP: `192.0.2.1:31001 tcp`. */
    serverCandidates: Type.Array(Type.String()),
    /** Candidates that the client's offer has, 16 at most: `host 192.0.2.7:50000 udp`. Later ones are not needed. */
    clientCandidates: Type.Array(Type.String()),
    pairs: Type.Array(ExplainIcePair),
    /** The first eight. */
    rejected: Type.Optional(Type.Array(ExplainIceRejected)),
    /** Checks that were not accepted: wrong password, from elsewhere again, with an error, too many in a second. */
    unauthentic: Type.Integer(),
    replayed: Type.Integer(),
    refused: Type.Integer(),
    tooMany: Type.Integer(),
    restarts: Type.Integer(),
    /** From the answer to the first check. */
    firstCheckAfterMs: Type.Optional(Type.Integer()),
    /** Since the last check: the client consents to being sent to with each one. */
    consentAgeMs: Type.Optional(Type.Integer()),
  }),
  dtls: Type.Object({
    state: Type.Union([
      Type.Literal('waiting'),
      Type.Literal('handshake'),
      Type.Literal('connected'),
      Type.Literal('closed'),
    ]),
    /** The server's own. */
    role: Type.Union([Type.Literal('client'), Type.Literal('server')]),
    /** SRTP protection profile. */
    profile: Type.Optional(Type.String()),
    handshakeMs: Type.Optional(Type.Integer()),
    discardedRecords: Type.Integer(),
  }),
  /** Packets of media that could not be decrypted. */
  srtp: Type.Object({ malformed: Type.Integer(), unauthentic: Type.Integer(), replayed: Type.Integer() }),
  roundTripMs: Type.Optional(Type.Number()),
});

export type ExplainWebRtc = Static<typeof ExplainWebRtc>;

/** RTMP, FLV and HLS: the connection below the media. */
export const ExplainTcp = Type.Object({
  secure: Type.Optional(Type.Boolean()),
  /** What the client says it is. */
  agent: Type.Optional(Type.String()),
  /** Bytes that wait in the server for the client to read them; buffered for a publisher. */
  queuedBytes: Type.Integer(),
  /** How long the client has read nothing although there is something for it; 0 while it reads. */
  blockedMs: Type.Optional(Type.Integer()),
  /** By how much of media the viewer is behind the stream. */
  behindMs: Type.Optional(Type.Integer()),
  paused: Type.Optional(Type.Boolean()),
  /** RTMP: how large the pieces of messages are that the client sends. */
  chunkBytes: Type.Optional(Type.Integer()),
  /** HLS: segments that can be had, the longest one, and why there are none. */
  segments: Type.Optional(Type.Integer()),
  targetSeconds: Type.Optional(Type.Number()),
  refusal: Type.Optional(Type.String()),
  /** HLS: since the last request. */
  lastRequestAgeMs: Type.Optional(Type.Integer()),
});

export type ExplainTcp = Static<typeof ExplainTcp>;

/** A publication or playback: one that runs, or one that is over and remembered. */
export const ExplainSession = Type.Object({
  mediaSessionId: Type.String(),
  sessionId: Type.String(),
  streamName: Type.String(),
  /** `webrtc`, `rtmp`, `flv`, `hls`, `vod`; further ones may come. */
  protocol: Type.String(),
  mediaType: Type.Union([Type.Literal('publish'), Type.Literal('play')]),
  /** WCS's: `PENDING`, `PUBLISHING`, `PLAYING`, `STOPPED`, `UNPUBLISHED`, `FAILED`. */
  status: Type.String(),
  remoteAddress: Type.Optional(Type.String()),
  /** When it began, milliseconds since 1970. */
  sinceMs: Type.Optional(Type.Integer()),
  /** When it ended; absent while it runs. */
  endedMs: Type.Optional(Type.Integer()),
  /** Why it ended or failed, with the words that the client got. */
  lastError: Type.Optional(Type.String()),
  /** Stable name of the reason, where there is one: `ice_timeout`, `NO_COMMON_CODECS`. */
  errorCode: Type.Optional(Type.String()),
  bytesIn: Type.Optional(Type.Integer()),
  bytesOut: Type.Optional(Type.Integer()),
  /** Packets that did not go through, by reason: `slow_viewer`, `broken`, `overflow`, `not_carried`. */
  drops: Type.Record(Type.String(), Type.Integer()),
  webrtc: Type.Optional(ExplainWebRtc),
  tcp: Type.Optional(ExplainTcp),
  media: Type.Array(ExplainMedia),
});

export type ExplainSession = Static<typeof ExplainSession>;
