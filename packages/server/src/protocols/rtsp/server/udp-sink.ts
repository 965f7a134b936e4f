import { EventEmitter } from 'node:events';
import type { FanOutSink } from '../../../core/index.ts';
import type { NumberPair } from '../wire/transport.ts';
import { INTERLEAVED_HEADER_BYTES } from '../wire/writer.ts';
import type { UdpPorts } from './udp-ports.ts';

/** What may be sent at once after a time without anything to send. */
const MAX_SAVED_MS = 40;

export interface UdpSinkOptions {
  readonly ports: UdpPorts;
  /** Address of the client. */
  readonly address: string;
  /** The client's ports, by the channel of RTP that the shared bytes have. */
  readonly clientPorts: ReadonlyMap<number, NumberPair>;
  readonly bytesPerSecond: number;
}

/**
 * Sends interleaved frames as datagrams, evenly: what a viewer gets at its beginning would overflow its socket
 * otherwise. `tick` is to be called about every 20 ms while something waits.
 */
export class UdpSink extends EventEmitter<{ drain: [] }> implements FanOutSink {
  readonly #options: UdpSinkOptions;
  #waiting: Buffer | undefined;
  #position = 0;
  #budgetBytes: number;
  #budgetAtMs = performance.now();
  #destroyed = false;

  constructor(options: UdpSinkOptions) {
    super();
    this.#options = options;
    this.#budgetBytes = (options.bytesPerSecond * MAX_SAVED_MS) / 1000;
  }

  get writableNeedDrain(): boolean {
    return this.#waiting !== undefined;
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }

  /** Bytes that wait. */
  get writableLength(): number {
    return this.#waiting === undefined ? 0 : this.#waiting.length - this.#position;
  }

  /** Takes whole frames; to be called only while nothing waits. */
  write(bytes: Buffer): boolean {
    if (this.#destroyed) return false;
    // More may be written although something waits: the headers of a viewer that begins.
    this.#waiting = this.#waiting === undefined ? bytes : Buffer.concat([this.#rest(), bytes]);
    if (this.#waiting === bytes) this.#position = 0;
    this.#send(performance.now());
    return this.#waiting === undefined;
  }

  /** Sends what may be sent by now. */
  tick(nowMs: number): void {
    if (this.#waiting === undefined) return;
    this.#send(nowMs);
    if (this.#waiting === undefined) this.emit('drain');
  }

  /** Sends nothing any more. Idempotent. */
  destroy(): void {
    this.#destroyed = true;
    this.#waiting = undefined;
  }

  // Hot path: once per flush and viewer, with one `send` per packet.
  #send(nowMs: number): void {
    const bytes = this.#waiting;
    if (bytes === undefined) return;
    this.#refill(nowMs);
    const { clientPorts, address, ports } = this.#options;
    let at = this.#position;
    while (at < bytes.length && this.#budgetBytes > 0) {
      const channel = bytes[at + 1] ?? 0;
      const end = at + INTERLEAVED_HEADER_BYTES + bytes.readUInt16BE(at + 2);
      const isRtcp = (channel & 1) === 1;
      const pair = clientPorts.get(isRtcp ? channel - 1 : channel);
      if (pair !== undefined) {
        const datagram = bytes.subarray(at + INTERLEAVED_HEADER_BYTES, end);
        ports.send(isRtcp ? 'rtcp' : 'rtp', datagram, { address, port: isRtcp ? pair[1] : pair[0] });
        this.#budgetBytes -= datagram.length;
      }
      at = end;
    }
    this.#position = at;
    if (at >= bytes.length) this.#waiting = undefined;
  }

  #refill(nowMs: number): void {
    const { bytesPerSecond } = this.#options;
    const most = (bytesPerSecond * MAX_SAVED_MS) / 1000;
    this.#budgetBytes = Math.min(most, this.#budgetBytes + ((nowMs - this.#budgetAtMs) * bytesPerSecond) / 1000);
    this.#budgetAtMs = nowMs;
  }

  #rest(): Buffer {
    const rest = this.#waiting?.subarray(this.#position) ?? Buffer.alloc(0);
    this.#position = 0;
    return rest;
  }
}
