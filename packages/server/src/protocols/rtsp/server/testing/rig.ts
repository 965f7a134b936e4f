import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { MediaPacket, Track } from '@sluice/media';
import { expect } from 'vitest';
import type { AccessControl, Converter, Publisher, Stream, StreamResolver } from '../../../../core/index.ts';
import { testHub } from '../../../../core/testing/hub.ts';
import { Ticker } from '../../../../io/index.ts';
import type { RtspServerOptions } from '../options.ts';
import { RtspServer } from '../server.ts';
import { TestClient } from './client.ts';

/** An RTSP server on free ports with a hub of its own, and the clients that a test connects to it. */
export class RtspRig {
  readonly hub: ReturnType<typeof testHub>;
  readonly server: RtspServer;
  readonly #clients: TestClient[] = [];
  readonly #programs: ChildProcess[] = [];

  private constructor(hub: RtspRig['hub'], options: Partial<RtspServerOptions>, resolvers: readonly StreamResolver[]) {
    this.hub = hub;
    this.server = new RtspServer(
      { ...hub, resolvers, ticker: new Ticker() },
      {
        listen: [{ host: '127.0.0.1', port: 0 }],
        udp: { host: '127.0.0.1', port: 0 },
        playWaitMs: 50,
        trackWaitMs: 200,
        ...options,
      },
    );
  }

  static async start(
    options: Partial<RtspServerOptions> = {},
    around: {
      readonly access?: AccessControl;
      readonly converter?: Converter;
      readonly resolvers?: readonly StreamResolver[];
    } = {},
  ): Promise<RtspRig> {
    const hub = testHub(0, around.converter);
    const rig = new RtspRig({ ...hub, access: around.access ?? hub.access }, options, around.resolvers ?? []);
    await rig.server.start();
    return rig;
  }

  url(path: string): string {
    return `rtsp://127.0.0.1:${this.server.port}/${path}`;
  }

  /** A stream that the test publishes to. */
  publish(name: string, tracks: readonly Track[] = []): Stream {
    const publisher: Publisher = { sessionId: 'test', tracksComplete: true, close: () => {} };
    const stream = this.hub.streams.publish(name, publisher);
    for (const track of tracks) stream.setTrack(track);
    return stream;
  }

  async client(): Promise<TestClient> {
    const client = await TestClient.connect(this.server.port);
    this.#clients.push(client);
    return client;
  }

  /** Starts a program; it is ended with the rig. */
  run(program: string, ...options: readonly string[]): Run {
    const child = spawn(program, options, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#programs.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (output += bytes));
    const ended = once(child, 'close').then(([code]: unknown[]) => Number(code));
    return { child, ended, output: () => output };
  }

  /** Ends everything and checks that nothing is left. */
  async close(): Promise<void> {
    for (const child of this.#programs) child.kill('SIGKILL');
    for (const client of this.#clients) client.close();
    await this.server.close();
    this.hub.adaptations.close();
    const viewers = [...this.hub.streams.all()].reduce((sum, { viewers: v, readerCount }) => sum + v + readerCount, 0);
    this.hub.streams.close();
    expect([viewers, this.server.connectionCount, this.hub.sessions.size, this.hub.connections.size]).toEqual([
      0, 0, 0, 0,
    ]);
  }
}

/** A program that runs. */
export interface Run {
  readonly child: ChildProcess;
  /** Its exit code. */
  readonly ended: Promise<number>;
  /** What it has written so far. */
  output(): string;
}

/** Publishes packets as fast as they can be written, giving the loop a turn now and then. */
export async function feed(stream: Stream, packets: readonly MediaPacket[], pauseEveryMs = 0): Promise<void> {
  let count = 0;
  for (const packet of packets) {
    stream.publish(packet);
    count += 1;
    if (count % 5 !== 0) continue;
    await new Promise((resolve) => (pauseEveryMs > 0 ? setTimeout(resolve, pauseEveryMs) : setImmediate(resolve)));
  }
}
