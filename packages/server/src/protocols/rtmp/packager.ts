import {
  type MediaPacket,
  type Track,
  writeAacConfigTag,
  writeAacFrameTag,
  writeAvcConfig,
  writeAvcConfigTag,
  writeAvcFrameTag,
} from '@sluice/media';
import {
  DEFAULT_STREAM_OPTIONS,
  type LogEntry,
  PacketLog,
  type Reader,
  type Stream,
  type StreamState,
} from '../../core/index.ts';
import type { RtmpPlayer } from './from-stream.ts';
import type { AmfObject } from './wire/amf-value.ts';
import { encodeAmf0, encodeEcmaArray } from './wire/amf0.ts';
import { CHUNK_STREAM, MESSAGE, writeMessage } from './wire/chunk-writer.ts';

/** The message stream that all players play on: it is the first and only one that we give out. */
export const PLAY_STREAM_ID = 1;
/** Up to this many viewers are written to as soon as a packet comes; more of them share collected writes. */
const EAGER_VIEWERS = 24;

/** A video frame ends a collection once this part of the flush interval has passed since the last write. */
const RIPE = 0.95;

/** One packet as it goes over the wire, already chunked, with the configuration that it needs if that is new. */
export interface RtmpEntry extends LogEntry {
  readonly data: Buffer;
  /** Sent before `data` to viewers that have followed so far: the state differs from the previous entry's. */
  readonly change: Buffer | undefined;
  readonly state: StreamState;
}

export interface RtmpPackagerOptions {
  readonly chunkSize: number;
  /** How long frames are collected into one write when many watch, milliseconds. */
  readonly flushIntervalMs: number;
}

/**
 * Turns a stream's packets into RTMP messages once, for all its viewers. Encoded packets lie in a shared log;
 * viewers that keep up get the same collected buffer in one write each, the others read the log at their pace.
 */
export class RtmpPackager {
  readonly log = new PacketLog<RtmpEntry>({
    maxDurationMs: DEFAULT_STREAM_OPTIONS.gopCacheMaxMs,
    maxBytes: DEFAULT_STREAM_OPTIONS.gopCacheMaxBytes,
  });
  readonly #options: RtmpPackagerOptions;
  readonly #reader: Reader;
  readonly #onEnd: (reason: string) => void;
  readonly #players = new Set<RtmpPlayer>();
  readonly #headers = new WeakMap<StreamState, Buffer>();
  #state: StreamState | undefined;
  #flushed = 0;
  #flushedAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #closed = false;

  /** `onEnd` is called once, when the stream is over; players have been told by then. */
  constructor(stream: Stream, options: RtmpPackagerOptions, onEnd: (reason: string) => void) {
    this.#options = options;
    this.#onEnd = onEnd;
    this.#reader = stream.attach({
      startAt: 'gop',
      onReadable: () => this.#drain(),
      onEnd: (reason) => this.#end(reason),
    });
    this.#drain();
  }

  get playerCount(): number {
    return this.#players.size;
  }

  add(player: RtmpPlayer): void {
    this.#players.add(player);
  }

  remove(player: RtmpPlayer): void {
    this.#players.delete(player);
  }

  /** Metadata and sequence headers that a viewer needs before an entry of that state; encoded once per state. */
  headersOf(state: StreamState): Buffer {
    let bytes = this.#headers.get(state);
    if (bytes === undefined) {
      bytes = this.#encodeState(state, undefined, 0);
      this.#headers.set(state, bytes);
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
    for (const player of this.#players) player.streamEnded(reason);
    this.close();
    this.#onEnd(reason);
  }

  // Hot path: once per packet, whatever the number of viewers.
  #drain(): void {
    let withVideo = false;
    for (let entry = this.#reader.read(); entry !== undefined; entry = this.#reader.read()) {
      const { packet, state } = entry;
      if (packet.track.kind === 'video') withVideo = true;
      const timeMs = Math.round(packet.dtsUs / 1000);
      const change = state === this.#state ? undefined : this.#encodeState(state, this.#state, timeMs);
      this.#state = state;
      const data = this.#encode(packet, timeMs);
      this.log.append({
        data,
        change,
        state,
        dtsUs: packet.dtsUs,
        byteLength: data.length,
        startPoint: entry.startPoint,
      });
    }
    if (this.log.end > this.#flushed) this.#schedule(withVideo);
  }

  /**
   * Decides when what has come is written. With few viewers: at once. With many: with a video frame once enough
   * time has passed, so that pictures are not held up and sound rides along; at the latest after the flush interval.
   */
  #schedule(withVideo: boolean): void {
    if (this.#players.size === 0) {
      this.#flushed = this.log.end;
      return;
    }
    if (this.#immediate !== undefined) return;
    const { flushIntervalMs } = this.#options;
    const few = this.#players.size <= EAGER_VIEWERS || flushIntervalMs <= 0;
    if (few || (withVideo && performance.now() - this.#flushedAtMs >= flushIntervalMs * RIPE)) {
      this.#immediate = setImmediate(() => this.#flush());
    } else {
      this.#timer ??= setTimeout(() => this.#flush(), flushIntervalMs);
    }
  }

  // Hot path: one write per viewer, of one buffer that all share.
  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#immediate = undefined;
    this.#flushedAtMs = performance.now();
    const from = Math.max(this.#flushed, this.log.start);
    const to = this.log.end;
    this.#flushed = to;
    if (from === to) return;
    const batch = this.gather(from, Number.POSITIVE_INFINITY, true).bytes;
    for (const player of this.#players) player.deliver(from, to, batch);
  }

  /**
   * Joins entries, beginning with `from`, into one buffer, up to the log's end or until it holds `maxBytes`.
   * `withChange` tells whether the first entry's own change of configuration is wanted.
   */
  gather(from: number, maxBytes: number, withChange: boolean): { bytes: Buffer; next: number } {
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

  #encode(packet: MediaPacket, timeMs: number): Buffer {
    if (packet.track.kind === 'audio')
      return this.#message('audio', timeMs, writeAacFrameTag(packet.units[0] ?? EMPTY));
    const compositionMs = Math.round(packet.ptsUs / 1000) - timeMs;
    return this.#message('video', timeMs, writeAvcFrameTag(packet.units, packet.key, compositionMs));
  }

  /** What differs between two states, as messages; everything when there is no previous one. */
  #encodeState(state: StreamState, previous: StreamState | undefined, timeMs: number): Buffer {
    const parts: Buffer[] = [];
    if (state.metadata !== undefined && state.metadata !== previous?.metadata) {
      const body = Buffer.concat([encodeAmf0('onMetaData'), encodeEcmaArray(state.metadata as AmfObject)]);
      parts.push(this.#message('data', timeMs, body));
    }
    if (state.video !== undefined && state.video !== previous?.video) {
      parts.push(this.#message('video', timeMs, writeAvcConfigTag(writeAvcConfig(state.video.parameters))));
    }
    if (state.audio !== undefined && state.audio !== previous?.audio) {
      parts.push(this.#message('audio', timeMs, writeAacConfigTag(firstParameter(state.audio))));
    }
    return Buffer.concat(parts);
  }

  #message(kind: 'audio' | 'video' | 'data', timeMs: number, body: Uint8Array): Buffer {
    const header = {
      chunkStreamId: CHUNK_STREAM[kind],
      type: MESSAGE[kind],
      streamId: PLAY_STREAM_ID,
      timestamp: timeMs,
    };
    return writeMessage(header, body, this.#options.chunkSize);
  }
}

const EMPTY = new Uint8Array(0);

function firstParameter(track: Track): Uint8Array {
  return track.parameters[0] ?? EMPTY;
}

function push(parts: Buffer[], bytes: Buffer): number {
  parts.push(bytes);
  return bytes.length;
}
