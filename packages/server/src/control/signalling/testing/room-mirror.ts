import type { RoomPush } from '@sluice/contract';

interface Mirrored {
  /** Names of streams by login. */
  readonly members: Map<string, Set<string>>;
  stated: boolean;
}

/**
 * Follows rooms as the SDK's Room API does, and finds what would crash it or its applications: news of members that it does
 * not know, or before STATE.
 */
export class RoomMirror {
  readonly #offends: (offence: string) => void;
  readonly #rooms = new Map<string, Mirrored>();

  constructor(offends: (offence: string) => void) {
    this.#offends = offends;
  }

  /** The page joins: it knows nothing of the room. */
  join(roomName: string): void {
    this.#rooms.set(roomName, { members: new Map(), stated: false });
  }

  /** The room is left: the page has been told so. */
  leave(roomName: string): void {
    this.#rooms.delete(roomName);
  }

  /** The other members with their streams, as text: `bob[a,b] carl`. */
  describe(roomName: string): string {
    const members = [...(this.#rooms.get(roomName)?.members ?? [])];
    return members
      .map(([login, streams]) => login + (streams.size === 0 ? '' : `[${[...streams].sort().join()}]`))
      .sort()
      .join(' ');
  }

  take(push: RoomPush): void {
    const room = this.#rooms.get(push.roomName);
    const offends = (): void => this.#offends(`room: ${JSON.stringify(push)} for ${this.describe(push.roomName)}`);
    if (room === undefined || room.stated === (push.name === 'STATE')) return offends();
    room.stated = true;
    const { members } = room;
    switch (push.name) {
      case 'STATE':
        for (const entry of push.info) {
          if (typeof entry === 'string') members.set(entry, new Set());
          else members.set(entry.login, (members.get(entry.login) ?? new Set()).add(entry.name));
        }
        return;
      case 'JOINED':
        if (members.has(push.info)) offends();
        members.set(push.info, new Set());
        return;
      case 'LEFT':
        if (!members.delete(push.info)) offends();
        return;
      case 'PUBLISHED':
        if (members.get(push.info.login)?.has(push.info.name) !== false) offends();
        members.get(push.info.login)?.add(push.info.name);
        return;
      case 'UNPUBLISHED':
      case 'FAILED':
        if (members.get(push.info.login)?.delete(push.info.name) !== true) offends();
        return;
      case 'MESSAGE':
        if (!members.has(push.info.from)) offends();
    }
  }
}
