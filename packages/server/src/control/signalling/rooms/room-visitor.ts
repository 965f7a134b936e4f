import { randomUUID } from 'node:crypto';
import type { RoomPush, StreamRequest } from '@sluice/contract';
import type { ClientAccess } from '../../../core/index.ts';
import type { ClientLink } from '../client-link.ts';
import { objectOf } from '../client-message.ts';
import { TokenBucket } from '../token-bucket.ts';
import { type RoomCommand, readCommand } from './commands.ts';
import { loginOf, nameFault } from './names.ts';
import type { RoomDirectory } from './room-directory.ts';
import type { Occupant, Seat, SeatStream } from './seat.ts';

/** Answers a command: without a text it is accepted, else refused with it. */
type Answer = (refusal?: string) => void;

/** A publication of the client, as far as rooms care. */
export interface RoomPublication extends SeatStream {
  readonly request: Partial<StreamRequest>;
}

export interface RoomVisitorDeps {
  readonly directory: RoomDirectory;
  readonly link: ClientLink;
  readonly access: ClientAccess;
  /** Names the session, to sit where its lost connection sat. */
  readonly authToken: string;
}

/** A client tells each other member of a room the same: some hundred messages at once are usual. */
const COMMANDS_PER_SECOND = 100;
const COMMANDS_BURST = 1000;
/** Coming and going is told to all others, messages to one. */
const COSTS = { join: 10, leave: 10, sendMessage: 1, none: 1, faulty: 5 };

/** What one session does in rooms: its commands, and the streams that it publishes for them. */
export class RoomVisitor implements Occupant {
  readonly #directory: RoomDirectory;
  readonly #link: ClientLink;
  readonly #access: ClientAccess;
  readonly #authToken: string;
  readonly #login: string | undefined;
  readonly #commands = new TokenBucket(COMMANDS_PER_SECOND, COMMANDS_BURST);
  /** By the names of their rooms. */
  readonly #seats = new Map<string, Seat>();
  /** Rooms where it waits whether a member with its login is still alive. */
  readonly #waiting = new Set<string>();
  /** What it publishes for rooms, be it in there or not, by media session id. */
  readonly #published = new Map<string, RoomPublication>();
  #closed = false;

  constructor({ directory, link, access, authToken }: RoomVisitorDeps) {
    this.#directory = directory;
    this.#link = link;
    this.#access = access;
    this.#authToken = authToken;
    this.#login = loginOf(objectOf(access.fields['custom']));
    for (const seat of directory.taken(authToken)) {
      if (seat.login !== this.#login) directory.leave(seat);
      else {
        seat.take(this);
        this.#seats.set(seat.room.name, seat);
      }
    }
  }

  get sessionId(): string {
    return this.#link.sessionId;
  }

  /** Does what the payload of `sendData` asks; `answer` is called once, also when that takes a while. */
  receive(payload: unknown, answer: Answer): void {
    const command = readCommand(payload);
    if (!this.#commands.spend(COSTS[command.command])) return this.#refuse(answer, 'Too many requests');
    switch (command.command) {
      case 'join':
        return this.#join(command, answer);
      case 'leave':
        return this.#leave(command.room, answer);
      case 'sendMessage':
        return this.#message(command, answer);
      case 'none':
        return answer();
      case 'faulty':
        return this.#refuse(answer, command.info);
    }
  }

  push(push: RoomPush): void {
    const body = { operationId: randomUUID(), payload: push };
    this.#link.send('OnDataEvent', this.#access.forClient('OnDataEvent', body));
  }

  responds(withinMs: number): Promise<boolean> {
    return this.#link.responds(withinMs);
  }

  displace(): void {
    this.#directory.counters.count('rooms_replaced');
    this.#link.disconnect('connection is dead, and its login has come into the room anew');
  }

  /** Why a publication can't be for the room that it names; undefined when it can, and for those that name none. */
  refusal(request: Partial<StreamRequest>, name: string): string | undefined {
    const seat = this.#seatOf(request);
    return seat?.room.streamFault(seat.login, name);
  }

  /** For a publication for a room that the client is in: whether all of that are recorded. */
  tie(request: Partial<StreamRequest>): { readonly record: boolean } | undefined {
    return this.#seatOf(request)?.room;
  }

  /** A publication can be played by now. */
  published(stream: RoomPublication): void {
    const { mediaSessionId, request } = stream;
    if (roomNameOf(request) === undefined) return;
    this.#published.set(mediaSessionId, stream);
    const seat = this.#seatOf(request);
    if (seat !== undefined) this.#announce(seat, stream);
  }

  /** A publication is over. */
  unpublished({ mediaSessionId, request }: RoomPublication, how: 'UNPUBLISHED' | 'FAILED'): void {
    this.#published.delete(mediaSessionId);
    const seat = this.#seatOf(request);
    seat?.room.unpublish(seat, mediaSessionId, how);
  }

  /** The client is gone, after all of its streams. Its seats are kept when its session can be resumed. Idempotent. */
  close(resumable: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    const seats = [...this.#seats.values()];
    this.#seats.clear();
    this.#waiting.clear();
    if (resumable && seats.length > 0) this.#directory.keep(this.#authToken, seats);
    else for (const seat of seats) this.#directory.leave(seat);
  }

  #join(command: RoomCommand & { command: 'join' }, answer: Answer): void {
    const { room: name } = command;
    const fault = nameFault('Login (custom.login of the connection)', this.#login);
    if (fault !== undefined || this.#login === undefined) return this.#refuse(answer, fault ?? '');
    const own = this.#seats.get(name);
    if (own !== undefined) return this.#enter(own, command.record, answer);
    if (this.#waiting.has(name)) return this.#refuse(answer, 'The same is being asked for already');
    if (this.#seats.size + this.#waiting.size >= this.#directory.options.maxRoomsPerClient)
      return this.#refuse(answer, 'Too many rooms');
    const present = this.#directory.room(this.#link.appKey, name)?.seat(this.#login);
    if (present?.occupant === undefined) return this.#sit(command, present, answer);
    if (present.challenged) return this.#refuse(answer, taken(this.#login));
    this.#challenge(command, present, answer).catch((error: unknown) => {
      this.#link.fault(error, 'a member could not be asked for a sign of life');
    });
  }

  /**
   * A member with this login is there. Mostly that is the same person, whose page was loaded anew or whose network has
   * changed, while nobody has noticed yet that the old connection is dead: then the newcomer replaces it. One that answers
   * keeps its place.
   */
  async #challenge(command: RoomCommand & { command: 'join' }, present: Seat, answer: Answer): Promise<void> {
    const { room: name } = command;
    const { occupant, login } = present;
    this.#waiting.add(name);
    present.challenged = true;
    const alive = (await occupant?.responds(this.#directory.options.loginProbeMs)) === true;
    present.challenged = false;
    const wanted = this.#waiting.delete(name);
    if (this.#closed) return;
    if (!wanted) return this.#refuse(answer, 'Left before the room was joined');
    if (alive) return this.#refuse(answer, taken(login));
    if (present.occupant === occupant) occupant?.displace();
    const next = this.#directory.room(this.#link.appKey, name)?.seat(login);
    if (next?.occupant !== undefined) return this.#refuse(answer, taken(login));
    this.#sit(command, next, answer);
  }

  /** Takes a place in a room; `left` is that of a session with the same login whose connection is lost. */
  #sit({ room: name, record }: RoomCommand & { command: 'join' }, left: Seat | undefined, answer: Answer): void {
    const place = { appKey: this.#link.appKey, name, login: this.#login ?? '' };
    if (left !== undefined) {
      this.#directory.counters.count('rooms_replaced');
      this.#directory.leave(left);
    }
    const fault = this.#directory.fault(place);
    if (fault !== undefined) return this.#refuse(answer, fault);
    // STATE comes after the answer (§12.1), and that may find that the client is gone.
    answer();
    if (this.#closed) return;
    const seat = this.#directory.join(place, this);
    if (this.#closed) return this.#directory.leave(seat);
    this.#seats.set(name, seat);
    this.#settle(seat, record);
  }

  /** Joins a room that it is in: the page has begun anew with it, or its session was resumed. */
  #enter(seat: Seat, record: boolean, answer: Answer): void {
    answer();
    if (this.#closed) return;
    seat.room.inform(seat);
    this.#settle(seat, record);
  }

  /** The client is in the room by now: its streams are told there, and recorded if it wants that. */
  #settle(seat: Seat, record: boolean): void {
    for (const stream of [...this.#published.values()])
      if (roomNameOf(stream.request) === seat.room.name) this.#announce(seat, stream);
    if (!record) return;
    this.#directory.recordAll(seat.room);
    // The room is there all the same: said as a warning (§6.4).
    if (!this.#directory.records)
      this.#link.send('fail', { apiMethod: 'sendData', status: 'FAILED', info: 'Recording is not available' });
  }

  #leave(name: string, answer: Answer): void {
    const seat = this.#seats.get(name);
    this.#waiting.delete(name);
    this.#seats.delete(name);
    if (seat !== undefined) this.#directory.leave(seat);
    // Also where it was not: what it wants is so.
    answer();
  }

  #message({ room: name, to, text }: RoomCommand & { command: 'sendMessage' }, answer: Answer): void {
    const own = this.#seats.get(name);
    const other = own?.room.seat(to);
    if (own === undefined) return this.#refuse(answer, 'Not in this room');
    if (other === undefined) return this.#refuse(answer, 'There is no such member in the room');
    // The SDK does not know its own user as a member, and could not say whom the message is from.
    if (other === own) return this.#refuse(answer, 'Messages to oneself are not passed on');
    if (!other.informed) return this.#refuse(answer, 'Member is not connected at the moment');
    this.#directory.counters.count('rooms_messages');
    own.room.message(own, other, text);
    answer();
  }

  #announce(seat: Seat, stream: RoomPublication): void {
    if (seat.room.publish(seat, stream)) {
      if (seat.room.record) this.#directory.recordNow(stream);
    } else this.#directory.counters.count('rooms_left_out_streams');
  }

  #seatOf(request: Partial<StreamRequest>): Seat | undefined {
    const name = roomNameOf(request);
    return name === undefined ? undefined : this.#seats.get(name);
  }

  #refuse(answer: Answer, info: string): void {
    this.#directory.counters.count('rooms_refused');
    answer(info);
  }
}

/** The room that a stream is for (§12.2). */
function roomNameOf({ custom }: Partial<StreamRequest>): string | undefined {
  const { name } = objectOf(custom);
  return typeof name === 'string' ? name : undefined;
}

function taken(login: string): string {
  return `Login "${login}" is in the room already`;
}
