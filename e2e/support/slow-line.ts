import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** What TCP puts into one packet on a usual line. */
const PACKET_BYTES = 1448;

export interface LineOptions {
  /** One way, so half of a round trip. */
  readonly delayMs: number;
  /** Share of packets that are lost and sent again, from 0 to 1. */
  readonly loss: number;
}

/**
 * A long and bad line to a port of this machine: bytes arrive late, and a lost packet holds up all that follows it
 * until it has been sent again, a round trip later, as TCP does. Kernels of test machines often lack netem.
 */
export class SlowLine {
  /** Packets that were lost so far. */
  lost = 0;
  readonly #server: Server;
  readonly #options: LineOptions;
  readonly #sockets = new Set<Socket>();
  #random = 1;

  private constructor(target: number, options: LineOptions) {
    this.#options = options;
    this.#server = createServer((near) => this.#join(near, connect({ port: target, host: '127.0.0.1' })));
  }

  static async open(target: number, options: LineOptions): Promise<SlowLine> {
    const line = new SlowLine(target, options);
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    return line;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(near: Socket, far: Socket): void {
    this.#carry(near, far);
    this.#carry(far, near);
  }

  #carry(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.setNoDelay(true);
    from.on('error', () => {});
    const travelling: { readonly arrivesAt: number; readonly packet: Uint8Array | undefined }[] = [];
    const arrive = (): void => {
      while (travelling[0] !== undefined && travelling[0].arrivesAt <= performance.now()) {
        const packet = travelling.shift()?.packet;
        if (packet === undefined) to.end();
        else to.write(packet);
      }
      if (travelling[0] !== undefined) setTimeout(arrive, Math.ceil(travelling[0].arrivesAt - performance.now()));
    };
    const depart = (packet: Uint8Array | undefined): void => {
      const arrivesAt = Math.max(travelling.at(-1)?.arrivesAt ?? 0, performance.now() + this.#travelMs());
      if (travelling.push({ arrivesAt, packet }) === 1) setTimeout(arrive, Math.ceil(arrivesAt - performance.now()));
    };
    from.on('data', (bytes: Buffer) => {
      for (let at = 0; at < bytes.length; at += PACKET_BYTES) depart(bytes.subarray(at, at + PACKET_BYTES));
    });
    from.once('close', () => {
      this.#sockets.delete(from);
      depart(undefined);
    });
  }

  #travelMs(): number {
    const { delayMs, loss } = this.#options;
    if (this.#next() >= loss) return delayMs;
    this.lost++;
    return delayMs * 3;
  }

  /** The same numbers in each run, from 0 to 1 (Lehmer). */
  #next(): number {
    this.#random = (this.#random * 48_271) % 2_147_483_647;
    return this.#random / 2_147_483_647;
  }
}
