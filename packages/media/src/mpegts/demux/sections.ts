import { crc32 } from '../psi.ts';
import type { Section } from '../ts-packet.ts';

/** Longest section with tables of programmes (ISO 13818-1 §2.4.4.4), with its first three bytes. */
const MAX_SECTION_BYTES = 1024;
const HEADER_BYTES = 3;
/** From the table's id to the end: long header and check sum. */
const MIN_BYTES = 12;

/** A section with its check sum proved. */
export interface CheckedSection extends Section {
  /** `table_id_extension`: number of the programme, or of the transport stream. */
  readonly extension: number;
  readonly number: number;
}

export interface SectionEvents {
  /** A section that is in force; the same one again and again. Valid only in the call. */
  onSection(section: CheckedSection): void;
  /** One that can't be read. */
  onBroken(): void;
}

/** Puts the sections of one PID together (ISO 13818-1 §2.4.4). */
export class SectionAssembler {
  readonly #events: SectionEvents;
  readonly #bytes = new Uint8Array(MAX_SECTION_BYTES);
  /** Bytes of the section so far; -1 while none has begun. */
  #length = -1;

  constructor(events: SectionEvents) {
    this.#events = events;
  }

  /** Takes the payload of a transport packet. */
  push(payload: Uint8Array, isStart: boolean): void {
    if (!isStart) {
      if (this.#length >= 0) this.#append(payload, false);
      return;
    }
    const pointer = payload[0] ?? 0;
    if (this.#length >= 0) this.#append(payload.subarray(1, 1 + pointer), true);
    this.#length = 0;
    this.#append(payload.subarray(1 + pointer), false);
  }

  /** Bytes are missing. */
  lost(): void {
    this.#length = -1;
  }

  /** `last`: no byte of the section that is open comes after these. */
  #append(data: Uint8Array, last: boolean): void {
    let at = 0;
    while (at < data.length && this.#length >= 0) {
      // Stuffing goes on to the end of the packet.
      if (this.#length === 0 && data[at] === 0xff) return this.lost();
      const wanted = this.#wanted();
      if (wanted > MAX_SECTION_BYTES) {
        this.#events.onBroken();
        return this.lost();
      }
      const taken = data.subarray(at, at + wanted - this.#length);
      this.#bytes.set(taken, this.#length);
      this.#length += taken.length;
      at += taken.length;
      // Once the header is there, more is wanted, unless the section is empty.
      if (this.#length === this.#wanted()) this.#finish();
    }
    if (last && this.#length > 0) this.#events.onBroken();
  }

  /** Bytes of the open section, as far as they can be told. */
  #wanted(): number {
    if (this.#length < HEADER_BYTES) return HEADER_BYTES;
    return HEADER_BYTES + (((this.#bytes[1] ?? 0) & 0x0f) << 8) + (this.#bytes[2] ?? 0);
  }

  #finish(): void {
    const bytes = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    // Sections in the short form are none of the tables of programmes.
    if (((bytes[1] ?? 0) & 0x80) === 0) return;
    if (bytes.length < MIN_BYTES || crc32(bytes) !== 0) return this.#events.onBroken();
    // One that is told ahead of its time (current_next_indicator 0) comes again.
    if (((bytes[5] ?? 0) & 1) === 0) return;
    this.#events.onSection({
      tableId: bytes[0] ?? 0,
      extension: ((bytes[3] ?? 0) << 8) | (bytes[4] ?? 0),
      number: bytes[6] ?? 0,
      body: bytes.subarray(8, bytes.length - 4),
    });
  }
}
