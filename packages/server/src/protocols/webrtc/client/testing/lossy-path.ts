import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';

/** Stands before a UDP port as a network that loses: what comes from each client goes there by a port of its own. */
export class LossyPath {
  lost = 0;
  passed = 0;
  readonly #target: number;
  readonly #front: Socket = createSocket('udp4');
  readonly #backs = new Map<number, Socket>();
  /** Decides what is lost. */
  isLost: (datagram: Buffer) => boolean = () => false;

  constructor(target: number) {
    this.#target = target;
  }

  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.#front.bind(0, '127.0.0.1', resolve));
    this.#front.on('message', (datagram, source) => {
      const back = this.#backOf(source);
      if (this.#passes(datagram)) back.send(datagram, this.#target, '127.0.0.1');
    });
    return this.#front.address().port;
  }

  async close(): Promise<void> {
    const sockets = [this.#front, ...this.#backs.values()];
    await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
  }

  #backOf({ port }: RemoteInfo): Socket {
    const known = this.#backs.get(port);
    if (known !== undefined) return known;
    const back = createSocket('udp4');
    this.#backs.set(port, back);
    back.on('message', (datagram) => {
      if (this.#passes(datagram)) this.#front.send(datagram, port, '127.0.0.1');
    });
    return back;
  }

  #passes(datagram: Buffer): boolean {
    const lost = this.isLost(datagram);
    if (lost) this.lost++;
    else this.passed++;
    return !lost;
  }
}

/** True for media and its reports, for those tests that lose nothing else. */
export function isMedia(datagram: Buffer): boolean {
  const first = datagram[0] ?? 0;
  return first >= 128 && first < 192;
}
