import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SignallingOptions } from '../options.ts';
import { RoomGuest } from '../testing/room-guest.ts';
import { eventually, SignallingFixture } from '../testing/signalling-fixture.ts';

let fixture: SignallingFixture;

vi.setConfig({ testTimeout: 30_000 });

afterEach(() => fixture.close());

async function start(options: Partial<SignallingOptions> = {}): Promise<void> {
  fixture = await SignallingFixture.start(options);
}

function guest(login: string, connection: object = {}): Promise<RoomGuest> {
  return RoomGuest.connect(fixture, login, connection);
}

/** Guests of those logins, who joined `hall` one after the other. */
async function guestsIn(...logins: string[]): Promise<RoomGuest[]> {
  const guests: RoomGuest[] = [];
  for (const login of logins) {
    const one = await guest(login);
    expect(await one.join('hall')).toBe('ACCEPTED');
    guests.push(one);
  }
  return guests;
}

function count(name: Parameters<typeof fixture.hub.counters.of>[0]): number {
  return fixture.hub.counters.of(name);
}

describe('a room', () => {
  beforeEach(() => start());

  it('is made by its first member, and gone with its last one', async () => {
    const [ann, bob] = (await guestsIn('ann', 'bob')) as [RoomGuest, RoomGuest];
    expect(fixture.server.rooms.all()).toMatchObject([{ name: 'hall', appKey: 'roomApp', record: false }]);
    expect(fixture.server.rooms.memberCount).toBe(2);
    await ann.leave('hall');
    expect(fixture.server.rooms.get('roomApp', 'hall')?.members.map(({ login }) => login)).toEqual(['bob']);
    await bob.leave('hall');
    expect(fixture.server.rooms.size).toBe(0);
  });

  it('tells a newcomer who is there, with their streams, and the others of the newcomer', async () => {
    const [ann, bob] = (await guestsIn('ann', 'bob')) as [RoomGuest, RoomGuest];
    await ann.publish('hall', 'ann-cam');
    await ann.publish('hall', 'ann-screen');
    const carl = await guest('carl');
    await carl.join('hall');
    await ann.told('STATE ', 'JOINED bob', 'JOINED carl');
    await bob.told('STATE ann', 'PUBLISHED ann/ann-cam', 'PUBLISHED ann/ann-screen', 'JOINED carl');
    await carl.told('STATE ann/ann-cam,ann/ann-screen,bob');
  });

  it('answers a join before it tells STATE, and empty ones too', async () => {
    const ann = await guest('ann');
    await ann.join('hall');
    const messages = ann.client.received.map(({ message }) => message).filter((message) => message !== 'ping');
    expect(messages).toEqual(['getUserData', 'DataStatusEvent', 'OnDataEvent']);
    expect(ann.client.received.at(-1)?.data).toEqual([
      { operationId: expect.any(String), payload: { roomName: 'hall', name: 'STATE', info: [] } },
    ]);
  });

  it('has nothing to do with rooms of other names, or of other applications', async () => {
    await fixture.close();
    await start({ roomApps: ['roomApp', 'meetApp'] });
    const [ann] = await guestsIn('ann');
    const bob = await guest('bob');
    await bob.join('Hall');
    const carl = await guest('carl', { appKey: 'meetApp' });
    await carl.join('hall');
    await bob.publish('Hall', 'b');
    expect(fixture.server.rooms.size).toBe(3);
    await ann?.told('STATE ');
    await carl.told('STATE ');
    const dan = await guest('dan', { appKey: 'other' });
    expect(await dan.command('join', { name: 'hall' })).toBe('ACCEPTED');
    expect(fixture.server.rooms.memberCount).toBe(3);
  });

  it('tells the others when a stream can be played and when it is over, and not its publisher', async () => {
    const [ann, bob] = (await guestsIn('ann', 'bob')) as [RoomGuest, RoomGuest];
    const custom = { name: 'hall' };
    ann.client.publish('p', 'cam', { sdp: 'v=0\r\nm=audio 9 X 111\r\na=rtpmap:111 opus/48000/2\r\n', custom });
    await ann.client.next('setRemoteSDP');
    const late = await guest('late');
    await late.join('hall');
    fixture.gateway.peer('p').activate();
    await bob.told('STATE ann', 'JOINED late', 'PUBLISHED ann/cam');
    await late.told('STATE ann,bob', 'PUBLISHED ann/cam');
    ann.client.send('unPublishStream', { mediaSessionId: 'p', name: 'cam' });
    await bob.told('STATE ann', 'JOINED late', 'PUBLISHED ann/cam', 'UNPUBLISHED ann/cam');
    await ann.publish('hall', 'again');
    fixture.gateway.peer('again').end('rtp_activity');
    await late.told(
      'STATE ann,bob',
      'PUBLISHED ann/cam',
      'UNPUBLISHED ann/cam',
      'PUBLISHED ann/again',
      'FAILED ann/again',
    );
    await ann.told('STATE ', 'JOINED bob', 'JOINED late');
  });

  it('does not hear of streams that never began, or that are for no room or another one', async () => {
    const [ann, bob] = (await guestsIn('ann', 'bob')) as [RoomGuest, RoomGuest];
    await ann.publish('', 'alone', { custom: {} });
    await ann.publish('elsewhere', 'other');
    ann.client.publish('p', 'never', { sdp: '', custom: { name: 'hall' } });
    await ann.client.status('p', 'FAILED');
    await ann.leave('hall');
    await bob.told('STATE ann', 'LEFT ann');
  });

  it('tells of streams that a newcomer published for it before it came', async () => {
    const [ann] = (await guestsIn('ann')) as [RoomGuest];
    const bob = await guest('bob');
    await bob.publish('hall', 'early');
    await bob.join('hall');
    await ann.told('STATE ', 'JOINED bob', 'PUBLISHED bob/early');
  });

  it('passes messages on to the member that they are for', async () => {
    const [ann, bob, carl] = (await guestsIn('ann', 'bob', 'carl')) as [RoomGuest, RoomGuest, RoomGuest];
    expect(await ann.say('hall', 'bob', 'hello "bob" \u2028')).toBe('ACCEPTED');
    await bob.told('STATE ann', 'JOINED carl', 'MESSAGE ann: hello "bob" \u2028');
    expect(await ann.say('hall', 'nobody', 'x')).toBe('There is no such member in the room');
    expect(await ann.say('hall', 'ann', 'x')).toBe('Messages to oneself are not passed on');
    expect(await ann.say('other', 'bob', 'x')).toBe('Not in this room');
    await carl.told('STATE ann,bob');
    expect(count('rooms_messages')).toBe(1);
  });

  it('tells the others that the streams of who leaves are over, then that it has left', async () => {
    const [ann, bob] = (await guestsIn('ann', 'bob')) as [RoomGuest, RoomGuest];
    await ann.publish('hall', 'a1');
    await ann.publish('hall', 'a2');
    expect(await ann.leave('hall')).toBe('ACCEPTED');
    await bob.told(
      'STATE ann',
      'PUBLISHED ann/a1',
      'PUBLISHED ann/a2',
      'UNPUBLISHED ann/a1',
      'UNPUBLISHED ann/a2',
      'LEFT ann',
    );
    // As the SDK does next.
    ann.client.send('unPublishStream', { mediaSessionId: 'a1', name: 'a1' });
    await ann.client.status('a1', 'UNPUBLISHED');
    expect(bob.events).toHaveLength(6);
  });

  it('tells the same when a page is killed', async () => {
    const [ann, bob] = (await guestsIn('ann', 'bob')) as [RoomGuest, RoomGuest];
    await ann.publish('hall', 'a1');
    ann.client.drop();
    await bob.told('STATE ann', 'PUBLISHED ann/a1', 'UNPUBLISHED ann/a1', 'LEFT ann');
  });

  it('may be joined again by a page that is in it: it is told STATE anew, and the others nothing', async () => {
    const [ann, bob] = (await guestsIn('ann', 'bob')) as [RoomGuest, RoomGuest];
    await bob.publish('hall', 'b');
    await ann.told('STATE ', 'JOINED bob', 'PUBLISHED bob/b');
    expect(await ann.join('hall')).toBe('ACCEPTED');
    await ann.told('STATE ', 'JOINED bob', 'PUBLISHED bob/b', 'STATE bob/b');
    await bob.told('STATE ann');
  });

  it('may be left by who is not in it, and left twice', async () => {
    const ann = await guest('ann');
    expect(await ann.leave('hall')).toBe('ACCEPTED');
    await ann.join('hall');
    expect([await ann.leave('hall'), await ann.leave('hall')]).toEqual(['ACCEPTED', 'ACCEPTED']);
    expect(fixture.server.rooms.size).toBe(0);
  });

  it('is told to the control side with who speaks', async () => {
    const [ann] = (await guestsIn('ann', 'bob')) as [RoomGuest];
    await ann.publish('hall', 'a1');
    const members = () => fixture.server.rooms.get('roomApp', 'hall')?.members;
    expect(members()).toMatchObject([
      {
        login: 'ann',
        connected: true,
        sessionId: expect.stringMatching(/^\//),
        streams: [{ streamName: 'a1', mediaSessionId: 'a1', loudnessDbov: undefined, speaking: false }],
      },
      { login: 'bob', streams: [] },
    ]);
    for (let i = 0; i < 20; i++) fixture.hub.streams.get('a1')?.loudness.tell(-20, performance.now());
    expect(members()?.[0]?.streams).toMatchObject([{ speaking: true, loudnessDbov: expect.closeTo(-20, 0) }]);
  });
});

describe('a login that is in the room already', () => {
  beforeEach(() => start({ loginProbeMs: 100 }));

  it('is refused while its owner answers, who stays', async () => {
    const [ann, bob] = (await guestsIn('ann', 'bob')) as [RoomGuest, RoomGuest];
    const other = await guest('ann');
    expect(await other.join('hall')).toBe('Login "ann" is in the room already');
    await bob.told('STATE ann');
    await ann.publish('hall', 'a');
    await bob.told('STATE ann', 'PUBLISHED ann/a');
    expect(ann.client.closed).toBeUndefined();
    expect(count('rooms_refused')).toBe(1);
  });

  it('is given to a newcomer when its owner is dead, though nobody had noticed', async () => {
    const [ann, bob] = (await guestsIn('ann', 'bob')) as [RoomGuest, RoomGuest];
    await ann.publish('hall', 'a1');
    ann.client.answersPings = false;
    const again = await guest('ann');
    expect(await again.join('hall')).toBe('ACCEPTED');
    await bob.told('STATE ann', 'PUBLISHED ann/a1', 'UNPUBLISHED ann/a1', 'LEFT ann', 'JOINED ann');
    await again.told('STATE bob');
    await ann.client.gone();
    expect(count('rooms_replaced')).toBe(1);
  });

  it('is given to a newcomer at once when the connection of its owner closes meanwhile', async () => {
    await fixture.close();
    await start({ loginProbeMs: 20_000 });
    const [ann] = (await guestsIn('ann')) as [RoomGuest];
    ann.client.answersPings = false;
    const again = await guest('ann');
    const joined = again.join('hall');
    await ann.client.next('ping');
    ann.client.drop();
    expect(await joined).toBe('ACCEPTED');
  });

  it('is given to one newcomer only, and to none that has left again', async () => {
    const [ann] = (await guestsIn('ann')) as [RoomGuest];
    ann.client.answersPings = false;
    const [first, second] = [await guest('ann'), await guest('ann')];
    const joined = first.join('hall');
    await ann.client.next('ping');
    expect(await second.join('hall')).toBe('Login "ann" is in the room already');
    expect(await first.command('join', { name: 'hall' })).toBe('The same is being asked for already');
    await first.leave('hall');
    expect(await joined).toBe('Left before the room was joined');
    expect(fixture.server.rooms.get('roomApp', 'hall')?.members).toHaveLength(1);
    expect(ann.client.closed).toBeUndefined();
  });

  it('is not waited for any more when the newcomer goes away', async () => {
    const [ann] = (await guestsIn('ann')) as [RoomGuest];
    ann.client.answersPings = false;
    const first = await guest('ann');
    first.client.send('sendData', { operationId: 'o', payload: { command: 'join', options: { name: 'hall' } } });
    await ann.client.next('ping');
    first.client.drop();
    await eventually(() => expect(fixture.hub.connections.size).toBe(1));
    const again = await guest('ann');
    await eventually(async () => expect(await again.join('hall')).toBe('ACCEPTED'));
  });
});

describe('a session that can be resumed', () => {
  async function resumable(login: string): Promise<{ one: RoomGuest; authToken: string }> {
    const one = await guest(login, { keepAlive: true });
    const [userData] = (await one.client.next('getUserData')).data;
    return { one, authToken: (userData as { authToken: string }).authToken };
  }

  it('keeps its place while its connection is lost, without its streams', async () => {
    await start();
    const { one: ann, authToken } = await resumable('ann');
    await ann.join('hall');
    await ann.publish('hall', 'a1');
    const [bob] = (await guestsIn('bob')) as [RoomGuest];
    ann.client.drop();
    await bob.told('STATE ann/a1', 'UNPUBLISHED ann/a1');
    await eventually(() =>
      expect(fixture.server.rooms.get('roomApp', 'hall')?.members[0]).toMatchObject({ login: 'ann', connected: false }),
    );
    expect(await bob.say('hall', 'ann', 'x')).toBe('Member is not connected at the moment');
    const back = await guest('ann', { keepAlive: true, authToken });
    await bob.publish('hall', 'b1');
    expect(await back.join('hall')).toBe('ACCEPTED');
    await back.told('STATE bob/b1');
    await back.publish('hall', 'a2');
    await bob.told('STATE ann/a1', 'UNPUBLISHED ann/a1', 'PUBLISHED ann/a2');
    expect(await bob.say('hall', 'ann', 'x')).toBe('ACCEPTED');
    back.client.drop();
  });

  it('takes its place over from a connection that nobody knows to be dead yet', async () => {
    await start();
    const { one: ann, authToken } = await resumable('ann');
    await ann.join('hall');
    const [bob] = (await guestsIn('bob')) as [RoomGuest];
    ann.client.answersPings = false;
    const back = await guest('ann', { authToken });
    await ann.client.gone();
    expect(await back.join('hall')).toBe('ACCEPTED');
    await back.told('STATE bob');
    await bob.told('STATE ann');
    await back.leave('hall');
    await bob.told('STATE ann', 'LEFT ann');
  });

  it('loses its place when it does not come back in time', async () => {
    await start({ resumeWindowMs: 100 });
    const { one: ann } = await resumable('ann');
    await ann.join('hall');
    const [bob] = (await guestsIn('bob')) as [RoomGuest];
    ann.client.drop();
    await bob.told('STATE ann', 'LEFT ann');
  });

  it('loses its place to who comes with its login, or when it comes back with another one', async () => {
    await start();
    const { one: ann } = await resumable('ann');
    await ann.join('hall');
    const { one: carl, authToken } = await resumable('carl');
    await carl.join('hall');
    const [bob] = (await guestsIn('bob')) as [RoomGuest];
    ann.client.drop();
    await eventually(() => expect(fixture.server.rooms.all()[0]?.members[0]?.connected).toBe(false));
    const other = await guest('ann');
    expect(await other.join('hall')).toBe('ACCEPTED');
    carl.client.drop();
    await guest('karl', { authToken });
    await bob.told('STATE ann,carl', 'LEFT ann', 'JOINED ann', 'LEFT carl');
  });

  it('is not kept in rooms by more tokens than may be resumed', async () => {
    await start({ maxResumable: 2 });
    const [bob] = (await guestsIn('bob')) as [RoomGuest];
    for (const login of ['a', 'c', 'd']) {
      const { one } = await resumable(login);
      await one.join('hall');
      one.client.drop();
      await eventually(() => expect(fixture.server.rooms.all()[0]?.members.at(-1)?.connected).toBe(false));
    }
    await bob.told('STATE ', 'JOINED a', 'JOINED c', 'JOINED d', 'LEFT a');
  });
});
