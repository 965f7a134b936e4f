import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { ClientOptions } from 'ws';
import type { AccessControl, Converter, StreamResolver } from '../../../core/index.ts';
import { testHub } from '../../../core/testing/hub.ts';
import { Ticker } from '../../../io/index.ts';
import { type FlvOptions, FlvServer } from '../index.ts';
import { HttpViewer, WebSocketViewer } from './viewers.ts';

/** What a test may say of the hub around the server. */
export interface Surroundings {
  /** How long streams outlive their publisher, milliseconds. */
  readonly graceMs?: number;
  /** Makes what viewers can't take into what they can; none when left out. */
  readonly converter?: Converter;
  /** Decides about viewers; everybody may play when left out. */
  readonly access?: AccessControl;
  readonly resolvers?: (hub: ReturnType<typeof testHub>) => StreamResolver[];
}

/** An FLV server with a hub of its own, mounted on a plain web server, and its viewers. */
export class FlvFixture {
  readonly hub: ReturnType<typeof testHub>;
  readonly flv: FlvServer;
  readonly #web: Server;
  readonly #sockets = new Set<Socket>();
  readonly #viewers: { close(): void }[] = [];

  private constructor(options: Partial<FlvOptions>, { graceMs = 0, converter, access, resolvers }: Surroundings) {
    const hub = testHub(graceMs, converter);
    this.hub = access === undefined ? hub : { ...hub, access };
    const deps = { ...this.hub, resolvers: resolvers?.(this.hub) ?? [], ticker: new Ticker() };
    this.flv = new FlvServer(deps, { playWaitMs: 50, trackWaitMs: 200, mediaWaitMs: 100, ...options });
    this.#web = createServer((request, response) => this.flv.request(request, response));
    this.#web.on('upgrade', (request: IncomingMessage, socket, head: Buffer) =>
      this.flv.upgrade(request, socket, head),
    );
    this.#web.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(options: Partial<FlvOptions> = {}, surroundings: Surroundings = {}): Promise<FlvFixture> {
    const fixture = new FlvFixture(options, surroundings);
    await fixture.flv.start();
    fixture.#web.listen(0, '127.0.0.1');
    await once(fixture.#web, 'listening');
    return fixture;
  }

  get port(): number {
    return (this.#web.address() as AddressInfo).port;
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** Ends everything. @throws Error when something is left */
  async close(): Promise<void> {
    for (const viewer of this.#viewers) viewer.close();
    await this.flv.close();
    const closed = once(this.#web, 'close');
    this.#web.close();
    this.#web.closeIdleConnections();
    await closed;
    await Promise.all([...this.#sockets].map((socket) => once(socket, 'close')));
    const { streams, sessions, connections, adaptations } = this.hub;
    adaptations.close();
    const viewers = [...streams.all()].reduce((sum, stream) => sum + stream.viewers + stream.readerCount, 0);
    streams.close();
    const left = [viewers, this.flv.viewerCount, sessions.size, connections.size];
    if (left.some((count) => count !== 0)) throw new Error(`left: ${left.join(', ')}`);
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  /** A viewer by HTTP, whatever the answer is. */
  async view(path: string): Promise<HttpViewer> {
    const viewer = await HttpViewer.open(this.port, path);
    this.#viewers.push(viewer);
    return viewer;
  }

  /** A viewer by WebSocket; fails when there is no upgrade. */
  async viewByWebSocket(path: string, options?: ClientOptions): Promise<WebSocketViewer> {
    const viewer = await WebSocketViewer.open(this.port, path, options);
    this.#viewers.push(viewer);
    return viewer;
  }

  /** The answer to a request that is refused. */
  async refusal(path: string, init?: RequestInit): Promise<{ status: number; body: object; headers: Headers }> {
    const response = await fetch(this.url(path), init);
    return { status: response.status, body: (await response.json()) as object, headers: response.headers };
  }
}
