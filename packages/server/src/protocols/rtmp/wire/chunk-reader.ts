import { ProtocolError } from '@sluice/media';
import { giveScratch, LARGEST_SCRATCH, takeScratch } from './scratch.ts';

/** One RTMP message (Adobe RTMP 1.0 §6.1). */
export interface RtmpMessage {
  readonly type: number;
  readonly streamId: number;
  /** Absolute time in milliseconds, wrapping at 2³². */
  readonly timestamp: number;
  /** Lies in memory that is written again once the call that gave it returns: who keeps any of it copies that. */
  readonly payload: Uint8Array;
}

export interface ChunkReaderOptions {
  /** Longest message that is accepted, bytes. */
  readonly maxMessageBytes: number;
  /** Bytes that messages under way may take together. */
  readonly maxPendingBytes: number;
}

export const DEFAULT_CHUNK_READER_OPTIONS: ChunkReaderOptions = {
  maxMessageBytes: 8 * 1024 * 1024,
  maxPendingBytes: 12 * 1024 * 1024,
};

/** Encoders use fewer than ten chunk streams; 65,599 are possible. */
const MAX_CHUNK_STREAMS = 64;
const MAX_CHUNK_SIZE = 0x7fffffff;
const MESSAGE_HEADER_BYTES = [11, 7, 3, 0] as const;
const EXTENDED = 0xffffff;
/** Memory for a message is taken as its bytes arrive, beginning with at most this much, never on its word alone. */
const FIRST_ALLOCATION = LARGEST_SCRATCH;

interface ChunkStream {
  timestamp: number;
  delta: number;
  length: number;
  type: number;
  streamId: number;
  /** The last header carried an extended timestamp, which then repeats before each chunk of type 3. */
  extended: boolean;
  /** What has come of the message under way, in memory that is longer; undefined before its first byte. */
  payload: Uint8Array | undefined;
  received: number;
}

/**
 * Puts messages together from the chunk stream (Adobe RTMP 1.0 §5.3): bytes in, messages out, no I/O.
 * Input is parsed where it lies, and not kept: a message that came in one piece is given out from there, others are
 * put together in memory that is used again.
 */
export class ChunkReader {
  #options: ChunkReaderOptions;
  readonly #streams = new Map<number, ChunkStream>();
  #chunkSize = 128;
  #pendingBytes = 0;
  /** The beginning of a chunk header that has not arrived in full, at most 18 bytes; more while input is held. */
  #held: Uint8Array = EMPTY;
  #holding = false;
  #current: ChunkStream | undefined;
  #chunkLeft = 0;

  constructor(options: ChunkReaderOptions = DEFAULT_CHUNK_READER_OPTIONS) {
    this.#options = options;
  }

  /** Bytes of the peer's chunks, as it has told. */
  get chunkSize(): number {
    return this.#chunkSize;
  }

  /** Replaces the limits, for messages that begin from now on. */
  setLimits(options: ChunkReaderOptions): void {
    this.#options = options;
  }

  /**
   * Takes the peer's Set Chunk Size (§5.4.1).
   * @throws ProtocolError RTMP_BAD_CHUNK_SIZE
   */
  setChunkSize(bytes: number): void {
    if (bytes < 1 || bytes > MAX_CHUNK_SIZE) throw new ProtocolError('RTMP_BAD_CHUNK_SIZE', `chunk size ${bytes}`);
    this.#chunkSize = bytes;
  }

  /** Forgets the message under way on a chunk stream (Abort Message, §5.4.2). */
  abort(chunkStreamId: number): void {
    const stream = this.#streams.get(chunkStreamId);
    if (stream !== undefined) this.#drop(stream);
  }

  /** From within `onMessage`: what follows that message is kept, not read, until `release`. */
  hold(): void {
    this.#holding = true;
  }

  /** Lets the next `push` read what was kept before its own bytes. */
  release(): void {
    this.#holding = false;
  }

  /** Bytes that wait to be read. */
  get heldBytes(): number {
    return this.#held.length;
  }

  /**
   * Feeds bytes; calls `onMessage` for each message that they complete, which may change the chunk size.
   * @throws ProtocolError RTMP_BAD_CHUNK, RTMP_MESSAGE_TOO_LONG, RTMP_TOO_MANY_CHUNK_STREAMS
   */
  push(chunk: Uint8Array, onMessage: (message: RtmpMessage) => void): void {
    let data = chunk;
    if (this.#held.length > 0) {
      data = Buffer.concat([this.#held, chunk]);
      this.#held = EMPTY;
    }
    let at = 0;
    for (;;) {
      if (this.#current === undefined) {
        const next = this.#readHeader(data, at);
        if (next < 0) break;
        at = next;
      }
      const stream = this.#current;
      if (stream === undefined) break;
      const take = Math.min(this.#chunkLeft, data.length - at);
      const whole = take === stream.length;
      if (!whole && take > 0) this.#copy(stream, data.subarray(at, at + take));
      this.#chunkLeft -= take;
      if (this.#chunkLeft > 0) return;
      this.#current = undefined;
      const start = at;
      at += take;
      if (whole) onMessage(messageOf(stream, data.subarray(start, at)));
      else if (stream.received === stream.length) this.#complete(stream, onMessage);
      else continue;
      if (this.#holding) break;
    }
    // Whose bytes these are writes them anew.
    if (at < data.length) this.#held = new Uint8Array(data.subarray(at));
  }

  /** Reads a basic and a message header (§5.3.1); the position after them, or -1 when they are not complete. */
  #readHeader(data: Uint8Array, start: number): number {
    let at = start;
    const left = data.length - at;
    if (left < 1) return -1;
    const first = data[at] ?? 0;
    const format = first >> 6;
    let id = first & 0x3f;
    const basic = id === 0 ? 2 : id === 1 ? 3 : 1;
    const headerBytes = MESSAGE_HEADER_BYTES[format] ?? 0;
    if (left < basic + headerBytes) return -1;
    if (id === 0) id = (data[at + 1] ?? 0) + 64;
    else if (id === 1) id = (data[at + 1] ?? 0) + (data[at + 2] ?? 0) * 256 + 64;
    at += basic;
    const known = this.#streams.get(id);
    if (known === undefined && format !== 0 && format !== 1) {
      throw new ProtocolError('RTMP_BAD_CHUNK', `chunk of type ${format} begins chunk stream ${id}`);
    }
    const time = format === 3 ? 0 : u24(data, at);
    const extended = format === 3 ? known?.extended === true : time === EXTENDED;
    if (extended && data.length - at < headerBytes + 4) return -1;
    const stream = known ?? this.#open(id);
    if (format <= 1) {
      this.#beginMessage(stream, u24(data, at + 3), data[at + 6] ?? 0);
      if (format === 0) stream.streamId = u32le(data, at + 7);
    }
    at += headerBytes;
    const value = extended ? u32(data, at) : time;
    if (extended) at += this.#extendedBytes(stream, format, value);
    stream.extended = extended;
    this.#applyTime(stream, format, value);
    this.#current = stream;
    this.#chunkLeft = Math.min(this.#chunkSize, stream.length - stream.received);
    return at;
  }

  /** Some encoders leave the extended timestamp out of chunks of type 3: it is there only when it repeats. */
  #extendedBytes(stream: ChunkStream, format: number, value: number): number {
    if (format !== 3 || stream.received === 0) return 4;
    const expected = stream.delta >= EXTENDED ? stream.delta : stream.timestamp;
    return value === expected || value === stream.timestamp ? 4 : 0;
  }

  #applyTime(stream: ChunkStream, format: number, value: number): void {
    // A chunk of type 3 that goes on with a message changes nothing; one that begins a message repeats the delta.
    if (format === 3) {
      if (stream.received === 0) stream.timestamp = (stream.timestamp + stream.delta) >>> 0;
      return;
    }
    if (stream.received > 0) this.#drop(stream);
    if (format === 0) {
      stream.timestamp = value;
      // §5.3.1.2.4: a type 3 after a type 0 repeats the timestamp as delta; encoders all take it as no advance.
      stream.delta = 0;
      return;
    }
    stream.delta = value;
    stream.timestamp = (stream.timestamp + value) >>> 0;
  }

  #beginMessage(stream: ChunkStream, length: number, type: number): void {
    this.#drop(stream);
    if (length > this.#options.maxMessageBytes) {
      throw new ProtocolError(
        'RTMP_MESSAGE_TOO_LONG',
        `message of ${length} bytes, allowed ${this.#options.maxMessageBytes}`,
      );
    }
    stream.length = length;
    stream.type = type;
  }

  #open(id: number): ChunkStream {
    if (this.#streams.size >= MAX_CHUNK_STREAMS) {
      throw new ProtocolError('RTMP_TOO_MANY_CHUNK_STREAMS', `more than ${MAX_CHUNK_STREAMS} chunk streams`);
    }
    const stream: ChunkStream = {
      timestamp: 0,
      delta: 0,
      length: 0,
      type: 0,
      streamId: 0,
      extended: false,
      payload: undefined,
      received: 0,
    };
    this.#streams.set(id, stream);
    return stream;
  }

  /** Makes room for `bytes` in the message under way. */
  #reserve(stream: ChunkStream, bytes: number): void {
    const old = stream.payload ?? EMPTY;
    if (bytes <= old.length) return;
    const larger = takeScratch(Math.min(stream.length, Math.max(bytes, FIRST_ALLOCATION, old.length * 4)));
    this.#pendingBytes += larger.length - old.length;
    if (this.#pendingBytes > this.#options.maxPendingBytes) {
      throw new ProtocolError(
        'RTMP_MESSAGE_TOO_LONG',
        `messages under way take over ${this.#options.maxPendingBytes} bytes`,
      );
    }
    larger.set(old.subarray(0, stream.received));
    giveScratch(old);
    stream.payload = larger;
  }

  #copy(stream: ChunkStream, bytes: Uint8Array): void {
    this.#reserve(stream, stream.received + bytes.length);
    stream.payload?.set(bytes, stream.received);
    stream.received += bytes.length;
  }

  #complete(stream: ChunkStream, onMessage: (message: RtmpMessage) => void): void {
    const payload = stream.payload ?? EMPTY;
    this.#pendingBytes -= payload.length;
    stream.payload = undefined;
    stream.received = 0;
    onMessage(messageOf(stream, payload.subarray(0, stream.length)));
    giveScratch(payload);
  }

  #drop(stream: ChunkStream): void {
    if (stream.payload === undefined) return;
    this.#pendingBytes -= stream.payload.length;
    giveScratch(stream.payload);
    stream.payload = undefined;
    stream.received = 0;
  }
}

const EMPTY = new Uint8Array(0);

function messageOf({ type, streamId, timestamp }: ChunkStream, payload: Uint8Array): RtmpMessage {
  return { type, streamId, timestamp, payload };
}

function u24(data: Uint8Array, at: number): number {
  return ((data[at] ?? 0) << 16) | ((data[at + 1] ?? 0) << 8) | (data[at + 2] ?? 0);
}

function u32(data: Uint8Array, at: number): number {
  return (u24(data, at) * 256 + (data[at + 3] ?? 0)) >>> 0;
}

function u32le(data: Uint8Array, at: number): number {
  return (
    (((data[at + 3] ?? 0) << 24) | ((data[at + 2] ?? 0) << 16) | ((data[at + 1] ?? 0) << 8) | (data[at] ?? 0)) >>> 0
  );
}
