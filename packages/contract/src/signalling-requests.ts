import Type, { type Static } from 'typebox';

/*
 * What Web SDK clients send (websdk-signalling.md §4.2), one object per message, as its first argument. Every field may
 * be absent, and clients of other makes send fields of other types: a field that is not as written here counts as absent.
 */

/** A number, or its digits in a text: pages hand over what was typed into them. */
export const Numeric = Type.Union([
  Type.Number({ minimum: 0, maximum: 1e9 }),
  Type.String({ pattern: '^[0-9]{1,9}([.][0-9]{1,6})?$' }),
]);

export type Numeric = Static<typeof Numeric>;

const Text = Type.String({ maxLength: 4096 });
const Id = Type.String({ minLength: 1, maxLength: 256 });

/** `connection`, the first message (§2.2). */
export const ConnectionRequest = Type.Object({
  appKey: Type.Optional(Text),
  mediaProviders: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 16 })),
  keepAlive: Type.Optional(Type.Boolean()),
  authToken: Type.Optional(Text),
  clientVersion: Type.Optional(Text),
  clientOSVersion: Type.Optional(Text),
  clientBrowserVersion: Type.Optional(Text),
  msePacketizationVersion: Type.Optional(Type.Integer()),
  custom: Type.Optional(Type.Unknown()),
  clientInfo: Type.Optional(Type.Unknown()),
  sipLogin: Type.Optional(Text),
  sipAuthenticationName: Type.Optional(Text),
  sipPassword: Type.Optional(Text),
  sipDomain: Type.Optional(Text),
  sipOutboundProxy: Type.Optional(Text),
  sipProxy: Type.Optional(Text),
  sipPort: Type.Optional(Numeric),
  sipRegisterRequired: Type.Optional(Type.Boolean()),
});

export type ConnectionRequest = Static<typeof ConnectionRequest>;

/** `connectMediaTransport`, the first message of a second WebSocket (§9.1): the token of a session. */
export const MediaTransportRequest = Type.Object({ authToken: Type.Optional(Text) });

/** `publishStream`, `playStream`, `unPublishStream` and `stopStream` (§5.2, §5.3, §5.5). */
export const StreamRequest = Type.Object({
  mediaSessionId: Type.Optional(Id),
  name: Type.Optional(Type.String({ maxLength: 4096 })),
  hasVideo: Type.Optional(Type.Boolean()),
  hasAudio: Type.Optional(Type.Boolean()),
  record: Type.Optional(Type.Boolean()),
  mediaProvider: Type.Optional(Type.String({ maxLength: 64 })),
  sdp: Type.Optional(Type.String()),
  custom: Type.Optional(Type.Unknown()),
  width: Type.Optional(Numeric),
  height: Type.Optional(Numeric),
  /** Kilobits a second, as the two below; 0 is none. */
  bitrate: Type.Optional(Numeric),
  minBitrate: Type.Optional(Numeric),
  maxBitrate: Type.Optional(Numeric),
  /** 1 to 100; 0 is none. */
  quality: Type.Optional(Numeric),
  rtmpUrl: Type.Optional(Text),
  /** `UDP` or `TCP`. */
  transport: Type.Optional(Type.String({ maxLength: 64 })),
  cvoExtension: Type.Optional(Type.Boolean()),
  /** What the page asked its browser for, and the devices that it has; for hooks only. */
  constraints: Type.Optional(Type.Unknown()),
  localMediaInfo: Type.Optional(Type.Unknown()),
});

export type StreamRequest = Static<typeof StreamRequest>;

/** `snapshot` and `availableStream`: a name, and whom to answer (§7.4, §7.5). */
export const NamedStreamRequest = Type.Object({
  mediaSessionId: Type.Optional(Id),
  name: Type.Optional(Type.String({ maxLength: 4096 })),
});

/** `sendStreamEvent` (§7.1). */
export const StreamEventRequest = Type.Object({
  mediaSessionId: Type.Optional(Id),
  type: Type.Optional(Type.Enum(['audioMuted', 'audioUnmuted', 'videoMuted', 'videoUnmuted', 'data'])),
  payload: Type.Optional(Type.Unknown()),
});

/** `sendData` (§7.3). */
export const DataRequest = Type.Object({
  operationId: Type.Optional(Id),
  payload: Type.Optional(Type.Unknown()),
});

/** `call`, `answer`, `hangup`, `hold`, `unhold`, `transfer` and `sendDtmf`: whose they are (§11). */
export const CallRequest = Type.Object({ callId: Type.Optional(Id) });

/** `sessionDebug` (§13). */
export const DebugRequest = Type.Object({ command: Type.Optional(Type.Enum(['start', 'stop'])) });

/** `pushLogs` (§13). */
export const LogRequest = Type.Object({ logs: Type.Optional(Type.String()) });
