import { type Codec, joinedBytes, type MediaPacket, splitAvcc, writeAvcc } from '@sluice/media';
import { CopyMemory, PacketMemory, type Slab } from './packet-memory.ts';
import type { StreamState } from './stream.ts';

const INITIAL_CAPACITY = 64;
/** Columns of a packet's marks. */
const KEY = 1;
const VIDEO = 2;

/** A packet that is made of what is kept of it, and the state that it needs. */
export interface OpenedPacket {
  readonly packet: MediaPacket;
  readonly state: StreamState;
}

/**
 * Packets as bytes in shared memory and numbers in columns, so that keeping them costs no object: a stream keeps thousands for
 * readers to come, and most of them are never read. They are added and let go in order; those of a log's numbers that are
 * not here have been left out.
 */
export class PackedPackets {
  readonly #memory = new PacketMemory();
  readonly #opened = new CopyMemory();
  /** Numbers from `#start` to `#end` have a place: their low bits tell it. */
  #start = 0;
  #end = 0;
  #mask = INITIAL_CAPACITY - 1;
  #slabs: (Slab | undefined)[] = new Array(INITIAL_CAPACITY);
  #states: (StreamState | undefined)[] = new Array(INITIAL_CAPACITY);
  #ptsUs = new Float64Array(INITIAL_CAPACITY);
  #dtsUs = new Float64Array(INITIAL_CAPACITY);
  #offsets = new Uint32Array(INITIAL_CAPACITY);
  #lengths = new Uint32Array(INITIAL_CAPACITY);
  #byteLengths = new Uint32Array(INITIAL_CAPACITY);
  #marks = new Uint8Array(INITIAL_CAPACITY);

  /**
   * Hot path: copies a packet, whose units may lie in memory that is written again.
   * @param sequence higher than that of the one before
   * @param state that the packet is published in: its track is that one's of its kind
   */
  add(sequence: number, packet: MediaPacket, state: StreamState): void {
    const { units, track } = packet;
    if (this.#start === this.#end) this.#start = sequence;
    this.#end = sequence + 1;
    if (this.#end - this.#start > this.#mask + 1) this.#grow();
    const length = isNal(track.codec) ? joinedBytes(units) : packet.byteLength;
    const slab = this.#memory.reserve(length);
    const { offset } = this.#memory;
    if (isNal(track.codec)) writeAvcc(slab.bytes, offset, units);
    else writeAll(slab.bytes, offset, units);
    const at = sequence & this.#mask;
    this.#slabs[at] = slab;
    this.#states[at] = state;
    this.#ptsUs[at] = packet.ptsUs;
    this.#dtsUs[at] = packet.dtsUs;
    this.#offsets[at] = offset;
    this.#lengths[at] = length;
    this.#byteLengths[at] = packet.byteLength;
    this.#marks[at] = (packet.key ? KEY : 0) | (track.kind === 'video' ? VIDEO : 0);
  }

  /** True while the packet with that number is kept here. */
  has(sequence: number): boolean {
    return sequence >= this.#start && sequence < this.#end && this.#slabs[sequence & this.#mask] !== undefined;
  }

  /** The packet with that number, made anew each time, with memory of its own. */
  open(sequence: number): OpenedPacket | undefined {
    const at = sequence & this.#mask;
    const [slab, state] = [this.#slabs[at], this.#states[at]];
    if (!this.has(sequence) || slab === undefined || state === undefined) return undefined;
    const marks = this.#marks[at] ?? 0;
    const track = (marks & VIDEO) === 0 ? state.audio : state.video;
    if (track === undefined) return undefined;
    const bytes = this.#opened.copy(slab.bytes, this.#offsets[at] ?? 0, this.#lengths[at] ?? 0);
    const packet: MediaPacket = {
      track,
      units: isNal(track.codec) ? splitAvcc(bytes, 4) : [bytes],
      ptsUs: this.#ptsUs[at] ?? 0,
      dtsUs: this.#dtsUs[at] ?? 0,
      key: (marks & KEY) !== 0,
      byteLength: this.#byteLengths[at] ?? 0,
    };
    return { packet, state };
  }

  /** Lets go of all up to and with that number. */
  free(sequence: number): void {
    for (; this.#start < this.#end && this.#start <= sequence; this.#start++) {
      const at = this.#start & this.#mask;
      const slab = this.#slabs[at];
      if (slab !== undefined) this.#memory.free(slab);
      this.#slabs[at] = undefined;
      this.#states[at] = undefined;
    }
  }

  /** Lets go of all. */
  clear(): void {
    this.free(this.#end);
    this.#memory.clear();
    if (this.#mask > INITIAL_CAPACITY - 1) this.#resize(INITIAL_CAPACITY);
  }

  #grow(): void {
    let capacity = this.#mask + 1;
    while (capacity < this.#end - this.#start) capacity *= 2;
    this.#resize(capacity);
  }

  #resize(capacity: number): void {
    const mask = this.#mask;
    const moved = <C extends { [at: number]: unknown }>(from: C, to: C): C => {
      for (let i = this.#start; i < this.#end; i++) to[i & (capacity - 1)] = from[i & mask];
      return to;
    };
    this.#slabs = moved(this.#slabs, new Array(capacity));
    this.#states = moved(this.#states, new Array(capacity));
    this.#ptsUs = moved(this.#ptsUs, new Float64Array(capacity));
    this.#dtsUs = moved(this.#dtsUs, new Float64Array(capacity));
    this.#offsets = moved(this.#offsets, new Uint32Array(capacity));
    this.#lengths = moved(this.#lengths, new Uint32Array(capacity));
    this.#byteLengths = moved(this.#byteLengths, new Uint32Array(capacity));
    this.#marks = moved(this.#marks, new Uint8Array(capacity));
    this.#mask = capacity - 1;
  }
}

/** True for codecs whose packets have several units: each is kept after its length. */
function isNal(codec: Codec): boolean {
  return codec === 'h264' || codec === 'h265';
}

function writeAll(target: Uint8Array, offset: number, units: readonly Uint8Array[]): void {
  let position = offset;
  for (let i = 0; i < units.length; i++) {
    const unit = units[i];
    if (unit === undefined) continue;
    target.set(unit, position);
    position += unit.length;
  }
}
