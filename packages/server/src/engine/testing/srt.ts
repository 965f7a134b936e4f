import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { SrtConnection, SrtOpen, SrtTransport } from '../../core/index.ts';

/** A UDP port of this machine that nobody uses at this moment. */
export async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

/** An SRT connection that keeps what becomes of it. */
export class SrtEnd {
  connected = false;
  writable = 0;
  readonly closes: { readonly reason: string; readonly code: string }[] = [];
  readonly connection: SrtConnection;
  readonly #chunks: Uint8Array[] = [];

  constructor(transport: SrtTransport, open: Partial<SrtOpen> & Pick<SrtOpen, 'port'>) {
    const defaults = { mode: 'caller', address: '127.0.0.1', direction: 'receive' } as const;
    this.connection = transport.open(
      // What comes later than this is dropped, and a busy machine is late.
      { ...defaults, latencyMs: 400, connectTimeoutMs: 0, ...open },
      {
        onConnected: () => {
          this.connected = true;
        },
        onData: (bytes) => this.#chunks.push(bytes),
        onWritable: () => {
          this.writable++;
        },
        onClosed: (reason, code) => this.closes.push({ reason, code }),
      },
    );
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

/** Bytes that look like a transport stream; each packet has another number. */
export function numberedPackets(count: number, first = 0): Buffer {
  const bytes = Buffer.alloc(count * 188, 0xff);
  for (let index = 0; index < count; index++) {
    bytes.writeUInt32BE(0x471fff10, index * 188);
    bytes.writeUInt32BE(first + index, index * 188 + 4);
  }
  return bytes;
}
