import type { Socket } from 'node:net';
import { loadReceiveFromAll, type ReceiveFromAll } from '@sluice/native';
import { descriptorOf } from './direct-socket.ts';
import type { Ticker } from './ticker.ts';

/** Whose socket may be read now and then. */
export interface RestedReader {
  /** A socket of `readShared`, which said yes. */
  readonly socket: Socket;
  /** False when its socket has to be read as it comes, from now on. */
  readonly mayRest: boolean;
  /** Takes what came; it lies in memory that is written again after the call. */
  onBytes(bytes: Uint8Array): void;
}

/** A socket is left alone for at most so many ticks. */
const MAX_REST_TICKS = 10;
/** More sockets than these are read in turns, tick by tick, so that nothing else waits for long meanwhile. */
const CROWD = 100;
/** Sockets that are read in one call, and what each may give then. */
const BATCH = 4;
const PART_BYTES = 64 * 1024;
/** One that gives so much is read sooner the next time: at about 64 KiB its peer may have to wait with more. */
const HASTE_BYTES = 56 * 1024;
/** One that gives so little may rest for the longest time. */
const LEISURE_BYTES = HASTE_BYTES / MAX_REST_TICKS;

interface Rest {
  readonly reader: RestedReader;
  /** How many ticks it rests each time, and how many are left of this time. */
  ticks: number;
  left: number;
}

/** Bytes that were read here, which Node does not know of. */
const READ = new WeakMap<Socket, { bytes: number }>();

/** All bytes that were read from a socket, by Node and beside it. */
export function bytesReadFrom(socket: Socket): number {
  return socket.bytesRead + (READ.get(socket)?.bytes ?? 0);
}

/**
 * Reads sockets that nobody is in a hurry for about five times a second, many in one call, in place of each time that
 * something comes. Reading is most of what a publisher costs that nobody watches: the packets of a fifth of a second come at
 * once here, without an event for each of them. What a source sends faster than that is read more often.
 */
export class RestedReads {
  readonly #receive: ReceiveFromAll;
  readonly #rests = new Map<RestedReader, Rest>();
  readonly #bytes = new Uint8Array(BATCH * PART_BYTES);
  readonly #descriptors = new Int32Array(BATCH);
  readonly #given = new Int32Array(BATCH);
  readonly #due: Rest[] = [];
  readonly #ticker: Ticker;
  #ticking: Disposable | undefined;
  /** Ticks between two calls. */
  #pace = 0;
  #added = 0;

  private constructor(receive: ReceiveFromAll, ticker: Ticker) {
    this.#receive = receive;
    this.#ticker = ticker;
  }

  /** Undefined where sockets can't be read beside Node. */
  static begin(ticker: Ticker): RestedReads | undefined {
    const receive = loadReceiveFromAll();
    return receive && new RestedReads(receive, ticker);
  }

  /** Sockets that are read here. */
  get size(): number {
    return this.#rests.size;
  }

  /** From now on its socket is read here, until it may rest no more or is over. Not to be called from its `onBytes`. */
  add(reader: RestedReader): void {
    if (this.#rests.has(reader)) return;
    reader.socket.pause();
    // Not all at once.
    this.#rests.set(reader, { reader, ticks: MAX_REST_TICKS, left: 1 + (this.#added++ % MAX_REST_TICKS) });
    this.#setPace(this.#pace || MAX_REST_TICKS);
  }

  /** Its socket is read as it comes again. For one that does not rest: nothing. */
  wake(reader: RestedReader): void {
    if (this.#rests.delete(reader)) reader.socket.resume();
  }

  /** Wakes all. Idempotent. */
  close(): void {
    for (const reader of [...this.#rests.keys()]) this.wake(reader);
    this.#setPace(0);
  }

  // Hot path: each socket that rests.
  #onTick(): void {
    const pace = this.#pace;
    for (const rest of this.#rests.values()) {
      rest.left -= pace;
      if (!rest.reader.mayRest) this.wake(rest.reader);
      else if (rest.left <= 0) this.#readLater(rest);
    }
    this.#readDue();
    this.#setPace(this.#wantedPace());
  }

  /** All at once and then nothing for long, unless there are many, or some that have much to give. */
  #wantedPace(): number {
    if (this.#rests.size === 0) return 0;
    if (this.#rests.size > CROWD) return 1;
    for (const { ticks } of this.#rests.values()) if (ticks < MAX_REST_TICKS) return 1;
    return MAX_REST_TICKS;
  }

  #setPace(ticks: number): void {
    if (ticks === this.#pace) return;
    this.#pace = ticks;
    this.#ticking?.[Symbol.dispose]();
    this.#ticking = ticks === 0 ? undefined : this.#ticker.on(() => this.#onTick(), ticks * this.#ticker.intervalMs);
  }

  #readLater(rest: Rest): void {
    const descriptor = descriptorOf(rest.reader.socket);
    if (descriptor < 0) return this.wake(rest.reader);
    this.#descriptors[this.#due.length] = descriptor;
    if (this.#due.push(rest) === BATCH) this.#readDue();
  }

  #readDue(): void {
    const due = this.#due;
    if (due.length === 0) return;
    const count = due.length;
    const part = Math.floor(this.#bytes.length / count);
    this.#receive(this.#descriptors, count, this.#bytes, this.#given);
    for (let i = 0; i < count; i++) {
      const rest = due[i];
      if (rest !== undefined) this.#take(rest, this.#given[i] ?? 0, i * part);
    }
    due.length = 0;
  }

  #take(rest: Rest, given: number, at: number): void {
    const { reader } = rest;
    // Node finds out what is the matter.
    if (given < 0) return this.wake(reader);
    if (given >= HASTE_BYTES) {
      // Too much for a rest of this length; and for the shortest one, to be read by turns with others.
      if (rest.ticks === 1) this.wake(reader);
      rest.ticks = 1;
    } else if (given < LEISURE_BYTES) rest.ticks = MAX_REST_TICKS;
    else if (rest.ticks < MAX_REST_TICKS) rest.ticks++;
    rest.left = rest.ticks;
    if (given === 0) return;
    const read = READ.get(reader.socket);
    if (read === undefined) READ.set(reader.socket, { bytes: given });
    else read.bytes += given;
    reader.onBytes(this.#bytes.subarray(at, at + given));
  }
}
