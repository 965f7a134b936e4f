import { afterEach, describe, expect, it, vi } from 'vitest';
import { ScriptedAccess } from '../../../core/testing/scripted-access.ts';
import type { SignallingOptions } from '../options.ts';
import type { SignallingDeps } from '../signalling-server.ts';
import { OFFER } from '../testing/memory-gateway.ts';
import { RoomGuest } from '../testing/room-guest.ts';
import { eventually, SignallingFixture } from '../testing/signalling-fixture.ts';
import { readCommand } from './commands.ts';
import { nameFault } from './names.ts';

let fixture: SignallingFixture | undefined;

vi.setConfig({ testTimeout: 30_000 });

afterEach(async () => {
  await fixture?.close();
  fixture = undefined;
});

async function start(
  options: Partial<SignallingOptions> = {},
  asked: Partial<Pick<SignallingDeps, 'access' | 'recorder'>> = {},
): Promise<SignallingFixture> {
  fixture = await SignallingFixture.start(options, 0, asked);
  return fixture;
}

describe('names of rooms and members', () => {
  it.each(['hall', 'Zürich 4', '日本', 'a'.repeat(128), '🎥', '1'])('may be %s', (name) => {
    expect(nameFault('Name', name)).toBeUndefined();
  });

  it.each([
    [undefined, 'Name is missing'],
    ['', 'Name is missing'],
    ['a'.repeat(129), 'Name is longer than 128 characters'],
    ['a\nb', 'Name has control characters'],
    ['a\u0000', 'Name has control characters'],
    ['__proto__', 'Name is not allowed'],
    ['hasOwnProperty', 'Name is not allowed'],
    ['constructor', 'Name is not allowed'],
  ])('may not be %j, which is said', (name, fault) => {
    expect(nameFault('Name', name)).toBe(fault);
  });

  it('are asked of a member before it can join', async () => {
    const server = await start();
    for (const [custom, info] of [
      [{}, 'is missing'],
      [{ login: '' }, 'is missing'],
      [{ login: { deep: 1 } }, 'is missing'],
      [{ login: '__proto__' }, 'is not allowed'],
      [undefined, 'is missing'],
    ] as const) {
      const one = await RoomGuest.connect(server, '', { custom });
      expect(await one.join('hall')).toBe(`Login (custom.login of the connection) ${info}`);
    }
    const digits = await RoomGuest.connect(server, '', { custom: { login: 7 } });
    await digits.join('hall');
    expect(server.server.rooms.all()[0]?.members).toMatchObject([{ login: '7' }]);
  });
});

describe('a command that can not be done', () => {
  it.each([
    ['join', {}, 'Name of the room is missing'],
    ['join', null, 'Name of the room is missing'],
    ['join', { name: 7 }, 'Name of the room is missing'],
    ['join', { name: '__proto__' }, 'Name of the room is not allowed'],
    ['leave', [], 'Name of the room is missing'],
    ['sendMessage', { to: 'b', text: 'x' }, 'Name of the room is missing'],
    ['sendMessage', { roomConfig: { name: 'hall' }, text: 'x' }, 'Addressee of the message is missing'],
    ['sendMessage', { roomConfig: { name: 'hall' }, to: 'b' }, 'Text of the message is missing'],
    ['sendMessage', { roomConfig: { name: 'hall' }, to: 'b', text: { a: 1 } }, 'Text of the message is missing'],
    [
      'sendMessage',
      { roomConfig: { name: 'hall' }, to: 'b', text: 'x'.repeat(16_385) },
      'Message is longer than 16384 characters',
    ],
    ['destroy', { name: 'hall' }, 'Unknown command'],
    [7, {}, 'Unknown command'],
  ])('%s %j is refused: %s', (command, options, info) => {
    expect(readCommand({ command, options })).toEqual({ command: 'faulty', info });
  });

  it('is none when it is other data', () => {
    for (const payload of [undefined, null, 7, 'join', [], {}, { hello: 1 }])
      expect(readCommand(payload)).toEqual({ command: 'none' });
  });
});

describe('a hostile client', () => {
  it('is in so many rooms at most, however many it joins, and leaves nothing behind', async () => {
    const server = await start({ maxRoomsPerClient: 5 });
    const one = await RoomGuest.connect(server, 'one');
    const answers: string[] = [];
    for (let i = 0; i < 20; i++) {
      one.client.rooms.join(`room${i}`);
      answers.push(await one.command('join', { name: `room${i}` }));
    }
    expect(answers.filter((answer) => answer === 'ACCEPTED')).toHaveLength(5);
    expect(new Set(answers.slice(5))).toEqual(new Set(['Too many rooms']));
    expect(server.server.rooms.size).toBe(5);
    one.client.drop();
    await eventually(() => expect(server.server.rooms.size).toBe(0));
  });

  it('finds rooms full, and the server', async () => {
    const server = await start({ maxRooms: 2, maxRoomMembers: 2 });
    const [ann, bob, carl] = (await Promise.all(
      ['ann', 'bob', 'carl'].map((login) => RoomGuest.connect(server, login)),
    )) as [RoomGuest, RoomGuest, RoomGuest];
    expect([await ann.join('a'), await bob.join('a'), await carl.join('a')]).toEqual([
      'ACCEPTED',
      'ACCEPTED',
      'Room is full',
    ]);
    expect([await ann.join('b'), await ann.join('c')]).toEqual(['ACCEPTED', 'The server has too many rooms']);
    expect(server.hub.counters.of('rooms_refused')).toBe(2);
    await bob.leave('a');
    expect(await carl.join('a')).toBe('ACCEPTED');
  });

  it('is refused when it comes and goes all the time, and others are not', async () => {
    const server = await start();
    const [ann, bob] = [await RoomGuest.connect(server, 'ann'), await RoomGuest.connect(server, 'bob')];
    await bob.join('hall');
    const answers: string[] = [];
    for (let i = 0; i < 200; i++) answers.push(await (i % 2 === 0 ? ann.join('hall') : ann.leave('hall')));
    expect(answers.slice(0, 50)).toEqual(Array.from({ length: 50 }, () => 'ACCEPTED'));
    expect(answers.slice(-50)).toContain('Too many requests');
    expect(await bob.say('hall', 'nobody', 'x')).toBe('There is no such member in the room');
  });

  it('can not give streams names that break the pages of others, nor fill STATE with long ones', async () => {
    const server = await start();
    const [ann, bob] = [await RoomGuest.connect(server, 'ann'), await RoomGuest.connect(server, 'bob')];
    await ann.join('hall');
    await bob.join('hall');
    for (const name of ['hasOwnProperty', '__proto__', 'x'.repeat(513)]) {
      ann.client.publish(name.slice(0, 20), name, { sdp: OFFER, custom: { name: 'hall' } });
      const { info } = await ann.client.status(name.slice(0, 20), 'FAILED');
      expect(info).toBe('Name of the stream is not allowed in a room');
    }
    await bob.told('STATE ann');
  });

  it('is dropped for a message that is too long, which its room hears of as of any end', async () => {
    const server = await start({ maxMessageBytes: 32 * 1024 });
    const [ann, bob] = [await RoomGuest.connect(server, 'ann'), await RoomGuest.connect(server, 'bob')];
    await bob.join('hall');
    await ann.join('hall');
    const options = { roomConfig: { name: 'hall' }, to: 'bob', text: 'x'.repeat(64 * 1024) };
    ann.client.send('sendData', { operationId: 'o', payload: { command: 'sendMessage', options } });
    await bob.told('STATE ', 'JOINED ann', 'LEFT ann');
  });
});

describe('a member that does not read', () => {
  it('is dropped while it is told of others, who hear that in an order that makes sense', async () => {
    const server = await start({ maxUnsentBytes: 20_000 });
    const [slow, ann] = [await RoomGuest.connect(server, 'slow'), await RoomGuest.connect(server, 'ann')];
    await slow.join('hall');
    await ann.join('hall');
    slow.client.socket.pause();
    let sent = 0;
    while (server.hub.connections.size === 2 && sent++ < 2000) await ann.say('hall', 'slow', 'x'.repeat(16_000));
    await ann.told('STATE slow', 'LEFT slow');
    expect(server.hub.counters.of('signalling_slow_clients')).toBe(1);
  });
});

describe('the back end', () => {
  it('is asked for each command, hears what became of it, and its refusal is told to the room', async () => {
    const access = new ScriptedAccess();
    const server = await start({}, { access });
    const ann = await RoomGuest.connect(server, 'ann');
    access.answer = (what, fields) =>
      what === 'OnDataEvent' && JSON.stringify(fields).includes('secret') ? { deny: 'not for you' } : undefined;
    expect(await ann.join('secret')).toBe('not for you');
    expect(await ann.join('hall')).toBe('ACCEPTED');
    expect(access.calls.slice(2).map(({ what, fields }) => [what, fields['status'] ?? fields['payload']])).toEqual([
      ['OnDataEvent', { command: 'join', options: { name: 'secret' } }],
      ['DataStatusEvent', 'FAILED'],
      ['OnDataEvent', { command: 'join', options: { name: 'hall' } }],
      ['DataStatusEvent', 'ACCEPTED'],
    ]);
    expect(server.server.rooms.all()).toMatchObject([{ name: 'hall' }]);
  });

  it('may change a command, and says by its answer to connect what the login is', async () => {
    const access = new ScriptedAccess();
    const asked: string[] = [];
    const recorder = {
      enabled: true,
      of: () => undefined,
      settled: () => undefined,
      start: async (id: string) => void asked.push(id),
    };
    const server = await start({}, { access, recorder });
    access.answer = (what, fields) => {
      if (what === 'connect') return { fields: { custom: { login: 'proven' } } };
      const payload = { command: 'join', options: { name: 'hall', record: true } };
      return what === 'OnDataEvent' && JSON.stringify(fields).includes('join') ? { fields: { payload } } : undefined;
    };
    const ann = await RoomGuest.connect(server, 'said');
    await ann.join('hall');
    expect(server.server.rooms.all()).toMatchObject([{ record: true, members: [{ login: 'proven' }] }]);
  });
});
