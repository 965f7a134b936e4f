import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import type { IceCredentials } from '../../wire/ice/index.ts';
import { isIntegrityRight, readStun, type StunMessage, StunWriter } from '../../wire/stun/index.ts';

/** A socket that checks paths as the controlling agent of ICE, and keeps all that it gets. */
export class IceClient {
  readonly received: Buffer[] = [];
  readonly #socket: Socket;
  readonly #address: string;
  readonly #serverPort: number;

  private constructor(address: string, serverPort: number) {
    this.#address = address;
    this.#serverPort = serverPort;
    this.#socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    this.#socket.on('message', (datagram) => this.received.push(datagram));
  }

  static async open(serverPort: number, address = '127.0.0.1'): Promise<IceClient> {
    const client = new IceClient(address, serverPort);
    await new Promise<void>((resolve) => client.#socket.bind(0, address, resolve));
    return client;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  send(datagram: Uint8Array): void {
    this.#socket.send(datagram, this.#serverPort, this.#address);
  }

  /** Sends a check; its answer comes to `received`. Gives what was sent. */
  check(credentials: IceCredentials, options: { readonly nominate?: boolean } = {}): Buffer {
    const datagram = checkOf(credentials, options);
    this.send(datagram);
    return datagram;
  }

  /** The right answers to checks so far. */
  answers(credentials: IceCredentials): StunMessage[] {
    return this.received.flatMap((datagram) => {
      const message = readStun(datagram);
      return message && isIntegrityRight(datagram, message, credentials.pwd) ? [message] : [];
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}

/** A check as browsers send it (RFC 8445 §7.2.2). */
export function checkOf(
  credentials: IceCredentials,
  options: { readonly nominate?: boolean; readonly own?: string } = {},
): Buffer {
  const { own = 'client' } = options;
  const check = new StunWriter('request', randomBytes(12)).username(`${credentials.ufrag}:${own}`);
  check.priority(0x6e7f1eff).role('controlling', 1n);
  if (options.nominate === true) check.useCandidate();
  return check.finish(credentials.pwd);
}
