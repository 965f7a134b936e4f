import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

/** Numbers from 0 up to a bound, that look random and are the same in each run (mulberry32). */
export function randomOf(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  };
}

type Random = ReturnType<typeof randomOf>;

export function randomBytesOf(random: Random, length: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = random(256);
  return bytes;
}

/** Changes some bytes, and cuts or lengthens it at times; the first byte, which says what it is, mostly stays. */
export function mutated(random: Random, original: Uint8Array): Buffer<ArrayBuffer> {
  const copy = Buffer.from(original);
  for (let i = random(6); i >= 0; i--) copy[random(8) === 0 ? 0 : random(copy.length)] = random(256);
  if (random(4) === 0) return Buffer.from(copy.subarray(0, random(copy.length) + 1));
  return random(4) === 0 ? Buffer.concat([copy, randomBytesOf(random, random(300))]) : copy;
}

/** A UDP socket of somebody whom the server does not know, that counts what it gets. */
export class Stranger {
  bytesReceived = 0;
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (datagram) => (this.bytesReceived += datagram.length));
  }

  static async open(address = '127.0.0.1'): Promise<Stranger> {
    const socket = createSocket('udp4');
    socket.bind(0, address);
    await once(socket, 'listening');
    return new Stranger(socket);
  }

  /** Resolves when the system has taken it. */
  send(datagram: Uint8Array, port: number): Promise<void> {
    return new Promise((resolve) => this.#socket.send(datagram, port, '127.0.0.1', () => resolve()));
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}
