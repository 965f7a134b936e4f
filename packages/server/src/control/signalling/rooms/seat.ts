import type { RoomPush } from '@sluice/contract';
import type { Room } from './room.ts';

/** Who sits in a room: the session of a client. */
export interface Occupant {
  readonly sessionId: string;
  /** Tells the client; does nothing when it is gone. May find that it is gone. */
  push(push: RoomPush): void;
  /** Asks the client for a sign of life; false when none comes within that time. */
  responds(withinMs: number): Promise<boolean>;
  /** Ends the client's connection, and with it all that it does in rooms. */
  displace(): void;
}

/** A stream that can be played in a room. */
export interface SeatStream {
  readonly mediaSessionId: string;
  /** The name that its publisher gave it, by which others play it. */
  readonly name: string;
  /** Its name in the hub. */
  readonly streamName: string;
}

/** The place of a member in a room. It stays while a lost session can be resumed. */
export class Seat {
  readonly room: Room;
  readonly login: string;
  readonly joinedAtMs = Date.now();
  /** Those that the other members know of, by media session id. */
  readonly streams = new Map<string, SeatStream>();
  /** The last one to sit here. */
  sessionId: string;
  /** Undefined while the connection is lost. */
  occupant: Occupant | undefined;
  /** It has been told STATE in its present connection: anything else would be about members that it does not know. */
  informed = false;
  /** Somebody else with its login waits whether it is still alive. */
  challenged = false;

  constructor(room: Room, login: string, occupant: Occupant) {
    this.room = room;
    this.login = login;
    this.occupant = occupant;
    this.sessionId = occupant.sessionId;
  }

  /** Has the session that goes on after the one before sit here. It knows nothing of the room yet. */
  take(occupant: Occupant): void {
    this.occupant = occupant;
    this.sessionId = occupant.sessionId;
    this.informed = false;
  }

  /** The connection is lost. */
  empty(): void {
    this.occupant = undefined;
    this.informed = false;
  }
}
