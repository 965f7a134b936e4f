/** Size of a transport packet and of its payload when it has no adaptation field (ISO 13818-1 §2.4.3.2). */
export const TS_PACKET_BYTES = 188;
export const TS_PAYLOAD_BYTES = 184;

const FLAG_RANDOM_ACCESS = 0x40;
const FLAG_PCR = 0x10;
/** Length, flags, and six bytes of PCR. */
const ADAPTATION_WITH_PCR_BYTES = 8;
const ADAPTATION_WITH_FLAGS_BYTES = 2;

/** What identifies the packets of one PID. */
export interface PidState {
  readonly pid: number;
  /** `continuity_counter` of the next packet with payload. */
  continuity: number;
}

/** What the adaptation field of a payload's first packet says. */
export interface FirstPacketFlags {
  /** A decoder can start here. */
  readonly randomAccess: boolean;
  /** Programme clock reference in ticks of 90 kHz, modulo 2^33. */
  readonly pcr?: number;
}

/** Cuts payloads into transport packets in one growing buffer. */
export class TsOutput {
  #bytes: Uint8Array;
  #length = 0;

  /** @param capacity bytes to allocate at once. */
  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
  }

  /** Writes a section, which with its pointer field must fit in one packet, and fills the packet up. */
  section(state: PidState, section: Uint8Array): void {
    const start = this.#beginPacket(state, true, false);
    this.#bytes.set(section, start + 4);
    this.#bytes.fill(0xff, start + 4 + section.length, start + TS_PACKET_BYTES);
  }

  /** Writes a PES packet given in pieces; the last transport packet is filled up by its adaptation field. */
  pes(state: PidState, pieces: readonly Uint8Array[], flags: FirstPacketFlags): void {
    let remaining = pieces.reduce((sum, piece) => sum + piece.length, 0);
    let index = 0;
    let consumed = 0;
    let isFirst = true;
    while (remaining > 0) {
      let adaptation = isFirst ? adaptationBytes(flags) : 0;
      const room = TS_PAYLOAD_BYTES - adaptation;
      if (remaining < room) adaptation += room - remaining;
      const start = this.#beginPacket(state, isFirst, adaptation > 0);
      this.#writeAdaptation(start + 4, adaptation, isFirst ? flags : undefined);

      let position = start + 4 + adaptation;
      const end = start + TS_PACKET_BYTES;
      remaining -= end - position;
      while (position < end) {
        const piece = pieces[index];
        if (piece === undefined) break;
        const count = Math.min(end - position, piece.length - consumed);
        this.#bytes.set(piece.subarray(consumed, consumed + count), position);
        position += count;
        consumed += count;
        if (consumed === piece.length) {
          index++;
          consumed = 0;
        }
      }
      isFirst = false;
    }
  }

  /** The packets written so far, as a copy that owns exact memory unless the buffer is exactly full. */
  finish(): Uint8Array {
    return this.#length === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, this.#length);
  }

  #beginPacket(state: PidState, isStart: boolean, hasAdaptation: boolean): number {
    const start = this.#length;
    this.#length += TS_PACKET_BYTES;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes[start] = 0x47;
    this.#bytes[start + 1] = (isStart ? 0x40 : 0) | (state.pid >>> 8);
    this.#bytes[start + 2] = state.pid & 0xff;
    this.#bytes[start + 3] = (hasAdaptation ? 0x30 : 0x10) | state.continuity;
    state.continuity = (state.continuity + 1) & 15;
    return start;
  }

  /** §2.4.3.4. A field of one byte is a mere length of zero: stuffing by a single byte. */
  #writeAdaptation(start: number, bytes: number, flags: FirstPacketFlags | undefined): void {
    if (bytes === 0) return;
    const out = this.#bytes;
    out.fill(0xff, start, start + bytes);
    out[start] = bytes - 1;
    if (bytes === 1) return;
    out[start + 1] = (flags?.randomAccess ? FLAG_RANDOM_ACCESS : 0) | (flags?.pcr === undefined ? 0 : FLAG_PCR);
    if (flags?.pcr === undefined) return;
    // 33 bits of base, six reserved bits that are one, nine bits of extension that are zero.
    const high = Math.floor(flags.pcr / 2);
    out[start + 2] = high >>> 24;
    out[start + 3] = (high >>> 16) & 0xff;
    out[start + 4] = (high >>> 8) & 0xff;
    out[start + 5] = high & 0xff;
    out[start + 6] = ((flags.pcr % 2) << 7) | 0x7e;
    out[start + 7] = 0;
  }
}

function adaptationBytes(flags: FirstPacketFlags): number {
  if (flags.pcr !== undefined) return ADAPTATION_WITH_PCR_BYTES;
  return flags.randomAccess ? ADAPTATION_WITH_FLAGS_BYTES : 0;
}
