import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DtlsAssociation } from '../association.ts';
import type { DtlsSrtpKeys } from '../types.ts';
import type { Identity, OwnIdentity } from './identities.ts';
import { createEnd, type End, type EndOptions } from './pair.ts';

const TICK_MS = 20;

/** Another implementation of DTLS as a child process. */
export class Program {
  /** Everything that it has written. */
  output = '';
  readonly #child: ChildProcess;

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const read = (chunk: Buffer) => {
      this.output += chunk.toString('latin1');
    };
    this.#child.stdout?.on('data', read);
    this.#child.stderr?.on('data', read);
    this.#child.on('error', (error) => {
      this.output += `\n${error.message}\n`;
    });
    this.#child.stdin?.on('error', () => {});
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Closes its standard input, which ends most programs in good order. */
  finish(): void {
    this.#child.stdin?.end();
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}

/** An association of ours on a UDP socket of the loopback, with a clock that runs. */
export class UdpEnd {
  readonly end: End;
  readonly #socket: Socket;
  readonly #timer: NodeJS.Timeout;
  #remotePort: number | undefined;

  /** A client sends to `remotePort`; a server answers whoever spoke last. */
  static async open(role: 'client' | 'server', own: OwnIdentity, options: EndOptions & { remotePort?: number }) {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    return new UdpEnd(role, own, { ...options, socket });
  }

  private constructor(
    role: 'client' | 'server',
    own: OwnIdentity,
    options: EndOptions & { remotePort?: number; socket: Socket },
  ) {
    const { socket, remotePort, ...rest } = options;
    this.#socket = socket;
    this.#remotePort = remotePort;
    this.end = createEnd(role, own, rest);
    socket.on('error', () => {});
    socket.on('message', (datagram, from) => {
      this.#remotePort = from.port;
      this.association.receive(datagram, performance.now());
      this.#flush();
    });
    this.#timer = setInterval(() => {
      this.association.tick(performance.now());
      this.#flush();
    }, TICK_MS);
  }

  get association(): DtlsAssociation {
    return this.end.association;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  start(): void {
    this.association.start(performance.now());
    this.#flush();
  }

  /** Says close_notify. */
  close(): void {
    this.association.close();
    this.#flush();
  }

  #flush(): void {
    for (const datagram of this.end.outgoing.splice(0)) {
      if (this.#remotePort !== undefined) this.#socket.send(datagram, this.#remotePort, '127.0.0.1');
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#socket.close();
  }
}

/** A UDP port of the loopback that nobody uses now. */
export async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

/** An identity as files for programs, gone again at the end. */
export class IdentityFiles {
  readonly cert: string;
  readonly key: string;
  readonly #folder: string;

  constructor(identity: Identity) {
    this.#folder = mkdtempSync(join(tmpdir(), 'dtls-'));
    this.cert = join(this.#folder, 'cert.pem');
    this.key = join(this.#folder, 'key.pem');
    writeFileSync(this.cert, identity.cert);
    writeFileSync(this.key, identity.key);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** What an exporter prints for `EXTRACTOR-dtls_srtp`: the keys in the order of RFC 5764 §4.2, in hexadecimal. */
export function exported(keys: DtlsSrtpKeys, role: 'client' | 'server'): string {
  const [client, server] = role === 'client' ? [keys.local, keys.remote] : [keys.remote, keys.local];
  return Buffer.concat([client.key, server.key, client.salt, server.salt]).toString('hex');
}
