import type { Socket } from 'node:net';
import { plainAddress } from '../../../io/index.ts';
import { isMedia } from './demux.ts';
import { FrameQueue } from './frame-queue.ts';
import type { DatagramSource, TransportCounters } from './options.ts';
import { Standstill } from './standstill.ts';
import { FRAME_HEADER_BYTES, FrameReader, MAX_FRAME_BYTES, writeFrame } from './tcp-frames.ts';
import type { WaterMarks } from './water-marks.ts';

export interface TcpConnectionOptions {
  readonly sendBufferBytes: number;
  readonly receiveBufferBytes: number;
  readonly marks: WaterMarks;
  /** Memory for one frame, shared by all connections. */
  readonly scratch: FrameMemory;
  readonly counters: TransportCounters;
  /** A whole datagram, the callee's to keep. False closes the connection. */
  onDatagram(connection: TcpConnection, datagram: Buffer): boolean;
  /** It is over. Once. */
  onClosed(connection: TcpConnection): void;
}

/** More than any datagram that is made here, with its frame. */
const SCRATCH_BYTES = 4096;
/** What has proved nothing can only be about to send a check, which is much shorter. */
const MAX_UNPROVED_BYTES = 2048;
/** Media waits here rather than in the system when a line stands still: here, what is old is left out. */
const STANDSTILL_MS = 500;

/** Memory for the frame that is being sent: the system takes it within the call almost always. */
export class FrameMemory {
  #buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

  take(bytes: number): Buffer {
    return bytes > SCRATCH_BYTES ? Buffer.allocUnsafeSlow(bytes) : this.#buffer;
  }

  /** The system still needs what is in the memory: it is not written to again. */
  leave(): void {
    this.#buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  }
}

/** A TCP connection that carries datagrams in frames (RFC 4571, RFC 6544). Its own errors end it and nothing else. */
export class TcpConnection implements DatagramSource {
  readonly via = 'tcp';
  readonly address: string;
  readonly port: number;
  readonly openedMs = performance.now();
  /** Datagrams of media and others that were left out because it was behind. */
  dropped = 0;
  /** A peer's check has come by it. */
  proved = false;
  /** Frames that came before that. */
  unprovedFrames = 0;
  readonly #socket: Socket;
  readonly #options: TcpConnectionOptions;
  readonly #reader = new FrameReader();
  readonly #queue: FrameQueue;
  readonly #standstill = new Standstill(STANDSTILL_MS);
  readonly #onWritten = (): void => this.#writeNext();
  /** Handed to the system and not taken yet. */
  #writingBytes = 0;
  #closed = false;

  constructor(socket: Socket, options: TcpConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    // Peers of IPv6 may be told with the zone of their interface, which is of no meaning to anybody else.
    this.address = plainAddress(socket.remoteAddress).replace(/%.*$/, '');
    this.port = socket.remotePort ?? 0;
    this.#queue = new FrameQueue({
      mediaBytes: options.sendBufferBytes,
      marks: options.marks,
      onDropped: (count) => {
        this.dropped += count;
        options.counters.tcpDropped += count;
      },
    });
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    // What follows an error, or the other side's end, is that it is closed.
    socket.on('error', () => {});
    socket.on('close', () => this.destroy());
  }

  /** What waits in this process, bytes. */
  get queuedBytes(): number {
    return this.#writingBytes + this.#queue.bytes;
  }

  // Hot path.
  send(datagram: Buffer): boolean {
    if (this.#closed || datagram.length === 0 || datagram.length > MAX_FRAME_BYTES) return true;
    const { counters } = this.#options;
    counters.sent++;
    counters.sentBytes += datagram.length;
    const nowMs = performance.now();
    const media = isMedia(datagram);
    if (this.#writingBytes > 0 || (media && this.#standstill.isOverdue(nowMs))) {
      this.#queue.add(datagram, nowMs);
      return true;
    }
    if (media) this.#standstill.wrote(nowMs);
    const { scratch } = this.#options;
    const memory = scratch.take(FRAME_HEADER_BYTES + datagram.length);
    this.#write(memory.subarray(0, writeFrame(memory, datagram)));
    if (this.#writingBytes > 0) scratch.leave();
    return true;
  }

  /** Sends what is most needed of what waits, says that it is over, and lets go. */
  close(): void {
    if (this.#closed) return;
    const rest = this.#queue.take(performance.now());
    if (rest !== undefined) this.#socket.write(rest);
    this.#socket.end();
    this.#release();
  }

  /** Ends it at once. Idempotent. */
  destroy(): void {
    this.#socket.destroy();
    this.#release();
  }

  /** True when the system has let go of it as well. */
  get gone(): boolean {
    return this.#socket.destroyed;
  }

  #release(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.clear();
    this.#options.marks.release(this.#writingBytes);
    this.#writingBytes = 0;
    this.#options.onClosed(this);
  }

  #receive(chunk: Buffer): void {
    if (this.#closed) return;
    this.#standstill.heard(performance.now());
    this.#writeWaiting();
    const { receiveBufferBytes, onDatagram, counters } = this.#options;
    let wanted = true;
    const limit = this.proved ? Math.min(MAX_FRAME_BYTES, receiveBufferBytes) : MAX_UNPROVED_BYTES;
    const readable = this.#reader.push(chunk, limit, (datagram) => {
      wanted = !this.#closed && onDatagram(this, datagram) && !this.#closed;
      return wanted;
    });
    if (readable) return;
    // A frame that is longer than anything that is exchanged here.
    if (wanted) counters.tcpBroken++;
    this.destroy();
  }

  /** Socket.write tries to send at once, and counts in `writableLength` only what the system did not take. */
  #write(frames: Buffer): void {
    this.#socket.write(frames, this.#onWritten);
    if (this.#socket.writableLength === 0) return;
    this.#writingBytes = frames.length;
    this.#options.marks.add(frames.length);
  }

  #writeNext(): void {
    // Also called, later, for writes that were done at once.
    if (this.#writingBytes === 0 || this.#socket.writableLength > 0) return;
    this.#options.marks.release(this.#writingBytes);
    this.#writingBytes = 0;
    this.#writeWaiting();
  }

  #writeWaiting(): void {
    if (this.#queue.bytes === 0) return;
    const nowMs = performance.now();
    while (this.#writingBytes === 0 && !this.#standstill.isOverdue(nowMs)) {
      const next = this.#closed ? undefined : this.#queue.take(nowMs);
      if (next === undefined) return;
      this.#standstill.wrote(nowMs);
      this.#write(next);
    }
  }
}
