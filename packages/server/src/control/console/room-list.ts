import type { RoomMemberRow, RoomRow, RoomStreamRow, RoomsBody, RoomsQuery } from '@sluice/contract';
import type { RoomDescription, RoomMember, RoomStream, Rooms } from '../../core/index.ts';

const USUAL_LIMIT = 50;

/** The answer of `GET /api/rooms`: one page of what the query asks for, the oldest first. */
export function listRooms(rooms: Rooms, { text = '', offset = 0, limit = USUAL_LIMIT }: RoomsQuery): RoomsBody {
  const wanted = text.trim().toLowerCase();
  const fitting = rooms
    .all()
    .filter(({ name, members }) =>
      [name, ...members.map(({ login }) => login)].some((value) => value.toLowerCase().includes(wanted)),
    );
  return {
    total: rooms.size,
    matching: fitting.length,
    rooms: fitting.slice(offset, offset + limit).map(roomRow),
  };
}

function roomRow({ name, appKey, createdAtMs, record, members }: RoomDescription): RoomRow {
  return { name, appKey, createdAtMs: Math.round(createdAtMs), record, members: members.map(memberRow) };
}

function memberRow({ login, sessionId, joinedAtMs, connected, streams }: RoomMember): RoomMemberRow {
  return { login, sessionId, joinedAtMs: Math.round(joinedAtMs), connected, streams: streams.map(streamRow) };
}

function streamRow({ streamName: name, mediaSessionId, loudnessDbov, speaking }: RoomStream): RoomStreamRow {
  const loudness = loudnessDbov === undefined ? {} : { loudness: Math.round(loudnessDbov) };
  return { name, mediaSessionId, ...loudness, speaking };
}
