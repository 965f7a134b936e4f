import type { RoomPush, RoomStateEntry } from '@sluice/contract';
import { breaksClients } from './names.ts';
import { type Occupant, Seat, type SeatStream } from './seat.ts';

interface Letter {
  readonly seat: Seat;
  readonly occupant: Occupant;
  readonly push: RoomPush;
}

/** Most bytes of a STATE: half of what a client may leave unread before it is dropped. */
const MAX_STATE_BYTES = 512 * 1024;
/** Of a stream's name; the SDK makes it of the names of room and member and a few characters more. */
const MAX_STREAM_NAME_LENGTH = 512;

/**
 * The members of a room, and what they are told of each other, in one order for all (websdk-signalling.md §12.2): nobody
 * hears of a member before its JOINED or its entry in STATE, of its own doings, or of anything after its LEFT.
 */
export class Room {
  readonly name: string;
  readonly appKey: string;
  readonly createdAtMs = Date.now();
  /** Its streams are recorded. */
  record = false;
  readonly #seats = new Map<string, Seat>();
  /** Telling somebody may find that somebody is gone, of which the rest is told after what is on its way. */
  readonly #letters: Letter[] = [];
  #telling = false;
  #stateBytes = 0;

  constructor(appKey: string, name: string) {
    this.appKey = appKey;
    this.name = name;
  }

  get size(): number {
    return this.#seats.size;
  }

  /** In the order in which they came. */
  seats(): IterableIterator<Seat> {
    return this.#seats.values();
  }

  seat(login: string): Seat | undefined {
    return this.#seats.get(login);
  }

  /** True when one more member of that login can be told to a newcomer. */
  holds(login: string): boolean {
    return this.#stateBytes + bytesOf(login) <= MAX_STATE_BYTES;
  }

  /** Why a stream of that name can't be told to the others; undefined when it can. */
  streamFault(login: string, name: string): string | undefined {
    if (name.length > MAX_STREAM_NAME_LENGTH || breaksClients(name))
      return 'Name of the stream is not allowed in a room';
    return this.#stateBytes + bytesOf({ login, name }) > MAX_STATE_BYTES ? 'Room has too many streams' : undefined;
  }

  /** Takes a newcomer in, whose login is not there yet; it is told STATE, the others JOINED. */
  join(login: string, occupant: Occupant): Seat {
    const seat = new Seat(this, login, occupant);
    this.#seats.set(login, seat);
    this.#stateBytes += bytesOf(login);
    this.#writeState(seat);
    this.#writeOthers(seat, { roomName: this.name, name: 'JOINED', info: login });
    this.#tell();
    return seat;
  }

  /** Tells a member STATE: also one that knew the room, but has begun anew. */
  inform(seat: Seat): void {
    this.#writeState(seat);
    this.#tell();
  }

  /** Takes a member out with its streams; the others are told UNPUBLISHED and LEFT. Does nothing the second time. */
  leave(seat: Seat): void {
    if (this.#seats.get(seat.login) !== seat) return;
    for (const stream of [...seat.streams.values()]) this.#withdraw(seat, stream, 'UNPUBLISHED');
    this.#seats.delete(seat.login);
    this.#stateBytes -= bytesOf(seat.login);
    this.#writeOthers(seat, { roomName: this.name, name: 'LEFT', info: seat.login });
    this.#tell();
  }

  /** Tells the others of a stream that can be played now; false when it can't be told (see `streamFault`). */
  publish(seat: Seat, stream: SeatStream): boolean {
    const { login } = seat;
    if (seat.streams.has(stream.mediaSessionId)) return true;
    if (this.streamFault(login, stream.name) !== undefined) return false;
    const info = { login, name: stream.name };
    seat.streams.set(stream.mediaSessionId, stream);
    this.#stateBytes += bytesOf(info);
    this.#writeOthers(seat, { roomName: this.name, name: 'PUBLISHED', info });
    this.#tell();
    return true;
  }

  /** Tells the others that a stream is over, if they know it. */
  unpublish(seat: Seat, mediaSessionId: string, how: 'UNPUBLISHED' | 'FAILED'): void {
    const stream = seat.streams.get(mediaSessionId);
    if (stream === undefined) return;
    this.#withdraw(seat, stream, how);
    this.#tell();
  }

  /** Passes words of a member on to another one. */
  message(from: Seat, to: Seat, text: string): void {
    this.#write(to, { roomName: this.name, name: 'MESSAGE', info: { from: from.login, text } });
    this.#tell();
  }

  #withdraw(seat: Seat, { mediaSessionId, name }: SeatStream, how: 'UNPUBLISHED' | 'FAILED'): void {
    const info = { login: seat.login, name };
    seat.streams.delete(mediaSessionId);
    this.#stateBytes -= bytesOf(info);
    this.#writeOthers(seat, { roomName: this.name, name: how, info });
  }

  #writeState(seat: Seat): void {
    seat.informed = true;
    const others = [...this.#seats.values()].filter((other) => other !== seat);
    this.#write(seat, { roomName: this.name, name: 'STATE', info: others.flatMap(stateOf) });
  }

  #writeOthers(about: Seat, push: RoomPush): void {
    for (const seat of this.#seats.values()) if (seat !== about) this.#write(seat, push);
  }

  #write(seat: Seat, push: RoomPush): void {
    if (seat.occupant !== undefined && seat.informed) this.#letters.push({ seat, occupant: seat.occupant, push });
  }

  #tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    try {
      // More may come while they are told.
      for (const { seat, occupant, push } of this.#letters)
        if (seat.occupant === occupant && this.#seats.get(seat.login) === seat) occupant.push(push);
    } finally {
      this.#letters.length = 0;
      this.#telling = false;
    }
  }
}

function stateOf({ login, streams }: Seat): RoomStateEntry[] {
  return streams.size === 0 ? [login] : Array.from(streams.values(), ({ name }) => ({ login, name }));
}

function bytesOf(entry: RoomStateEntry): number {
  // And a comma.
  return Buffer.byteLength(JSON.stringify(entry)) + 1;
}
