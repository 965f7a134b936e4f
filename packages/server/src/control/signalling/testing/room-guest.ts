import type { RoomPush } from '@sluice/contract';
import { OFFER } from './memory-gateway.ts';
import { eventually, type SignallingFixture } from './signalling-fixture.ts';
import type { WebSdkClient } from './web-sdk-client.ts';

/** A page that uses the Room API, under its login. */
export class RoomGuest {
  readonly client: WebSdkClient;
  readonly login: string;
  readonly #fixture: SignallingFixture;
  #operations = 0;

  private constructor(fixture: SignallingFixture, client: WebSdkClient, login: string) {
    this.#fixture = fixture;
    this.client = client;
    this.login = login;
  }

  static async connect(fixture: SignallingFixture, login: string, connection: object = {}): Promise<RoomGuest> {
    const client = await fixture.client({ appKey: 'roomApp', custom: { login }, ...connection });
    return new RoomGuest(fixture, client, login);
  }

  /** Joins; resolves with the answer, after STATE when it is `ACCEPTED`. */
  async join(room: string, options: object = {}): Promise<string> {
    this.client.rooms.join(room);
    const before = this.#states(room);
    const answer = await this.command('join', { name: room, ...options });
    if (answer === 'ACCEPTED') await eventually(() => this.#must(this.#states(room) > before, 'STATE'));
    return answer;
  }

  async leave(room: string): Promise<string> {
    const answer = await this.command('leave', { name: room });
    this.client.rooms.leave(room);
    return answer;
  }

  say(room: string, to: string, text: string): Promise<string> {
    return this.command('sendMessage', { roomConfig: { name: room }, to, text });
  }

  /** `ACCEPTED`, or why it failed. */
  async command(command: string, options: unknown): Promise<string> {
    const operationId = `${this.login}-${this.#operations++}`;
    this.client.send('sendData', { operationId, payload: { command, options } });
    const { data } = await this.client.next('DataStatusEvent', (body) => body['operationId'] === operationId);
    const { status, info } = data[0] as { status: string; info?: string };
    return info ?? status;
  }

  /** Publishes for a room under an id that is the name; resolves when it is `PUBLISHING`. */
  async publish(room: string, name: string, fields: object = {}): Promise<void> {
    this.client.publish(name, name, { sdp: OFFER, custom: { name: room }, ...fields });
    await eventually(() => this.#fixture.gateway.peer(name));
    this.#fixture.gateway.peer(name).activate();
    await this.client.status(name, 'PUBLISHING');
  }

  /** What it was told of rooms, in order: `JOINED bob`, `PUBLISHED bob/stream`. */
  get events(): readonly string[] {
    return this.#pushes().map(({ name, info }) => {
      if (typeof info === 'string') return `${name} ${info}`;
      if (Array.isArray(info))
        return `${name} ${info.map((one) => (typeof one === 'string' ? one : pathOf(one))).join()}`;
      return `${name} ${'text' in info ? `${info.from}: ${info.text}` : pathOf(info)}`;
    });
  }

  /** Resolves when it was told exactly that, in that order. */
  async told(...events: string[]): Promise<void> {
    await eventually(() => this.#must(JSON.stringify(this.events) === JSON.stringify(events), events.join()));
  }

  #must(holds: boolean, wanted: string): void {
    if (!holds) throw new Error(`${this.login} has ${JSON.stringify(this.events)}, not ${wanted}`);
  }

  #states(room: string): number {
    return this.#pushes().filter(({ name, roomName }) => name === 'STATE' && roomName === room).length;
  }

  #pushes(): RoomPush[] {
    return this.client.received
      .filter(({ message }) => message === 'OnDataEvent')
      .map(({ data }) => (data[0] as { payload: RoomPush }).payload);
  }
}

function pathOf({ login, name }: { readonly login: string; readonly name: string }): string {
  return `${login}/${name}`;
}
