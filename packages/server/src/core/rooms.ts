/** A stream that a member of a room publishes there. */
export interface RoomStream {
  /** Its name in the hub. */
  readonly streamName: string;
  readonly mediaSessionId: string;
  /** How loud it is, dBov; undefined when its publisher does not tell. */
  readonly loudnessDbov: number | undefined;
  /** Somebody speaks there. */
  readonly speaking: boolean;
}

/** One who is in a room. */
export interface RoomMember {
  /** Unique in its room. */
  readonly login: string;
  /** Its connection: `/<client ip>:<port>/<server ip>:<port>`; of one that may come back, the one that was lost. */
  readonly sessionId: string;
  readonly joinedAtMs: number;
  /** False while its connection is lost and its session can still be resumed. */
  readonly connected: boolean;
  readonly streams: readonly RoomStream[];
}

/** A room of this moment: it came with its first member, and goes with its last one. */
export interface RoomDescription {
  /** Unique among the rooms of its application. */
  readonly name: string;
  readonly appKey: string;
  readonly createdAtMs: number;
  /** All its streams are recorded. */
  readonly record: boolean;
  /** In the order in which they came. */
  readonly members: readonly RoomMember[];
}

/** The rooms of the server, for the control side. */
export interface Rooms {
  readonly size: number;
  /** Members of all rooms. */
  readonly memberCount: number;
  /** The oldest first. */
  all(): readonly RoomDescription[];
  get(appKey: string, name: string): RoomDescription | undefined;
}
