import type {
  Counters,
  Log,
  Recorder,
  RoomDescription,
  RoomMember,
  RoomStream,
  Rooms,
  StreamRegistry,
} from '../../../core/index.ts';
import { Room } from './room.ts';
import type { Occupant, Seat, SeatStream } from './seat.ts';

/** Limits of rooms. */
export interface RoomOptions {
  /** Applications whose `sendData` is read as commands to rooms. Default `roomApp`, which the Web SDK names. */
  readonly roomApps: readonly string[];
  /** Default 10 000. */
  readonly maxRooms: number;
  /** Default 200. */
  readonly maxRoomMembers: number;
  /** Rooms that one client may be in at once. Default 32. */
  readonly maxRoomsPerClient: number;
  /**
   * A member whose login somebody else comes with has so long to give a sign of life; then it counts as dead and the
   * newcomer takes its place. Default 2 s.
   */
  readonly loginProbeMs: number;
}

export interface RoomDirectoryDeps {
  readonly streams: Pick<StreamRegistry, 'get'>;
  readonly recorder?: Pick<Recorder, 'enabled' | 'of' | 'start'> | undefined;
  readonly log: Log;
  readonly counters: Counters;
  readonly options: RoomOptions & { readonly resumeWindowMs: number; readonly maxResumable: number };
}

/** A place in a room that somebody wants. */
export interface RoomPlace {
  readonly appKey: string;
  /** Of the room. */
  readonly name: string;
  readonly login: string;
}

interface KeptSeats {
  readonly seats: readonly Seat[];
  readonly untilMs: number;
}

/** All rooms: made by their first member, gone with their last one. */
export class RoomDirectory implements Rooms {
  readonly options: RoomOptions;
  readonly counters: Counters;
  readonly #deps: RoomDirectoryDeps;
  readonly #rooms = new Map<string, Room>();
  /** Seats of sessions that can be resumed, by their tokens, in the order of their times. */
  readonly #kept = new Map<string, KeptSeats>();

  constructor(deps: RoomDirectoryDeps) {
    this.#deps = deps;
    this.options = deps.options;
    this.counters = deps.counters;
  }

  get size(): number {
    return this.#rooms.size;
  }

  get memberCount(): number {
    let count = 0;
    for (const room of this.#rooms.values()) count += room.size;
    return count;
  }

  all(): readonly RoomDescription[] {
    return Array.from(this.#rooms.values(), (room) => this.#describe(room));
  }

  get(appKey: string, name: string): RoomDescription | undefined {
    const room = this.room(appKey, name);
    return room && this.#describe(room);
  }

  room(appKey: string, name: string): Room | undefined {
    return this.#rooms.get(keyOf(appKey, name));
  }

  /** Why a newcomer can't come into a room, in words for its client; undefined when it can. */
  fault({ appKey, name, login }: RoomPlace): string | undefined {
    const { maxRooms, maxRoomMembers } = this.options;
    const room = this.room(appKey, name);
    if (room === undefined) return this.#rooms.size < maxRooms ? undefined : 'The server has too many rooms';
    return room.size < maxRoomMembers && room.holds(login) ? undefined : 'Room is full';
  }

  /** Takes a newcomer into a room, which is made if need be; there must be no `fault`. */
  join({ appKey, name, login }: RoomPlace, occupant: Occupant): Seat {
    const room = this.room(appKey, name) ?? new Room(appKey, name);
    this.#rooms.set(keyOf(appKey, name), room);
    this.counters.count('rooms_joined');
    return room.join(login, occupant);
  }

  /** Takes a member out; the room goes with the last one. Does nothing for one that is out already. */
  leave(seat: Seat): void {
    const { room } = seat;
    room.leave(seat);
    if (room.size === 0 && this.room(room.appKey, room.name) === room)
      this.#rooms.delete(keyOf(room.appKey, room.name));
  }

  /** Keeps the seats of a lost session for as long as it can be resumed; those kept longest go when there are too many. */
  keep(authToken: string, seats: readonly Seat[], nowMs = performance.now()): void {
    const { resumeWindowMs, maxResumable } = this.#deps.options;
    for (const seat of seats) seat.empty();
    this.#release(authToken);
    this.#kept.set(authToken, { seats, untilMs: nowMs + resumeWindowMs });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= maxResumable) return;
      this.#release(oldest);
    }
  }

  /** The seats of a session that is resumed, as far as nobody else has taken them. */
  taken(authToken: string): readonly Seat[] {
    const { seats = [] } = this.#kept.get(authToken) ?? {};
    this.#kept.delete(authToken);
    return seats.filter((seat) => seat.room.seat(seat.login) === seat);
  }

  /** Lets go of the seats whose sessions can't be resumed any more. */
  expire(nowMs: number): void {
    for (const [authToken, { untilMs }] of this.#kept) {
      if (nowMs < untilMs) return;
      this.#release(authToken);
    }
  }

  /** Lets go of all seats that are kept. */
  close(): void {
    this.expire(Number.POSITIVE_INFINITY);
  }

  /** False when streams of rooms can't be recorded. */
  get records(): boolean {
    return this.#deps.recorder?.enabled === true;
  }

  /** Has all streams of a room recorded from now on, those included that are published already. */
  recordAll(room: Room): void {
    if (room.record) return;
    room.record = true;
    for (const seat of room.seats()) for (const stream of seat.streams.values()) this.recordNow(stream);
  }

  /** Records a stream of a room from its newest key frame on, unless it is recorded already; into one file (functions-5 §10.5). */
  recordNow({ mediaSessionId, streamName }: SeatStream): void {
    const { recorder, log } = this.#deps;
    if (recorder?.enabled !== true || recorder.of(mediaSessionId) !== undefined) return;
    recorder.start(mediaSessionId, { rotation: 'disabled' }).catch((error: unknown) => {
      log.warn({ stream: streamName, error: String(error) }, 'a stream of a room is not recorded');
    });
  }

  #release(authToken: string): void {
    for (const seat of this.taken(authToken)) this.leave(seat);
  }

  #describe(room: Room): RoomDescription {
    const { name, appKey, createdAtMs, record } = room;
    return { name, appKey, createdAtMs, record, members: Array.from(room.seats(), (seat) => this.#member(seat)) };
  }

  #member({ login, sessionId, joinedAtMs, occupant, streams }: Seat): RoomMember {
    const described = Array.from(streams.values(), (stream) => this.#stream(stream));
    return { login, sessionId, joinedAtMs, connected: occupant !== undefined, streams: described };
  }

  #stream({ streamName, mediaSessionId }: SeatStream): RoomStream {
    const loudness = this.#deps.streams.get(streamName)?.loudness;
    const nowMs = performance.now();
    const speaking = loudness?.speaking(nowMs) === true;
    return { streamName, mediaSessionId, loudnessDbov: loudness?.level(nowMs), speaking };
  }
}

function keyOf(appKey: string, name: string): string {
  return JSON.stringify([appKey, name]);
}
