import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually, SignallingFixture } from '../testing/signalling-fixture.ts';
import type { ServerMessage, WebSdkClient } from '../testing/web-sdk-client.ts';

/** As much as the tests use of what the Room API gives to applications. */
interface SdkRoom {
  name(): string;
  leave(): Promise<SdkRoom>;
  getParticipants(): SdkParticipant[];
  on(event: string, listener: (...args: never[]) => void): SdkRoom;
}
interface SdkParticipant {
  name(): string;
  getStreams(): { streamName(): string }[];
  sendMessage(text: string, failed?: () => void): void;
}
interface RoomApi {
  connect(options: object): { join(options: object): SdkRoom };
}

const FILE = createRequire(import.meta.url).resolve('@flashphoner/websdk/src/room-module.js');

let fixture: SignallingFixture;

afterEach(() => fixture.close());

/** The SDK's sessions, over a client of the fixture; everything else that the module asks for is the SDK's own. */
function roomApi(client: WebSdkClient): RoomApi {
  const listeners = new Map<string, (data: unknown) => void>();
  const waiting = new Map<string, (status: { status: string; operationId?: string }) => void>();
  const session = {
    on: (event: string, listener: (data: unknown) => void) => {
      listeners.set(event, listener);
      return session;
    },
    getStreams: () => [],
    status: () => 'ESTABLISHED',
    sendData: (payload: { command: string; options: { name: string } }) =>
      new Promise((resolve, reject) => {
        const operationId = `o${waiting.size}`;
        waiting.set(operationId, ({ operationId: _id, ...left }) =>
          (left.status === 'ACCEPTED' ? resolve : reject)(left),
        );
        if (payload.command === 'join') client.rooms.join(payload.options.name);
        client.send('sendData', { operationId, payload });
      }),
  };
  client.socket.on('message', (text: Buffer) => {
    const { message, data } = JSON.parse(text.toString()) as ServerMessage;
    if (message === 'OnDataEvent') listeners.get('APP_DATA')?.(data[0]);
    const answer = data[0] as { status: string; operationId: string };
    if (message === 'DataStatusEvent') waiting.get(answer.operationId)?.(answer);
  });
  const load = createRequire(FILE);
  const module = { exports: {} };
  const need = (name: string): unknown =>
    name === './flashphoner-core' ? { createSession: () => session } : load(name);
  // oxlint-disable-next-line no-implied-eval -- the SDK's own file, as it comes from npm.
  new Function('require', 'module', 'exports', readFileSync(FILE, 'utf8'))(need, module, module.exports);
  return module.exports as RoomApi;
}

interface Visit {
  readonly room: SdkRoom;
  readonly events: string[];
  readonly client: WebSdkClient;
}

/** Joins with the SDK's module, and notes what the application is called with. */
async function visit(login: string, options: object = {}): Promise<Visit> {
  const client = await fixture.client({ appKey: 'roomApp', custom: { login } });
  const room = roomApi(client)
    .connect({ urlServer: '', username: login })
    .join({ name: 'hall', ...options });
  const events: string[] = [];
  const streamsOf = (one: SdkParticipant) => one.getStreams().map((stream) => stream.streamName());
  room.on('STATE', (state: SdkRoom) =>
    events.push(
      `STATE ${state
        .getParticipants()
        .map((one) => `${one.name()}:${streamsOf(one).join()}`)
        .join(' ')}`,
    ),
  );
  for (const event of ['JOINED', 'LEFT', 'PUBLISHED'])
    room.on(event, (one: SdkParticipant) => events.push(`${event} ${one.name()}:${streamsOf(one).join()}`));
  room.on('MESSAGE', ({ from, text }: { from: SdkParticipant; text: string }) =>
    events.push(`MESSAGE ${from.name()} ${text}`),
  );
  room.on('FAILED', (_room: SdkRoom, info: string) => events.push(`FAILED ${info}`));
  return { room, events, client };
}

async function publish({ client }: Visit, name: string): Promise<void> {
  client.publish(name, name, { sdp: 'v=0\r\nm=audio 9 X 1\r\na=rtpmap:1 opus/48000\r\n', custom: { name: 'hall' } });
  await client.next('setRemoteSDP', () => fixture.gateway.peers.has(name));
  fixture.gateway.peer(name).activate();
  await client.status(name, 'PUBLISHING');
}

describe('the Room API of the Web SDK, unmodified', () => {
  it('has its application called for each thing that happens, with members that it knows', async () => {
    fixture = await SignallingFixture.start();
    const ann = await visit('ann');
    await eventually(() => expect(ann.events).toEqual(['STATE ']));
    await publish(ann, 'hall-ann-1');
    await publish(ann, 'hall-ann-2');
    const bob = await visit('bob');
    await eventually(() => expect(bob.events).toEqual(['STATE ann:hall-ann-1,hall-ann-2']));
    const carl = await visit('carl');
    await eventually(() => expect(carl.events).toEqual(['STATE ann:hall-ann-1,hall-ann-2 bob:']));
    await publish(carl, 'hall-carl');
    carl.room
      .getParticipants()
      .find((one) => one.name() === 'bob')
      ?.sendMessage('hello');
    await eventually(() =>
      expect(bob.events.slice(1)).toEqual(['JOINED carl:', 'PUBLISHED carl:hall-carl', 'MESSAGE carl hello']),
    );
    ann.client.send('unPublishStream', { mediaSessionId: 'hall-ann-1', name: 'hall-ann-1' });
    await ann.client.status('hall-ann-1', 'UNPUBLISHED');
    await carl.room.leave();
    carl.client.rooms.leave('hall');
    await eventually(() => expect(bob.events.at(-1)).toBe('LEFT carl:'));
    const left = bob.room.getParticipants().map((one) => [one.name(), one.getStreams().length]);
    expect(left).toEqual([['ann', 1]]);
    ann.client.drop();
    await eventually(() => expect(bob.events.at(-1)).toBe('LEFT ann:'));
    expect(bob.room.getParticipants()).toEqual([]);
  });

  it('has its application told why it can not join, and that a message did not arrive', async () => {
    fixture = await SignallingFixture.start();
    const ann = await visit('ann');
    const other = await visit('ann');
    await eventually(() => expect(other.events).toEqual(['FAILED Login "ann" is in the room already']));
    const bob = await visit('bob');
    await eventually(() => expect(bob.events).toEqual(['STATE ann:']));
    const [member] = bob.room.getParticipants();
    ann.client.drop();
    await eventually(() => expect(bob.events.at(-1)).toBe('LEFT ann:'));
    await new Promise<void>((resolve) => member?.sendMessage('anybody there?', resolve));
  });
});
