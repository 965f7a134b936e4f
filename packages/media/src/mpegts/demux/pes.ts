const FIXED_HEADER_BYTES = 9;
const MAX_HEADER_BYTES = FIXED_HEADER_BYTES + 255;

/** What a PES packet's header says (ISO 13818-1 §2.4.3.6), and the transport packet in which it begins. */
export interface PesStart {
  /** Ticks of 90 kHz, 33 bits. */
  readonly pts: number | undefined;
  /** The same as `pts` where the header has none. */
  readonly dts: number | undefined;
  /** random_access_indicator: a decoder can start here. */
  readonly randomAccess: boolean;
  /** An access unit begins with its first byte (data_alignment_indicator). */
  readonly aligned: boolean;
  /** Bytes that follow; undefined when the packet ends where the next one begins. */
  readonly payloadBytes: number | undefined;
}

/** Takes the payloads of the PES packets of one elementary stream. */
export interface PesSink {
  /** A packet begins. What came before was whole, unless `lost` was called. */
  begin(start: PesStart): void;
  /** Valid only in the call. */
  data(bytes: Uint8Array): void;
  /** The packet is whole; not called for packets that do not tell their length. */
  end(): void;
  /** Bytes are missing from what came so far, or before what comes next. */
  lost(): void;
}

export interface PesEvents {
  onScrambled(): void;
  onBroken(): void;
}

/** Takes PES packets apart: their headers, and their payloads as they come. */
export class PesReader {
  readonly #sink: PesSink;
  readonly #events: PesEvents;
  readonly #header = new Uint8Array(MAX_HEADER_BYTES);
  #headerLength = 0;
  #state: 'idle' | 'header' | 'payload' = 'idle';
  /** Bytes of payload that are still to come; undefined when that is not known. */
  #left: number | undefined;
  #randomAccess = false;

  constructor(sink: PesSink, events: PesEvents) {
    this.#sink = sink;
    this.#events = events;
  }

  /** True where the last packet told its length and came to it. */
  get isWhole(): boolean {
    return this.#state === 'idle';
  }

  /** Takes the payload of a transport packet. */
  push(payload: Uint8Array, isStart: boolean, randomAccess: boolean): void {
    if (isStart) {
      // One that told its length and has not come to it: transport packets are missing, though no counter says so.
      if (this.#state !== 'idle' && (this.#state === 'header' || this.#left !== undefined)) this.#fail();
      this.#state = 'header';
      this.#headerLength = 0;
      this.#randomAccess = randomAccess;
    }
    if (this.#state === 'header') this.#readHeader(payload);
    else if (this.#state === 'payload') this.#pass(payload);
  }

  /** Transport packets are missing. */
  lost(): void {
    this.#state = 'idle';
    this.#sink.lost();
  }

  #fail(): void {
    this.#events.onBroken();
    this.lost();
  }

  #readHeader(payload: Uint8Array): void {
    let at = 0;
    while (this.#headerLength < this.#headerWanted() && at < payload.length) {
      const taken = payload.subarray(at, at + this.#headerWanted() - this.#headerLength);
      this.#header.set(taken, this.#headerLength);
      this.#headerLength += taken.length;
      at += taken.length;
    }
    if (this.#headerLength < this.#headerWanted()) return;
    if (!this.#begin()) return;
    this.#pass(payload.subarray(at));
  }

  #headerWanted(): number {
    return this.#headerLength < FIXED_HEADER_BYTES
      ? FIXED_HEADER_BYTES
      : FIXED_HEADER_BYTES + (this.#header[FIXED_HEADER_BYTES - 1] ?? 0);
  }

  /** Reads the header, which is whole; false when the packet can't be used. */
  #begin(): boolean {
    const header = this.#header.subarray(0, this.#headerLength);
    const [zero, zeros, one, , , , marks = 0, flags = 0] = header;
    if (zero !== 0 || zeros !== 0 || one !== 1 || (marks & 0xc0) !== 0x80) {
      this.#fail();
      return false;
    }
    if ((marks & 0x30) !== 0) {
      this.#events.onScrambled();
      this.lost();
      return false;
    }
    const length = ((header[4] ?? 0) << 8) | (header[5] ?? 0);
    const payloadBytes = length === 0 ? undefined : length + 6 - header.length;
    if (payloadBytes !== undefined && payloadBytes < 0) {
      this.#fail();
      return false;
    }
    const pts = (flags & 0x80) === 0 ? undefined : readTimestamp(header, 9);
    const dts = (flags & 0xc0) === 0xc0 ? readTimestamp(header, 14) : undefined;
    this.#left = payloadBytes;
    this.#state = 'payload';
    const aligned = (marks & 4) !== 0;
    this.#sink.begin({ pts, dts: dts ?? pts, randomAccess: this.#randomAccess, aligned, payloadBytes });
    return true;
  }

  #pass(bytes: Uint8Array): void {
    if (this.#left === undefined) {
      if (bytes.length > 0) this.#sink.data(bytes);
      return;
    }
    const own = bytes.subarray(0, this.#left);
    this.#left -= own.length;
    if (own.length > 0) this.#sink.data(own);
    if (this.#left > 0) return;
    this.#state = 'idle';
    this.#sink.end();
  }
}

/** 33 bits in three groups, each closed by a marker bit; undefined when those are missing. */
function readTimestamp(header: Uint8Array, at: number): number | undefined {
  const [high = 0, b1 = 0, b2 = 0, b3 = 0, b4 = 0] = header.subarray(at, at + 5);
  if (at + 5 > header.length || (high & b2 & b4 & 1) === 0) return undefined;
  return ((high >> 1) & 7) * 2 ** 30 + ((b1 << 22) | ((b2 >> 1) << 15) | (b3 << 7) | (b4 >> 1));
}
