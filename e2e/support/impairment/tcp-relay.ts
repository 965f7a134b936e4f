import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { type Impairment, Line, type LineCounters } from './line.ts';
import { Schedule } from './schedule.ts';
import type { Direction } from './udp-relay.ts';

const HOST = '127.0.0.1';
/** What TCP puts into one packet on a usual line. */
const PACKET_BYTES = 1448;
/** What one connection may have on its way in one direction before its sender is held up. */
const WINDOW_BYTES = 256 * 1024;

/** What one end of a connection sends to the other. */
interface Flow {
  readonly from: Socket;
  readonly to: Socket;
  /** Taken from the one end and not yet taken by the other. */
  waitingBytes: number;
}

/** Nothing in the place of bytes is the end of what a flow has to send. */
type FlowLine = Line<{ readonly flow: Flow; readonly bytes: Buffer | undefined }>;

/**
 * A TCP line to a port of this machine: what is lost is sent again and holds up what follows it, what the bitrate does
 * not carry waits, and a sender whose window is full is held up. `blocked` lets connections stand still. All
 * connections share the line.
 */
export class TcpRelay {
  /** Whether connections are reset as soon as they are made, as a firewall may do. */
  refuses = false;
  /** Connections there ever were, without those that were refused. */
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #lines: Readonly<Record<Direction, FlowLine>>;
  readonly #schedule: Schedule;

  private constructor(target: number, seed: number) {
    this.#server = createServer((near) => this.#accept(near, target));
    this.#lines = { up: new Line({ seed, reliable: true }), down: new Line({ seed: seed + 1, reliable: true }) };
    const { up, down } = this.#lines;
    this.#schedule = new Schedule([
      { nextAtMs: () => up.nextAtMs(), run: (nowMs) => this.#deliver(up, nowMs) },
      { nextAtMs: () => down.nextAtMs(), run: (nowMs) => this.#deliver(down, nowMs) },
    ]);
  }

  /** Opens a clean line. */
  static async open(target: number, options: { readonly seed?: number } = {}): Promise<TcpRelay> {
    const relay = new TcpRelay(target, options.seed ?? 1);
    // Not every client has a way from its address to the loopback.
    relay.#server.listen(0, '0.0.0.0');
    await once(relay.#server, 'listening');
    return relay;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  counters(direction: Direction): Readonly<LineCounters> {
    return this.#lines[direction].counters;
  }

  /** Changes what the line does in one direction, or in both. */
  change(changes: Partial<Impairment>, directions: readonly Direction[] = ['up', 'down']): void {
    for (const direction of directions) this.#lines[direction].change(changes, performance.now());
    this.#schedule.wake();
  }

  /** Resets all connections. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.#schedule.close();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #accept(near: Socket, target: number): void {
    if (this.refuses) {
      near.on('error', () => {});
      near.resetAndDestroy();
      return;
    }
    this.connections++;
    const far = connect({ port: target, host: HOST });
    this.#carry({ from: near, to: far, waitingBytes: 0 }, this.#lines.up);
    this.#carry({ from: far, to: near, waitingBytes: 0 }, this.#lines.down);
  }

  #carry(flow: Flow, line: FlowLine): void {
    const { from, to } = flow;
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on('error', () => {});
    from.on('data', (bytes: Buffer) => {
      const nowMs = performance.now();
      flow.waitingBytes += bytes.length;
      for (let at = 0; at < bytes.length; at += PACKET_BYTES) {
        const packet = bytes.subarray(at, at + PACKET_BYTES);
        line.send({ flow, bytes: packet }, packet.length, nowMs);
      }
      if (flow.waitingBytes > WINDOW_BYTES) from.pause();
      this.#schedule.wake();
    });
    from.once('close', (hadError) => {
      this.#sockets.delete(from);
      if (hadError) to.destroy();
      else line.send({ flow, bytes: undefined }, 0, performance.now());
      this.#schedule.wake();
    });
  }

  #deliver(line: FlowLine, nowMs: number): void {
    for (let next = line.take(nowMs); next !== undefined; next = line.take(nowMs)) {
      const { flow, bytes } = next;
      if (bytes === undefined) flow.to.end();
      else if (!flow.to.destroyed) flow.to.write(bytes, () => this.#onTaken(flow, bytes.length));
    }
  }

  #onTaken(flow: Flow, bytes: number): void {
    flow.waitingBytes -= bytes;
    if (flow.from.isPaused() && flow.waitingBytes <= WINDOW_BYTES) flow.from.resume();
  }
}
