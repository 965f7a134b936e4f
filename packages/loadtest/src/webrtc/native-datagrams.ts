import { type DatagramPorts, openDatagramPorts } from '@sluice/native';
import { type DatagramSocket, type OnDatagram, type OpenDatagrams, SYSTEM_BUFFER_BYTES } from './datagrams.ts';

/** Between two readings. */
const READ_MS = 2;
/** What the addon needs for a datagram. */
const SLOT_BYTES = 2048;
const SLOTS = 512;
const RECORD_FIELDS = 4;
/** Readings in a row, before everything else of the thread has its turn. */
const MAX_READINGS = 8;
/** First bytes of RTP and RTCP (RFC 7983 §7). */
const MEDIA_FROM = 128;
const MEDIA_TO = 191;

/**
 * UDP ports that are read together by the addon, which costs a third of what Node's own sockets take; the system tells when
 * a datagram came, so that a tool that reads late does not see delays of its own. The datagrams of media lie in memory that is used again after the call that gives them; those that set up a connection may be kept.
 */
export class NativeDatagrams {
  readonly #ports: DatagramPorts;
  readonly #data = Buffer.alloc(SLOT_BYTES * SLOTS);
  readonly #records = new Float64Array(RECORD_FIELDS * SLOTS);
  readonly #receivers = new Map<number, OnDatagram>();
  #timer: NodeJS.Timeout | undefined;

  private constructor(ports: DatagramPorts) {
    this.#ports = ports;
  }

  /** Undefined where the addon can't be loaded. */
  static load(): NativeDatagrams | undefined {
    const ports = openDatagramPorts();
    return ports === undefined ? undefined : new NativeDatagrams(ports);
  }

  /** Opens a port for one peer. @throws Error when the system has none left */
  readonly open: OpenDatagrams = async (onDatagram) => {
    const port = this.#ports.open(SYSTEM_BUFFER_BYTES);
    if (port < 0) throw new Error(`no port can be opened: error ${-port} of the system`);
    this.#receivers.set(port, onDatagram);
    this.#timer ??= setInterval(() => this.#read(), READ_MS);
    return this.#socket(port);
  };

  #socket(port: number): DatagramSocket {
    const ports = this.#ports;
    let isConnected = false;
    return {
      connect: async (number, address) => {
        ports.connect(port, addressBytes(address, number));
        isConnected = true;
      },
      // Errors of the network are none.
      send: (datagram, to) => {
        if (!this.#receivers.has(port)) return;
        if (isConnected) ports.send(port, datagram);
        else if (to !== undefined) ports.send(port, datagram, addressBytes(to.address, to.port));
      },
      close: async () => this.#close(port),
    };
  }

  #close(port: number): void {
    if (!this.#receivers.delete(port)) return;
    this.#ports.close(port);
    if (this.#receivers.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Hot path: gives all that has come to those whom it is for. */
  #read(): void {
    for (let i = 0; i < MAX_READINGS; i++) {
      const count = this.#ports.read(this.#data, this.#records);
      const nowMs = performance.now();
      for (let at = 0; at < count * RECORD_FIELDS; at += RECORD_FIELDS) this.#deliver(at, nowMs);
      if (count < SLOTS) return;
    }
  }

  #deliver(at: number, nowMs: number): void {
    const receiver = this.#receivers.get(this.#records[at] ?? 0);
    const offset = this.#records[at + 1] ?? 0;
    const datagram = this.#data.subarray(offset, offset + (this.#records[at + 2] ?? 0));
    const first = datagram[0] ?? 0;
    const cameMs = nowMs - (this.#records[at + 3] ?? 0);
    receiver?.(first >= MEDIA_FROM && first <= MEDIA_TO ? datagram : Buffer.from(datagram), cameMs);
  }
}

/** As the addon takes addresses: mapped IPv4 and the port (RFC 4291 §2.5.5.2). */
function addressBytes(address: string, port: number): Uint8Array {
  const bytes = new Uint8Array(18);
  bytes.fill(0xff, 10, 12);
  for (const [index, part] of address.split('.').entries()) bytes[12 + index] = Number(part);
  bytes[16] = port >> 8;
  bytes[17] = port & 0xff;
  return bytes;
}
