import type { MediaPacket } from '@sluice/media';
import { PackedPackets } from './packed-packets.ts';
import { type LogEntry, PacketLog } from './packet-log.ts';
import type { StreamState } from './stream.ts';

/** One entry of a stream's log: the packet with the state that it needs. */
export interface StreamEntry extends LogEntry {
  readonly packet: MediaPacket;
  readonly state: StreamState;
}

/** So many of the newest entries, once read, stay the same objects: readers of a stream are about as far as each other. */
const SHARED_ENTRIES = 128;

/**
 * The packets of a stream. Those that were given to be copied are kept as bytes, and become objects when they are read: what
 * nobody reads costs the garbage collector nothing. An entry that was read long after it came is another object each time.
 */
export class StreamLog extends PacketLog<StreamEntry> {
  readonly #packed = new PackedPackets();

  /** Adds a copy of a packet, whose units may lie in memory that is written again. See `append`. */
  appendCopy(entry: StreamEntry): void {
    this.#packed.add(this.end, entry.packet, entry.state);
    this.note(entry, undefined);
    const old = this.end - 1 - SHARED_ENTRIES;
    if (this.#packed.has(old)) this.setObject(old, undefined);
  }

  override at(sequence: number): StreamEntry | undefined {
    const kept = super.at(sequence);
    if (kept !== undefined || !this.has(sequence)) return kept;
    const opened = this.#packed.open(sequence);
    if (opened === undefined) return undefined;
    const { packet, state } = opened;
    const byteLength = this.costAt(sequence);
    const entry = { packet, state, dtsUs: packet.dtsUs, byteLength, startPoint: this.startsAt(sequence) };
    if (sequence >= this.end - SHARED_ENTRIES) this.setObject(sequence, entry);
    return entry;
  }

  override clear(): void {
    super.clear();
    this.#packed.clear();
  }

  protected override letGo(sequence: number): void {
    this.#packed.free(sequence);
  }
}
