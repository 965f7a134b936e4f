import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/** What a firewall makes of an address: whoever sends there hears nothing. */
export class BlackHole {
  /** Datagrams and connections that went in. */
  swallowed = 0;
  readonly #udp = createSocket('udp4').on('message', () => this.swallowed++);
  readonly #tcp = createServer({ pauseOnConnect: true }, () => this.swallowed++);

  /** Takes the UDP and the TCP port of an address of this machine. */
  static async open(host: string, port: number): Promise<BlackHole> {
    const hole = new BlackHole();
    await new Promise<void>((resolve) => hole.#udp.bind(port, host, resolve));
    await new Promise<void>((resolve) => hole.#tcp.listen(port, host, resolve));
    return hole;
  }

  close(): void {
    this.#udp.close();
    this.#tcp.close();
  }
}
