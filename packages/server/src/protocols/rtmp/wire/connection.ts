import { type AmfValue, decodeAmf0, ProtocolError } from '@sluice/media';
import {
  ChunkReader,
  type ChunkReaderOptions,
  DEFAULT_CHUNK_READER_OPTIONS,
  type RtmpMessage,
} from './chunk-reader.ts';
import { acknowledgement, MESSAGE, USER_CONTROL, userControl } from './chunk-writer.ts';
import { type Handshake, ServerHandshake } from './handshake.ts';

/**
 * What a connection tells its owner. All calls are synchronous, from within `push`. The bodies of media lie in memory that
 * is written again after the call: who keeps any of them copies that.
 */
export interface ConnectionEvents {
  /** Bytes to send to the peer. */
  send(bytes: Uint8Array): void;
  command(name: string, transactionId: number, args: AmfValue[], streamId: number): void;
  data(values: AmfValue[], timestamp: number): void;
  audio(body: Uint8Array, timestamp: number): void;
  video(body: Uint8Array, timestamp: number): void;
  /** The peer answered a ping of ours. */
  pong(): void;
  /** The handshake is over: commands may be sent. */
  shaken?(): void;
  /** An event of a message stream (§7.1.7), as {@link USER_CONTROL} names them; pings are answered before. */
  streamEvent?(event: number, streamId: number): void;
}

/** What a piece of held input costs beside its bytes: a peer may send them one by one. */
const PIECE_BYTES = 256;
const AGGREGATE_HEADER = 11;
const AGGREGATE_TRAILER = 4;
/** We acknowledge at the latest after this much, however large the peer's window is. */
const MAX_ACKNOWLEDGE_EVERY = 2_500_000;

/**
 * One side of an RTMP connection up to commands and media: handshake, chunks, protocol control, acknowledgements, pings,
 * aggregates. Bytes in, events out, no I/O.
 */
export class RtmpConnection {
  readonly #events: ConnectionEvents;
  readonly #chunks: ChunkReader;
  #handshake: Handshake | undefined;
  #bytesIn = 0;
  #acknowledged = 0;
  #acknowledgeEvery = MAX_ACKNOWLEDGE_EVERY;
  /** What came while input is held; undefined when it is not. */
  #pieces: Uint8Array[] | undefined;
  #pieceBytes = 0;

  /** @param handshake that of the side that this is, the server's by default */
  constructor(
    events: ConnectionEvents,
    options: ChunkReaderOptions = DEFAULT_CHUNK_READER_OPTIONS,
    handshake: Handshake = new ServerHandshake(),
  ) {
    this.#events = events;
    this.#chunks = new ChunkReader(options);
    this.#handshake = handshake;
  }

  /** For a client, whose turn is the first: sends what begins the handshake. Once. */
  begin(): void {
    const bytes = this.#handshake?.begin();
    if (bytes !== undefined && bytes.length > 0) this.#events.send(bytes);
  }

  /** Bytes received, the handshake included. */
  get bytesIn(): number {
    return this.#bytesIn;
  }

  /** Bytes of the chunks that the peer sends. */
  get peerChunkBytes(): number {
    return this.#chunks.chunkSize;
  }

  /** True once the handshake is over. */
  get ready(): boolean {
    return this.#handshake === undefined;
  }

  /** Replaces the limits on messages, for those that begin from now on. */
  setLimits(options: ChunkReaderOptions): void {
    this.#chunks.setLimits(options);
  }

  /**
   * Keeps input from now on, beginning after the message that is being handled: called from within `command` or while
   * nothing is read. What is pushed meanwhile is kept without a bound, see `heldBytes`.
   */
  hold(): void {
    if (this.#pieces !== undefined) return;
    this.#pieces = [];
    this.#chunks.hold();
  }

  /** Memory that held input takes. */
  get heldBytes(): number {
    return this.#pieceBytes + (this.#pieces === undefined ? 0 : this.#chunks.heldBytes);
  }

  /** Reads on, what was kept first. A message of that may hold the rest again. @throws ProtocolError like `push` */
  resume(): void {
    const pieces = this.#pieces;
    if (pieces === undefined) return;
    this.#pieces = undefined;
    this.#pieceBytes = 0;
    this.#chunks.release();
    this.#chunks.push(Buffer.concat(pieces), this.#onMessage);
  }

  /**
   * Feeds received bytes, of which nothing is kept that is not copied.
   * @throws ProtocolError for anything that breaks the protocol; the connection is then dead
   */
  push(bytes: Uint8Array): void {
    this.#bytesIn += bytes.length;
    if (this.#pieces === undefined) {
      const rest = this.#handshake === undefined ? bytes : this.#shake(bytes, this.#handshake);
      if (rest.length > 0) this.#chunks.push(rest, this.#onMessage);
    } else {
      this.#pieces.push(new Uint8Array(bytes));
      this.#pieceBytes += bytes.length + PIECE_BYTES;
    }
    // The window counts from the first byte after the handshake in some peers, from the very first in others;
    // acknowledging at half of it suits both.
    if (this.#bytesIn - this.#acknowledged >= this.#acknowledgeEvery / 2) {
      this.#acknowledged = this.#bytesIn;
      this.#events.send(acknowledgement(this.#bytesIn));
    }
  }

  /** Feeds the handshake; what follows it is given back. */
  #shake(bytes: Uint8Array, handshake: Handshake): Uint8Array {
    const rest = handshake.push(bytes, (answer) => this.#events.send(answer));
    if (rest === undefined) return bytes.subarray(bytes.length);
    this.#handshake = undefined;
    this.#events.shaken?.();
    return rest;
  }

  readonly #onMessage = (message: RtmpMessage): void => {
    const { payload } = message;
    switch (message.type) {
      case MESSAGE.video:
        return this.#events.video(payload, message.timestamp);
      case MESSAGE.audio:
        return this.#events.audio(payload, message.timestamp);
      case MESSAGE.command:
        return this.#command(payload, message.streamId);
      case MESSAGE.commandAmf3:
        // A byte that announces AMF3, then AMF0 values that may switch to AMF3 (§7.1.1).
        return this.#command(payload[0] === 0 ? payload.subarray(1) : payload, message.streamId);
      case MESSAGE.data:
        return this.#events.data(decodeAmf0(payload), message.timestamp);
      case MESSAGE.dataAmf3:
        return this.#events.data(decodeAmf0(payload[0] === 0 ? payload.subarray(1) : payload), message.timestamp);
      case MESSAGE.aggregate:
        return this.#aggregate(message);
      default:
        return this.#control(message);
    }
  };

  #command(payload: Uint8Array, streamId: number): void {
    const [name, transactionId, ...args] = decodeAmf0(payload);
    if (typeof name !== 'string') throw new ProtocolError('RTMP_BAD_COMMAND', 'command without a name');
    this.#events.command(name, typeof transactionId === 'number' ? transactionId : 0, args, streamId);
  }

  #control(message: RtmpMessage): void {
    const { payload } = message;
    const value = payload.length >= 4 ? new DataView(payload.buffer, payload.byteOffset).getUint32(0) : 0;
    switch (message.type) {
      case MESSAGE.setChunkSize:
        return this.#chunks.setChunkSize(value);
      case MESSAGE.abort:
        return this.#chunks.abort(value);
      case MESSAGE.windowAcknowledgementSize:
        if (value > 0) this.#acknowledgeEvery = Math.min(Math.max(value, 1024), MAX_ACKNOWLEDGE_EVERY);
        return;
      case MESSAGE.userControl:
        return this.#userControl(payload);
      default:
      // Acknowledgements, bandwidth limits, shared objects and unknown types ask nothing of us.
    }
  }

  #userControl(payload: Uint8Array): void {
    if (payload.length < 6) return;
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    const event = view.getUint16(0);
    if (event === USER_CONTROL.pingRequest) {
      this.#events.send(userControl(USER_CONTROL.pingResponse, view.getUint32(2)));
    } else if (event === USER_CONTROL.pingResponse) {
      this.#events.pong();
    } else {
      this.#events.streamEvent?.(event, view.getUint32(2));
    }
  }

  /** Splits an aggregate into its FLV tags; their times are relative to the first one's (§7.1.6). */
  #aggregate(message: RtmpMessage): void {
    const { payload } = message;
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    let base = -1;
    for (let at = 0; at + AGGREGATE_HEADER <= payload.length; ) {
      const type = view.getUint8(at) & 0x1f;
      const length = view.getUint32(at) & 0xffffff;
      const time = ((view.getUint8(at + 7) << 24) | (view.getUint32(at + 4) >>> 8)) >>> 0;
      const start = at + AGGREGATE_HEADER;
      if (start + length > payload.length)
        throw new ProtocolError('RTMP_BAD_AGGREGATE', 'tag reaches past its message');
      if (base < 0) base = time;
      if (type === MESSAGE.video || type === MESSAGE.audio || type === MESSAGE.data) {
        this.#onMessage({
          type,
          streamId: message.streamId,
          timestamp: (message.timestamp + time - base) >>> 0,
          payload: payload.subarray(start, start + length),
        });
      }
      at = start + length + AGGREGATE_TRAILER;
    }
  }
}
