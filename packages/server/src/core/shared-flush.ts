import type { FanOutViewer } from './fan-out-viewer.ts';

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
const MAX_GROUPS = 4;

/** Viewers that get the very same bytes in one call. */
class Group {
  encoded: Buffer | undefined;
  descriptors = new Int32Array(FIRST_CAPACITY);
  taken = new Int32Array(FIRST_CAPACITY);
  readonly viewers: FanOutViewer[] = [];

  add(viewer: FanOutViewer, descriptor: number): void {
    const at = this.viewers.push(viewer) - 1;
    if (at === this.descriptors.length) {
      const larger = new Int32Array(at * 2);
      larger.set(this.descriptors);
      this.descriptors = larger;
      this.taken = new Int32Array(at * 2);
    }
    this.descriptors[at] = descriptor;
  }

  /** Lets go of what was for one flush. */
  clear(): void {
    this.encoded = undefined;
    this.viewers.length = 0;
  }
}

/** Hands what came to all viewers of a fan-out: in one call for all that keep up and whose sockets are free. */
export class SharedFlush {
  readonly #send: SendToAll;
  readonly #groups: Group[] = [];
  #used = 0;

  constructor(send: SendToAll) {
    this.#send = send;
  }

  // Hot path: no allocation per viewer.
  deliver(viewers: Iterable<FanOutViewer>, flush: Flush): void {
    for (const viewer of viewers) {
      const encoded = viewer.inStep(flush.from) ? viewer.direct?.encode(flush.bytes) : undefined;
      const descriptor = encoded === undefined ? -1 : (viewer.direct?.descriptor ?? -1);
      const group = encoded === undefined || descriptor < 0 ? undefined : this.#groupOf(encoded);
      if (group === undefined) viewer.deliver(flush.from, flush.to, flush.bytes);
      else group.add(viewer, descriptor);
    }
    for (let i = 0; i < this.#used; i++) this.#write(this.#groups[i], flush);
    this.#used = 0;
  }

  #groupOf(encoded: Buffer): Group | undefined {
    for (let i = 0; i < this.#used; i++) if (this.#groups[i]?.encoded === encoded) return this.#groups[i];
    if (this.#used === MAX_GROUPS) return undefined;
    const group = this.#groups[this.#used] ?? new Group();
    this.#groups[this.#used++] = group;
    group.encoded = encoded;
    return group;
  }

  #write(group: Group | undefined, flush: Flush): void {
    if (group?.encoded === undefined) return;
    const { encoded, viewers, descriptors, taken } = group;
    this.#send(descriptors, viewers.length, encoded, taken);
    for (let i = 0; i < viewers.length; i++) viewers[i]?.delivered(flush, encoded, taken[i] ?? 0);
    group.clear();
  }
}
