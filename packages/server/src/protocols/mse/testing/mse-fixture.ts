import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type ClientOptions, WebSocket } from 'ws';
import type { AccessControl, Converter, StreamResolver } from '../../../core/index.ts';
import { testHub } from '../../../core/testing/hub.ts';
import { Ticker } from '../../../io/index.ts';
import { type MseOptions, MseServer } from '../index.ts';
import type { MseDeps } from '../server.ts';

/** What a test may say of the hub around the server. */
export interface Surroundings {
  readonly converter?: Converter;
  readonly access?: AccessControl;
  readonly resolvers?: (hub: ReturnType<typeof testHub>) => StreamResolver[];
  readonly renditions?: MseDeps['renditions'];
}

/** A box of MP4 at the top level. */
export interface Box {
  readonly type: string;
  readonly bytes: Buffer;
}

/** The boxes of a message. @throws Error when they do not fill it */
export function boxesOf(bytes: Buffer): Box[] {
  const boxes: Box[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = bytes.readUInt32BE(at);
    if (size < 8 || at + size > bytes.length) throw new Error(`box of ${size} bytes at ${at}`);
    boxes.push({ type: bytes.toString('latin1', at + 4, at + 8), bytes: bytes.subarray(at, at + size) });
    at += size;
  }
  return boxes;
}

/** A viewer by WebSocket with all that came. */
export class MseViewer {
  readonly webSocket: WebSocket;
  readonly texts: Record<string, unknown>[] = [];
  readonly messages: Buffer[] = [];
  /** `text`, `ftyp` or `moof`, in the order in which they came. */
  readonly order: string[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;

  private constructor(webSocket: WebSocket) {
    this.webSocket = webSocket;
    webSocket.on('error', () => {});
    webSocket.on('message', (bytes: Buffer, isBinary) => {
      if (isBinary) {
        this.messages.push(bytes);
        this.order.push(boxesOf(bytes)[0]?.type ?? '');
      } else {
        const text = JSON.parse(bytes.toString()) as Record<string, unknown>;
        this.texts.push(text);
        if (text['type'] !== 'clock') this.order.push(String(text['type']));
      }
    });
    this.closed = new Promise((resolve) => {
      webSocket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
  }

  static async open(port: number, path: string, options: ClientOptions = {}): Promise<MseViewer> {
    const viewer = new MseViewer(new WebSocket(`ws://127.0.0.1:${port}${path}`, options));
    await new Promise<void>((resolve, reject) => {
      viewer.webSocket.once('open', resolve);
      viewer.webSocket.once('error', reject);
    });
    return viewer;
  }

  /** Everything as one file, from the newest init segment on. */
  get file(): Buffer {
    const init = this.messages.findLastIndex((message) => boxesOf(message)[0]?.type === 'ftyp');
    return Buffer.concat(this.messages.slice(init));
  }
}

/** An MSE server with a hub of its own, mounted on a plain web server, and its viewers. */
export class MseFixture {
  readonly hub: ReturnType<typeof testHub>;
  readonly mse: MseServer;
  readonly #web: Server;
  readonly #sockets = new Set<Socket>();
  readonly #viewers: MseViewer[] = [];

  private constructor(options: Partial<MseOptions>, { converter, access, resolvers, renditions }: Surroundings) {
    const hub = testHub(0, converter);
    this.hub = access === undefined ? hub : { ...hub, access };
    const deps = { ...this.hub, resolvers: resolvers?.(this.hub) ?? [], ticker: new Ticker(5), renditions };
    this.mse = new MseServer(deps, { playWaitMs: 50, trackWaitMs: 200, mediaWaitMs: 100, ...options });
    this.#web = createServer((request, response) => this.mse.request(request, response));
    this.#web.on('upgrade', (request: IncomingMessage, socket, head: Buffer) =>
      this.mse.upgrade(request, socket, head),
    );
    this.#web.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(options: Partial<MseOptions> = {}, surroundings: Surroundings = {}): Promise<MseFixture> {
    const fixture = new MseFixture(options, surroundings);
    await fixture.mse.start();
    fixture.#web.listen(0, '127.0.0.1');
    await once(fixture.#web, 'listening');
    return fixture;
  }

  get port(): number {
    return (this.#web.address() as AddressInfo).port;
  }

  async view(path: string, options?: ClientOptions): Promise<MseViewer> {
    const viewer = await MseViewer.open(this.port, path, options);
    this.#viewers.push(viewer);
    return viewer;
  }

  /** Ends everything. @throws Error when something is left */
  async close(): Promise<void> {
    for (const viewer of this.#viewers) viewer.webSocket.terminate();
    await this.mse.close();
    const closed = once(this.#web, 'close');
    this.#web.close();
    this.#web.closeIdleConnections();
    await closed;
    await Promise.all([...this.#sockets].map((socket) => once(socket, 'close')));
    const { streams, sessions, connections, adaptations } = this.hub;
    adaptations.close();
    const viewers = [...streams.all()].reduce((sum, stream) => sum + stream.viewers + stream.readerCount, 0);
    streams.close();
    const left = [viewers, this.mse.viewerCount, sessions.size, connections.size];
    if (left.some((count) => count !== 0)) throw new Error(`left: ${left.join(', ')}`);
  }
}
