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

/** Rings have a power of two of places, so that the low bits of a number tell its place. */
const INITIAL_CAPACITY = 64;
/** What an entry costs beside its bytes: the objects that make it up. Counts for floods of tiny packets. */
const ENTRY_OVERHEAD_BYTES = 512;
/** A bound on the count as well: a flood of empty packets must not grow the ring without end. */
const MAX_ENTRIES = 1 << 16;

/**
 * A bounded ring of immutable entries, numbered from 0 without gaps, that any number of readers share by
 * keeping a sequence number each. Appending and reading neither allocate nor depend on the number of readers.
 * What the log itself must know of an entry lies in columns: a subclass need not keep an object for each.
 */
export class PacketLog<T extends LogEntry> {
  readonly #maxDurationUs: number;
  readonly #maxBytes: number;
  #mask = INITIAL_CAPACITY - 1;
  #ring: (T | undefined)[] = new Array(INITIAL_CAPACITY);
  #dtsUs = new Float64Array(INITIAL_CAPACITY);
  #costs = new Float64Array(INITIAL_CAPACITY);
  #starts = new Uint8Array(INITIAL_CAPACITY);
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
    for (let i = this.#start; i < this.#end; i++) if (this.#starts[i & this.#mask] === 1) return i;
    return -1;
  }

  /** Adds an entry and lets go of what is over the bounds; the newest entry always stays. */
  append(entry: T): void {
    this.note(entry, entry);
  }

  /** The entry with that number, or undefined when it has been let go or is not there yet. */
  at(sequence: number): T | undefined {
    return this.has(sequence) ? this.#ring[sequence & this.#mask] : undefined;
  }

  /** `dtsUs` of the entry with that number, or undefined like `at`; costs less than that where no object is kept. */
  dtsUsAt(sequence: number): number | undefined {
    return this.has(sequence) ? this.#dtsUs[sequence & this.#mask] : undefined;
  }

  /** True while the entry with that number is kept. */
  has(sequence: number): boolean {
    return sequence >= this.#start && sequence < this.#end;
  }

  /** Lets go of all entries; numbers go on. */
  clear(): void {
    this.#ring = new Array(INITIAL_CAPACITY);
    this.#dtsUs = new Float64Array(INITIAL_CAPACITY);
    this.#costs = new Float64Array(INITIAL_CAPACITY);
    this.#starts = new Uint8Array(INITIAL_CAPACITY);
    this.#mask = INITIAL_CAPACITY - 1;
    this.#start = this.#end;
    this.#bytes = 0;
    this.#lastStart = -1;
  }

  // Hot path: adds what the log must know of an entry, and the entry if it is to be kept as an object.
  protected note(about: LogEntry, entry: T | undefined): void {
    if (this.#end - this.#start > this.#mask) this.#grow();
    const at = this.#end & this.#mask;
    this.#ring[at] = entry;
    this.#dtsUs[at] = about.dtsUs;
    this.#costs[at] = about.byteLength;
    this.#starts[at] = about.startPoint ? 1 : 0;
    if (about.startPoint) this.#lastStart = this.#end;
    this.#end++;
    this.#bytes += about.byteLength + ENTRY_OVERHEAD_BYTES;
    this.#trim(about.dtsUs);
  }

  /** Keeps an object for an entry that has none, or none in place of it. */
  protected setObject(sequence: number, entry: T | undefined): void {
    if (this.has(sequence)) this.#ring[sequence & this.#mask] = entry;
  }

  /** `byteLength` of an entry that is kept. */
  protected costAt(sequence: number): number {
    return this.#costs[sequence & this.#mask] ?? 0;
  }

  /** True for an entry that is kept when a reader may start there. */
  protected startsAt(sequence: number): boolean {
    return this.#starts[sequence & this.#mask] === 1;
  }

  /** The entry with that number, the oldest one, is kept no longer. */
  protected letGo(_sequence: number): void {}

  #trim(newestUs: number): void {
    while (this.#end - this.#start > 1) {
      const at = this.#start & this.#mask;
      const over =
        this.#bytes > this.#maxBytes ||
        newestUs - (this.#dtsUs[at] ?? 0) > this.#maxDurationUs ||
        this.#end - this.#start > MAX_ENTRIES;
      if (!over) return;
      this.#ring[at] = undefined;
      this.#bytes -= (this.#costs[at] ?? 0) + ENTRY_OVERHEAD_BYTES;
      this.letGo(this.#start++);
    }
  }

  #grow(): void {
    const old = { mask: this.#mask, ring: this.#ring, dtsUs: this.#dtsUs, costs: this.#costs, starts: this.#starts };
    const capacity = (old.mask + 1) * 2;
    this.#mask = capacity - 1;
    this.#ring = new Array(capacity);
    this.#dtsUs = new Float64Array(capacity);
    this.#costs = new Float64Array(capacity);
    this.#starts = new Uint8Array(capacity);
    for (let i = this.#start; i < this.#end; i++) {
      const [from, to] = [i & old.mask, i & this.#mask];
      this.#ring[to] = old.ring[from];
      this.#dtsUs[to] = old.dtsUs[from] ?? 0;
      this.#costs[to] = old.costs[from] ?? 0;
      this.#starts[to] = old.starts[from] ?? 0;
    }
  }
}
