import { describe, expect, it } from 'vitest';
import type { RoomDescription, Rooms } from '../../core/index.ts';
import { listRooms } from './room-list.ts';

function roomsOf(...all: RoomDescription[]): Rooms {
  return { size: all.length, memberCount: 0, all: () => all, get: () => undefined };
}

function room(name: string, ...logins: string[]): RoomDescription {
  const members = logins.map((login) => ({
    login,
    sessionId: `/127.0.0.1:1/127.0.0.1:8080`,
    joinedAtMs: 2.4,
    connected: true,
    streams: [{ streamName: `${name}-${login}`, mediaSessionId: login, loudnessDbov: -31.6, speaking: true }],
  }));
  return { name, appKey: 'roomApp', createdAtMs: 1.5, record: false, members };
}

describe('the list of rooms', () => {
  it('tells who is in a room, what they publish and who speaks', () => {
    const [first] = listRooms(roomsOf(room('board', 'anna')), {}).rooms;
    expect(first).toMatchObject({ name: 'board', appKey: 'roomApp', createdAtMs: 2, record: false });
    expect(first?.members).toEqual([
      {
        login: 'anna',
        sessionId: '/127.0.0.1:1/127.0.0.1:8080',
        joinedAtMs: 2,
        connected: true,
        streams: [{ name: 'board-anna', mediaSessionId: 'anna', loudness: -32, speaking: true }],
      },
    ]);
  });

  it('finds rooms by a part of their name or of a login, a page at a time', () => {
    const rooms = roomsOf(room('board', 'anna'), room('kitchen', 'Ben'), room('attic', 'anna'));
    const names = (query: object): string[] => listRooms(rooms, query).rooms.map(({ name }) => name);
    expect(names({ text: ' ben ' })).toEqual(['kitchen']);
    expect(names({ text: 'tch' })).toEqual(['kitchen']);
    expect(names({ text: 'anna', offset: 1 })).toEqual(['attic']);
    expect(listRooms(rooms, { text: 'anna', limit: 1 })).toMatchObject({ total: 3, matching: 2 });
  });
});
