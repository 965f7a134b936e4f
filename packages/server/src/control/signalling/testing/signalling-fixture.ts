import { expect, vi } from 'vitest';
import { testHub } from '../../../core/testing/hub.ts';
import { Ticker } from '../../../io/index.ts';
import type { SignallingOptions } from '../options.ts';
import { type SignallingDeps, SignallingServer } from '../signalling-server.ts';
import { MemoryGateway } from './memory-gateway.ts';
import { WebSdkClient } from './web-sdk-client.ts';

const PATIENCE_MS = 10_000;

/** Resolves when `check` no longer throws; patient, for machines that do much else. */
export function eventually(check: () => unknown): Promise<unknown> {
  return vi.waitFor(check, { timeout: PATIENCE_MS, interval: 2 });
}

/** A signalling server over a hub of its own, with clients. */
export class SignallingFixture {
  readonly hub: ReturnType<typeof testHub>;
  readonly gateway: MemoryGateway;
  readonly server: SignallingServer;
  readonly #clients: WebSdkClient[] = [];

  private constructor(
    options: Partial<SignallingOptions>,
    graceMs: number,
    asked: Partial<
      Pick<SignallingDeps, 'access' | 'allowsOrigin' | 'mediaSockets' | 'recorder' | 'relays' | 'snapshots'>
    >,
  ) {
    this.hub = testHub(graceMs);
    this.gateway = new MemoryGateway(this.hub);
    const deps = { ...this.hub, ticker: new Ticker(5), peers: this.gateway, ...asked };
    this.server = new SignallingServer(deps, { listen: [{ host: '127.0.0.1', port: 0 }], ...options });
  }

  static async start(
    options: Partial<SignallingOptions> = {},
    graceMs = 0,
    asked: Partial<
      Pick<SignallingDeps, 'access' | 'allowsOrigin' | 'mediaSockets' | 'recorder' | 'relays' | 'snapshots'>
    > = {},
  ): Promise<SignallingFixture> {
    const fixture = new SignallingFixture(options, graceMs, asked);
    await fixture.server.start();
    return fixture;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.server.port}`;
  }

  /** An established client. */
  async client(connection: object = {}): Promise<WebSdkClient> {
    return (await this.establish(connection)).client;
  }

  /** An established client and what it was told about its session. */
  async establish(connection: object = {}): Promise<{ client: WebSdkClient; userData: Record<string, unknown> }> {
    const established = await WebSdkClient.establish(this.url, connection);
    this.#clients.push(established.client);
    return established;
  }

  /** A client that has opened its socket and said nothing. */
  async silentClient(path = ''): Promise<WebSdkClient> {
    const client = await WebSdkClient.open(this.url + path);
    this.#clients.push(client);
    return client;
  }

  /** A client that publishes a stream, whose id is the stream's name with `-pub`. */
  async publisher(name: string, offer: string): Promise<WebSdkClient> {
    const client = await this.client();
    client.publish(`${name}-pub`, name, { sdp: offer });
    await client.next('setRemoteSDP');
    this.gateway.peer(`${name}-pub`).activate();
    await client.status(`${name}-pub`, 'PUBLISHING');
    return client;
  }

  /** A client that plays a stream under the given id. */
  async player(mediaSessionId: string, name: string, offer: string, fields: object = {}): Promise<WebSdkClient> {
    const client = await this.client();
    client.play(mediaSessionId, name, { sdp: offer, ...fields });
    await client.next('setRemoteSDP');
    this.gateway.peer(mediaSessionId).activate();
    await client.status(mediaSessionId, 'PLAYING');
    return client;
  }

  /** Ends everything and expects that nothing is left, and that nothing was sent that harms the Web SDK. */
  async close(): Promise<void> {
    for (const client of this.#clients) client.drop();
    await this.server.close();
    this.hub.streams.close();
    expect(this.#clients.flatMap((client) => client.offences)).toEqual([]);
    expect(this.hub.log.lines.filter((line) => line.level === 'error')).toEqual([]);
    expect({
      connections: this.hub.connections.size,
      sessions: this.hub.sessions.size,
      streams: this.hub.streams.size,
      peers: this.gateway.peers.size,
      resumable: this.server.resumable,
      rooms: this.server.rooms.size,
    }).toEqual({ connections: 0, sessions: 0, streams: 0, peers: 0, resumable: 0, rooms: 0 });
  }
}
