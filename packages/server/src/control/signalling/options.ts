import type { TlsIdentity } from '../../io/index.ts';
import type { RoomOptions } from './rooms/room-directory.ts';

/** Where WebSockets are listened for. */
export interface SignallingAddress {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** WSS instead of WS. */
  readonly secure?: boolean | undefined;
}

export interface SignallingOptions extends RoomOptions {
  /** `ws.port` and `wss.port`. Default: WS at port 8080 of all IPv4 addresses. */
  readonly listen: readonly SignallingAddress[];
  /** Needed when an address is secure. */
  readonly identity?: TlsIdentity | undefined;
  /** Further ones are answered with 503. Default 10 000. */
  readonly maxConnections: number;
  /** A client with a longer message is disconnected. Default 256 KiB. */
  readonly maxMessageBytes: number;
  /**
   * A client is read more slowly that sends more than so many messages a second, after a burst; one of more than 4 KiB
   * counts as several. Default 200 and 1000.
   */
  readonly messagesPerSecond: number;
  readonly messageBurst: number;
  /** A client that leaves more than this unread is disconnected. Default 1 MiB. */
  readonly maxUnsentBytes: number;
  /** Publications and playbacks of one client at once. Default 64. */
  readonly maxStreams: number;
  /** How long a client may be silent before its `connection` message. Default 10 s. */
  readonly firstMessageTimeoutMs: number;
  /** Pings at `HIGH_LEVEL` (`keep_alive.enabled`, `keep_alive.algorithm`). Default true. */
  readonly keepAlive: boolean;
  /** `keep_alive.server_interval`. Default 5 s, which is the most that the Web SDK's own watchdog is made for. */
  readonly keepAliveIntervalMs: number;
  /** `keep_alive.probes`: a client that left so many pings unanswered is dropped. Default 10. */
  readonly keepAliveProbes: number;
  /** How long a session with `keepAlive` can be resumed after its connection is gone. Default 60 s. */
  readonly resumeWindowMs: number;
  /** The oldest session that could be resumed is given up for a newer one. Default 1000. */
  readonly maxResumable: number;
  /** How long players wait for a stream that is not there yet. Default 0: as WCS, not at all. */
  readonly playWaitMs: number;
  /** A player by WebSocket whose media transport has not come by then is ended. Default 10 s. */
  readonly mediaSocketWaitMs: number;
  /** `inbound_video_rate_stat_send_interval`, milliseconds; 0 is never. Default 0. */
  readonly inboundVideoRateIntervalMs: number;
  /** `outbound_video_rate_stat_send_interval`, milliseconds; 0 is never. Default 0. */
  readonly outboundVideoRateIntervalMs: number;
}

export const DEFAULT_SIGNALLING_OPTIONS: SignallingOptions = Object.freeze({
  listen: [{ host: '0.0.0.0', port: 8080 }],
  maxConnections: 10_000,
  maxMessageBytes: 256 * 1024,
  messagesPerSecond: 200,
  messageBurst: 1000,
  maxUnsentBytes: 1024 * 1024,
  maxStreams: 64,
  firstMessageTimeoutMs: 10_000,
  keepAlive: true,
  keepAliveIntervalMs: 5000,
  keepAliveProbes: 10,
  resumeWindowMs: 60_000,
  maxResumable: 1000,
  playWaitMs: 0,
  mediaSocketWaitMs: 10_000,
  inboundVideoRateIntervalMs: 0,
  outboundVideoRateIntervalMs: 0,
  roomApps: ['roomApp'],
  maxRooms: 10_000,
  maxRoomMembers: 200,
  maxRoomsPerClient: 32,
  loginProbeMs: 2000,
});
