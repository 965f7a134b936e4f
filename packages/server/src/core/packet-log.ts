/** What a log entry must tell so that the log can bound itself and find places to start. */
export interface LogEntry {
  /** Time on the stream's timeline, integer microseconds, that bounds the log's duration. */
  readonly dtsUs: number;
  /** Bytes that keeping this entry costs. */
  readonly byteLength: number;
  /** True when a new reader may start at this entry. */
  readonly startPoint: boolean;
}

export interface PacketLogOptions {
  /** Entries older than this, measured from the newest, are let go. Milliseconds. */
  readonly maxDurationMs: number;
  /** Entries are let go from the oldest while the sum of their bytes is over this. */
  readonly maxBytes: number;
}

const INITIAL_CAPACITY = 64;
/** What an entry costs beside its bytes: the objects that make it up. Counts for floods of tiny packets. */
const ENTRY_OVERHEAD_BYTES = 512;
/** A bound on the count as well: a flood of empty packets must not grow the ring without end. */
const MAX_ENTRIES = 1 << 16;

/**
 * A bounded ring of immutable entries, numbered from 0 without gaps, that any number of readers share by
 * keeping a sequence number each. Appending and reading neither allocate nor depend on the number of readers.
 */
export class PacketLog<T extends LogEntry> {
  readonly #maxDurationUs: number;
  readonly #maxBytes: number;
  #ring: (T | undefined)[] = new Array(INITIAL_CAPACITY);
  #start = 0;
  #end = 0;
  #bytes = 0;
  #lastStart = -1;

  constructor(options: PacketLogOptions) {
    this.#maxDurationUs = options.maxDurationMs * 1000;
    this.#maxBytes = options.maxBytes;
  }

  /** Sequence number of the oldest entry that is still kept. Equals `end` when the log is empty. */
  get start(): number {
    return this.#start;
  }

  /** Sequence number that the next entry will get. */
  get end(): number {
    return this.#end;
  }

  /** What keeping the entries costs: their `byteLength` and an allowance for each. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Sequence number of the newest start point that is still kept, or -1. */
  get lastStartPoint(): number {
    return this.#lastStart >= this.#start ? this.#lastStart : -1;
  }

  /** Sequence number of the oldest start point that is still kept, or -1. Walks the log: for joining, not per packet. */
  get firstStartPoint(): number {
    for (let i = this.#start; i < this.#end; i++) if (this.at(i)?.startPoint) return i;
    return -1;
  }

  /** Adds an entry and lets go of what is over the bounds; the newest entry always stays. */
  append(entry: T): void {
    if (this.#end - this.#start === this.#ring.length) this.#grow();
    this.#ring[this.#end % this.#ring.length] = entry;
    if (entry.startPoint) this.#lastStart = this.#end;
    this.#end++;
    this.#bytes += entry.byteLength + ENTRY_OVERHEAD_BYTES;
    this.#trim(entry.dtsUs);
  }

  /** The entry with that number, or undefined when it has been let go or is not there yet. */
  at(sequence: number): T | undefined {
    if (sequence < this.#start || sequence >= this.#end) return undefined;
    return this.#ring[sequence % this.#ring.length];
  }

  /** Lets go of all entries; numbers go on. */
  clear(): void {
    this.#ring = new Array(INITIAL_CAPACITY);
    this.#start = this.#end;
    this.#bytes = 0;
    this.#lastStart = -1;
  }

  #trim(newestUs: number): void {
    while (this.#end - this.#start > 1) {
      const oldest = this.#ring[this.#start % this.#ring.length];
      if (oldest === undefined) return;
      const over =
        this.#bytes > this.#maxBytes ||
        newestUs - oldest.dtsUs > this.#maxDurationUs ||
        this.#end - this.#start > MAX_ENTRIES;
      if (!over) return;
      this.#ring[this.#start % this.#ring.length] = undefined;
      this.#bytes -= oldest.byteLength + ENTRY_OVERHEAD_BYTES;
      this.#start++;
    }
  }

  #grow(): void {
    const larger: (T | undefined)[] = new Array(this.#ring.length * 2);
    for (let i = this.#start; i < this.#end; i++) larger[i % larger.length] = this.#ring[i % this.#ring.length];
    this.#ring = larger;
  }
}
