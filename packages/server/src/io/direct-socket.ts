import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { loadSendToAll, type SendToAll } from '@sluice/native';
import type { FrameCache } from './web-socket-frame.ts';

/** What Node keeps of an open socket; `fd` is the system's number of it where the system has such numbers. */
interface SocketHandle {
  readonly fd?: unknown;
}

/** The system's number of an open plain socket; -1 when it is gone, or where there are no such numbers. */
export function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as Socket & { readonly _handle?: SocketHandle | null };
  return typeof handle?.fd === 'number' ? handle.fd : -1;
}

interface Marching {
  readonly encodedBytes: number;
  leave(): void;
}

/** What a stream's own implementation consists of. */
interface Interposed {
  _write(...args: unknown[]): void;
  _writev(...args: unknown[]): void;
  _destroy(...args: unknown[]): void;
}

const DIRECT = new WeakMap<Duplex, DirectSocket>();

/** A TCP socket that is written to together with others when nothing waits in it, and like any other else. */
export class DirectSocket {
  readonly #socket: Socket;
  readonly #frames: FrameCache | undefined;
  #bytesWritten = 0;
  /** Who writes to it without a look at it before. */
  #marcher: Marching | undefined;
  #isWatched = false;

  private constructor(socket: Socket, frames: FrameCache | undefined) {
    this.#socket = socket;
    this.#frames = frames;
  }

  /** Undefined for TLS and for whatever else is no plain TCP socket. With `frames`, what is written is put into frames. */
  static of(socket: Duplex, frames?: FrameCache): DirectSocket | undefined {
    if (!(socket instanceof Socket) || 'encrypted' in socket) return undefined;
    const direct = new DirectSocket(socket, frames);
    DIRECT.set(socket, direct);
    return direct;
  }

  /** The system's number of the socket; -1 while something waits in this process, or when it is gone. */
  get descriptor(): number {
    const socket = this.#socket;
    if (socket.writableLength > 0 || !socket.writable || socket.connecting) return -1;
    return descriptorOf(socket);
  }

  /** Bytes that the system took beside Node, which does not know of them. */
  get bytesWritten(): number {
    return this.#bytesWritten + (this.#marcher?.encodedBytes ?? 0);
  }

  /** See `DirectSink`. */
  watch(marcher: Marching): void {
    this.#marcher = marcher;
    if (this.#isWatched) return;
    this.#isWatched = true;
    this.#interpose();
  }

  unwatch(): void {
    this.#bytesWritten = this.bytesWritten;
    this.#marcher = undefined;
  }

  /** Streams are told by these methods, at once, of all that is written, and that they are to close what is under them. */
  #interpose(): void {
    const socket: Interposed = this.#socket as unknown as Interposed;
    const { _write: write, _writev: writev, _destroy: destroy } = socket;
    socket._write = (...args: unknown[]) => {
      this.#marcher?.leave();
      write.apply(socket, args);
    };
    socket._writev = (...args: unknown[]) => {
      this.#marcher?.leave();
      writev.apply(socket, args);
    };
    socket._destroy = (...args: unknown[]) => {
      this.#marcher?.leave();
      destroy.apply(socket, args);
    };
  }

  encode(bytes: Buffer): Buffer {
    return this.#frames === undefined ? bytes : this.#frames.frameOf(bytes);
  }

  /** `taken` bytes are gone, or it failed (negative): Node writes the rest, and finds out what is wrong. */
  finish(encoded: Buffer, taken: number): boolean {
    if (taken > 0) this.#bytesWritten += taken;
    if (taken === encoded.length) return true;
    return this.#socket.write(taken > 0 ? encoded.subarray(taken) : encoded);
  }
}

/** A plain socket as a sink of a fan-out. */
export function socketSink(socket: Socket) {
  const direct = DirectSocket.of(socket);
  return {
    direct,
    get writableNeedDrain(): boolean {
      return socket.writableNeedDrain;
    },
    get destroyed(): boolean {
      return socket.destroyed;
    },
    write: (bytes: Buffer): boolean => socket.write(bytes),
    on: (event: 'drain', listener: () => void): unknown => socket.on(event, listener),
    off: (event: 'drain', listener: () => void): unknown => socket.off(event, listener),
  };
}

/** All bytes that were written to a socket, by Node and beside it. */
export function bytesWrittenTo(socket: Socket): number {
  return socket.bytesWritten + (DIRECT.get(socket)?.bytesWritten ?? 0);
}

let loaded: { readonly send: SendToAll | undefined } | undefined;

/** Writes to many sockets in one call; undefined where that can't be had: then each is written to. */
export function sendToAll(): SendToAll | undefined {
  loaded ??= { send: loadSendToAll() };
  return loaded.send;
}
