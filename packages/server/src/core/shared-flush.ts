import type { DirectSink, FanOutViewer } from './fan-out-viewer.ts';

/**
 * Writes the same bytes to the first `count` sockets by the system's numbers of them, without waiting, and fills `taken`
 * with what each took: bytes, 0 where it has no room, negative where it failed.
 */
export type SendToAll = (descriptors: Int32Array, count: number, bytes: Uint8Array, taken: Int32Array) => void;

/** What came since the last flush: entries `from` to `to` as one buffer. */
export interface Flush {
  readonly from: number;
  readonly to: number;
  readonly bytes: Buffer;
}

const FIRST_CAPACITY = 64;
/** Ways in which one buffer goes over the wire: as it is, and in a frame of a WebSocket. */
const MAX_COLUMNS = 4;

/** A viewer's place in a column, and what it was given there. */
export class Marcher {
  readonly viewer: FanOutViewer;
  readonly direct: DirectSink;
  /** Its place among the others. */
  at = 0;
  readonly #column: Column;
  readonly #before: { readonly packets: number; readonly bytes: number; readonly encodedBytes: number };

  constructor(viewer: FanOutViewer, direct: DirectSink, column: Column) {
    this.viewer = viewer;
    this.direct = direct;
    this.#column = column;
    this.#before = { packets: column.packets, bytes: column.bytes, encodedBytes: column.encodedBytes };
  }

  /** The entry that it is given next. */
  get next(): number {
    return this.#column.next;
  }

  get packets(): number {
    return this.#column.packets - this.#before.packets;
  }

  /** Bytes as the fan-out has them. */
  get bytes(): number {
    return this.#column.bytes - this.#before.bytes;
  }

  /** Bytes as they went over the wire. */
  get encodedBytes(): number {
    return this.#column.encodedBytes - this.#before.encodedBytes;
  }

  get largestWrite(): number {
    return this.#column.largestWrite;
  }

  /** Before anything else is done with its socket. */
  readonly leave = (): void => this.viewer.leaveColumn();

  /** Called by the viewer. */
  removed(): void {
    this.#column.remove(this);
  }
}

/** Viewers that have got the same so far, by sockets in which nothing waits: each costs a number in a list, and a write. */
class Column {
  next = 0;
  packets = 0;
  bytes = 0;
  encodedBytes = 0;
  largestWrite = 0;
  /** What the present flush is for them. */
  encoded: Buffer | undefined;
  readonly #marchers: Marcher[] = [];
  readonly #removed: (viewer: FanOutViewer) => void;
  #descriptors = new Int32Array(FIRST_CAPACITY);
  #taken = new Int32Array(FIRST_CAPACITY);

  constructor(next: number, removed: (viewer: FanOutViewer) => void) {
    this.next = next;
    this.#removed = removed;
  }

  get size(): number {
    return this.#marchers.length;
  }

  /** What a buffer is for all of them. */
  encode(bytes: Buffer): Buffer | undefined {
    return this.#marchers[0]?.direct.encode(bytes);
  }

  add(viewer: FanOutViewer, direct: DirectSink, descriptor: number): void {
    const marcher = new Marcher(viewer, direct, this);
    marcher.at = this.#marchers.push(marcher) - 1;
    if (marcher.at === this.#descriptors.length) {
      const larger = new Int32Array(marcher.at * 2);
      larger.set(this.#descriptors);
      this.#descriptors = larger;
      this.#taken = new Int32Array(marcher.at * 2);
    }
    this.#descriptors[marcher.at] = descriptor;
    viewer.joinedColumn(marcher);
  }

  remove(marcher: Marcher): void {
    const last = this.#marchers.pop();
    if (last !== undefined && last !== marcher) {
      this.#marchers[marcher.at] = last;
      this.#descriptors[marcher.at] = this.#descriptors[last.at] ?? -1;
      last.at = marcher.at;
    }
    this.#removed(marcher.viewer);
  }

  /** Lets all go, who are given what they have not got one by one. */
  disband(): void {
    for (let i = this.#marchers.length - 1; i >= 0; i--) this.#marchers[i]?.leave();
  }

  // Hot path: one call, and nothing for each viewer but looking at a number.
  write(flush: Flush, encoded: Buffer, send: SendToAll): void {
    const taken = this.#taken;
    send(this.#descriptors, this.#marchers.length, encoded, taken);
    // From the end on: who leaves is replaced by one that was looked at before.
    for (let i = this.#marchers.length - 1; i >= 0; i--) {
      if (taken[i] !== encoded.length) this.#stopped(i, { flush, encoded, taken: taken[i] ?? 0 });
    }
    this.next = flush.to;
    this.packets += flush.to - flush.from;
    this.bytes += flush.bytes.length;
    this.encodedBytes += encoded.length;
    if (flush.bytes.length > this.largestWrite) this.largestWrite = flush.bytes.length;
  }

  #stopped(at: number, what: { readonly flush: Flush; readonly encoded: Buffer; readonly taken: number }): void {
    const marcher = this.#marchers[at];
    marcher?.leave();
    marcher?.viewer.delivered(what.flush, what.encoded, what.taken);
  }
}

/**
 * Hands what came to all viewers of a fan-out. Those that keep up and whose sockets are free go in columns, which are written
 * to in one call each, and leave as soon as anything else is done with their sockets; the others are given it one by one,
 * and join when they have got all.
 */
export class SharedFlush {
  readonly #send: SendToAll;
  readonly #single = new Set<FanOutViewer>();
  readonly #columns: Column[] = [];

  constructor(send: SendToAll) {
    this.#send = send;
  }

  add(viewer: FanOutViewer): void {
    this.#single.add(viewer);
  }

  remove(viewer: FanOutViewer): void {
    viewer.leaveColumn();
    this.#single.delete(viewer);
  }

  // Hot path: no allocation per viewer.
  deliver(flush: Flush): void {
    const columns = this.#columns;
    // From the end on: what is empty is taken away.
    for (let i = columns.length - 1; i >= 0; i--) this.#advance(i, flush);
    // Who joins or leaves meanwhile has got it.
    for (const viewer of this.#single) {
      viewer.deliver(flush.from, flush.to, flush.bytes);
      this.#join(viewer, flush);
    }
    for (const column of columns) column.encoded = undefined;
  }

  #advance(at: number, flush: Flush): void {
    const column = this.#columns[at];
    // The log has moved on over them.
    if (column?.next !== flush.from) column?.disband();
    const encoded = column?.encode(flush.bytes);
    if (column === undefined || encoded === undefined) {
      this.#columns.splice(at, 1);
      return;
    }
    column.write(flush, encoded, this.#send);
    column.encoded = encoded;
  }

  #join(viewer: FanOutViewer, { to, bytes }: Flush): void {
    if (!viewer.inStep(to)) return;
    const { direct } = viewer;
    const descriptor = direct?.descriptor ?? -1;
    if (direct === undefined || descriptor < 0) return;
    const column = this.#columnOf(direct.encode(bytes), to);
    if (column === undefined) return;
    this.#single.delete(viewer);
    column.add(viewer, direct, descriptor);
  }

  #columnOf(encoded: Buffer, next: number): Column | undefined {
    for (const column of this.#columns) if (column.encoded === encoded) return column;
    if (this.#columns.length === MAX_COLUMNS) return undefined;
    const column = new Column(next, (viewer) => this.#single.add(viewer));
    column.encoded = encoded;
    this.#columns.push(column);
    return column;
  }
}
