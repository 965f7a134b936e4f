import type { MediaPacket, Track } from '@sluice/media';
import type { FanOutViewer } from './fan-out-viewer.ts';
import { KeyFrameRetry } from './key-frame-retry.ts';
import { type LogEntry, PacketLog } from './packet-log.ts';
import type { Reader } from './reader.ts';
import { type SendToAll, SharedFlush } from './shared-flush.ts';
import type { Stream, StreamState } from './stream.ts';

/** Up to this many viewers are written to as soon as a packet comes; more of them share collected writes. */
const EAGER_VIEWERS = 24;

/** A video frame ends a collection once this part of the time that it may take has passed since the last write. */
const RIPE = 0.95;
/** Frames are collected for this many times as long as writing to all viewers takes: a thirtieth of the time is for writing. */
const HOLD_PER_COST = 30;
/** Weight of one write in what writing costs. */
const COST_WEIGHT = 1 / 8;

/** How one protocol writes a stream: the same bytes for all its viewers. */
export interface FanOutFormat {
  /** False for tracks that are left out: their packets and configuration are never asked for. */
  carries(track: Track): boolean;
  /**
   * Hot path: one packet as it goes over the wire, at `timeMs` on the stream's timeline; undefined leaves it out, nothing
   * (an empty buffer) when it goes out later, with `before` another one. What viewers begin with may not wait.
   */
  packet(packet: MediaPacket, timeMs: number): Buffer | undefined;
  /** Hot path: what has waited and goes out before that packet, in the state of the packets that it is made of. */
  before?(packet: MediaPacket): Buffer | undefined;
  /**
   * What a viewer that knows `previous` needs before packets of `state`; all it needs when there is no previous one.
   * Tracks that are not carried are to be left out. May be empty.
   */
  change(state: StreamState, previous: StreamState | undefined, timeMs: number): Buffer;
}

export interface FanOutOptions {
  /** How long frames are collected into one write at most when many watch, milliseconds; the fewer, the shorter. */
  readonly flushIntervalMs: number;
  /** Viewers begin with a picture, even those of streams that have none: these never begin. */
  readonly videoFirst?: boolean;
  /** Writes to many viewers in one call; undefined: to one after the other. */
  readonly sendToAll?: SendToAll | undefined;
}

/** One packet as it goes over the wire, with the configuration that it needs if that is new. */
export interface FanOutEntry extends LogEntry {
  readonly data: Buffer;
  /** Sent before `data` to viewers that have followed so far: the state differs from the previous entry's. */
  readonly change: Buffer | undefined;
  readonly state: StreamState;
}

/** Entries joined for one write. */
export interface Batch {
  readonly bytes: Buffer;
  /** Sequence number of the entry that follows. */
  readonly next: number;
}

/**
 * Turns a stream's packets into bytes once, for all viewers of one format. Encoded packets lie in a shared log;
 * viewers that keep up get the same collected buffer in one write each, the others read the log at their pace.
 */
export class FanOut {
  readonly log: PacketLog<FanOutEntry>;
  readonly #stream: Stream;
  readonly #format: FanOutFormat;
  readonly #options: FanOutOptions;
  readonly #reader: Reader;
  readonly #onEnd: (reason: string) => void;
  readonly #viewers = new Set<FanOutViewer>();
  readonly #keyFrames = new KeyFrameRetry();
  readonly #headers = new WeakMap<FanOutEntry, Buffer>();
  /** What viewers that begin at the newest start point get first; many may come within one group of pictures. */
  #beginning: { readonly first: FanOutEntry; readonly batch: Batch } | undefined;
  readonly #shared: SharedFlush | undefined;
  #state: StreamState | undefined;
  #flushed = 0;
  #flushedAtMs = 0;
  /** What writing to all viewers takes, smoothed. */
  #costMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #leftOut = 0;
  #closed = false;

  /** `onEnd` is called once, when the stream is over; viewers have been told by then. */
  constructor(stream: Stream, format: FanOutFormat, options: FanOutOptions & { onEnd(reason: string): void }) {
    this.#stream = stream;
    this.#format = format;
    this.#options = options;
    this.#onEnd = options.onEnd;
    this.#shared = options.sendToAll && new SharedFlush(options.sendToAll);
    const { gopCacheMaxMs, gopCacheMaxBytes } = stream.options;
    this.log = new PacketLog({ maxDurationMs: gopCacheMaxMs, maxBytes: gopCacheMaxBytes });
    this.#reader = stream.attach({
      startAt: 'gop',
      onReadable: () => this.#drain(),
      onEnd: (reason) => this.#end(reason),
    });
    this.#drain();
  }

  get stream(): Stream {
    return this.#stream;
  }

  get viewerCount(): number {
    return this.#viewers.size;
  }

  /** Packets of tracks that the format does not carry, since the first viewer came. */
  get leftOut(): number {
    return this.#leftOut;
  }

  add(viewer: FanOutViewer): void {
    this.#viewers.add(viewer);
    this.#shared?.add(viewer);
  }

  remove(viewer: FanOutViewer): void {
    this.#viewers.delete(viewer);
    this.#shared?.remove(viewer);
  }

  /** False for a track that is left out. */
  carries(track: Track): boolean {
    return this.#format.carries(track);
  }

  /** For a viewer that finds nothing to begin with: sources that can are asked for a key frame. */
  requestKeyFrame(): void {
    this.#keyFrames.ask(this.#stream);
  }

  /** All that a viewer needs before it begins with that entry; encoded once for all that begin there. */
  headersOf(entry: FanOutEntry): Buffer {
    let bytes = this.#headers.get(entry);
    if (bytes === undefined) {
      bytes = this.#format.change(entry.state, undefined, Math.round(entry.dtsUs / 1000));
      this.#headers.set(entry, bytes);
    }
    return bytes;
  }

  /** Stops reading the stream. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reader.close();
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
  }

  #end(reason: string): void {
    this.#flush();
    for (const viewer of this.#viewers) viewer.streamEnded(reason);
    this.close();
    this.#onEnd(reason);
  }

  // Hot path: once per packet, whatever the number of viewers.
  #drain(): void {
    let withVideo = false;
    for (let entry = this.#reader.read(); entry !== undefined; entry = this.#reader.read()) {
      const { packet, state } = entry;
      const timeMs = Math.round(packet.dtsUs / 1000);
      const carried = this.#format.carries(packet.track);
      const waited = carried ? this.#format.before?.(packet) : undefined;
      if (waited !== undefined) this.#appendWaited(waited, packet.dtsUs);
      const data = carried ? this.#format.packet(packet, timeMs) : undefined;
      if (data === undefined) {
        this.#leftOut++;
        continue;
      }
      if (data.length === 0) continue;
      const isVideo = packet.track.kind === 'video';
      if (isVideo) withVideo = true;
      const change = state === this.#state ? undefined : this.#format.change(state, this.#state, timeMs);
      this.#state = state;
      this.log.append({
        data,
        change,
        state,
        dtsUs: packet.dtsUs,
        byteLength: data.length + (change?.length ?? 0),
        startPoint: packet.key && (isVideo || !this.#expectsVideo(state)),
      });
    }
    if (this.log.end > this.#flushed) this.#schedule(withVideo);
  }

  /** Belongs to the state of what came before; nobody can begin with it. */
  #appendWaited(data: Buffer, dtsUs: number): void {
    if (this.#state === undefined) return;
    const { length } = data;
    this.log.append({ data, change: undefined, state: this.#state, dtsUs, byteLength: length, startPoint: false });
  }

  #expectsVideo(state: StreamState): boolean {
    if (this.#options.videoFirst === true) return true;
    return state.video !== undefined && this.#format.carries(state.video);
  }

  /**
   * Decides when what has come is written. With few viewers: at once. With many: with a video frame once enough
   * time has passed, so that pictures are not held up and sound rides along; at the latest after the flush interval, and
   * sooner the less writing costs.
   */
  #schedule(withVideo: boolean): void {
    if (this.#viewers.size === 0) {
      this.#flushed = this.log.end;
      return;
    }
    if (this.#immediate !== undefined) return;
    const holdMs = this.#viewers.size <= EAGER_VIEWERS ? 0 : this.#holdMs;
    if (holdMs < 1 || (withVideo && performance.now() - this.#flushedAtMs >= holdMs * RIPE)) {
      this.#immediate = setImmediate(() => this.#flush());
    } else {
      this.#timer ??= setTimeout(() => this.#flush(), holdMs);
    }
  }

  /** How long frames are collected at this load. */
  get #holdMs(): number {
    return Math.min(this.#options.flushIntervalMs, this.#costMs * HOLD_PER_COST);
  }

  // Hot path: one buffer that all viewers share, written to all of them at once where that is possible.
  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#immediate = undefined;
    this.#flushedAtMs = performance.now();
    const from = Math.max(this.#flushed, this.log.start);
    const to = this.log.end;
    this.#flushed = to;
    if (from === to) return;
    const { bytes } = this.#join(from, Number.POSITIVE_INFINITY, true);
    if (this.#shared !== undefined && bytes.length > 0) this.#shared.deliver({ from, to, bytes });
    else for (const viewer of this.#viewers) viewer.deliver(from, to, bytes);
    this.#costMs += (performance.now() - this.#flushedAtMs - this.#costMs) * COST_WEIGHT;
  }

  /**
   * Joins entries, beginning with `from`, into one buffer, up to the log's end or until it holds `maxBytes`; an
   * entry is never divided. `withChange` tells whether the first entry's own change of configuration is wanted.
   * Viewers that begin at the same place share the buffer of that place: it may end before the log does.
   */
  gather(from: number, maxBytes: number, withChange: boolean): Batch {
    const first = this.log.at(from);
    if (first === undefined || withChange || !first.startPoint) return this.#join(from, maxBytes, withChange);
    const shared = this.#beginning;
    if (shared?.first === first && this.#bytesFrom(shared.batch.next) <= shared.batch.bytes.length / 2)
      return shared.batch;
    const batch = this.#join(from, maxBytes, false);
    this.#beginning = { first, batch };
    return batch;
  }

  #join(from: number, maxBytes: number, withChange: boolean): Batch {
    const parts: Buffer[] = [];
    let size = 0;
    let next = from;
    for (; next < this.log.end && size < maxBytes; next++) {
      const entry = this.log.at(next);
      if (entry === undefined) continue;
      if (entry.change !== undefined && (withChange || next > from)) size += push(parts, entry.change);
      size += push(parts, entry.data);
    }
    return { bytes: parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts, size), next };
  }

  #bytesFrom(start: number): number {
    let sum = 0;
    for (let i = start; i < this.log.end; i++) sum += this.log.at(i)?.data.length ?? 0;
    return sum;
  }
}

function push(parts: Buffer[], bytes: Buffer): number {
  parts.push(bytes);
  return bytes.length;
}
