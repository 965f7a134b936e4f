import { TS_PACKET_BYTES } from '../ts-output.ts';

const SYNC_BYTE = 0x47;
/** Plain; with the time stamp of M2TS before each packet; with the check bytes of DVB behind each packet. */
const SPACINGS = [TS_PACKET_BYTES, 192, 204];
/** So many sync bytes in their places make a transport stream: chance gives that once in 16 million bytes. */
const PACKETS_TO_TRUST = 3;
/** With less than this, more bytes may still tell. */
const SEARCH_BYTES = (PACKETS_TO_TRUST - 1) * 204 + TS_PACKET_BYTES;

/** Cuts bytes that come in any pieces into transport packets, and finds their beginnings again after junk. */
export class TsSplitter {
  /** Bytes that belong to no packet. */
  junkBytes = 0;
  readonly #onPacket: (bytes: Uint8Array, offset: number) => void;
  /** Distance of packets; 0 while nothing is known. */
  #spacing = 0;
  /** Bytes between two packets that have still to be passed over. */
  #skip = 0;
  #rest = new Uint8Array(SEARCH_BYTES);
  #restLength = 0;

  /** `onPacket` is given 188 bytes from `offset` on, which begin with a sync byte and are valid only in the call. */
  constructor(onPacket: (bytes: Uint8Array, offset: number) => void) {
    this.#onPacket = onPacket;
  }

  /** True while packets are where they are expected. */
  get synchronised(): boolean {
    return this.#spacing > 0;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    // What is left of the bytes before is completed piece by piece, until the new bytes can go on alone.
    while (this.#restLength > 0 && at < bytes.length) {
      const added = Math.min(bytes.length - at, SEARCH_BYTES - this.#restLength);
      this.#rest.set(bytes.subarray(at, at + added), this.#restLength);
      const before = this.#restLength;
      const length = before + added;
      const used = this.#take(this.#rest.subarray(0, length));
      if (used >= before) {
        at += used - before;
        this.#restLength = 0;
      } else {
        at += added;
        this.#rest.copyWithin(0, used, length);
        this.#restLength = length - used;
      }
    }
    if (at >= bytes.length) return;
    const fresh = at === 0 ? bytes : bytes.subarray(at);
    const used = this.#take(fresh);
    this.#rest.set(fresh.subarray(used));
    this.#restLength = fresh.length - used;
  }

  /** Gives out all whole packets; returns how many bytes are done with. Fewer than SEARCH_BYTES are left. */
  #take(bytes: Uint8Array): number {
    let at = 0;
    for (;;) {
      if (this.#skip > 0) {
        const passed = Math.min(this.#skip, bytes.length - at);
        this.#skip -= passed;
        at += passed;
      }
      if (this.#spacing === 0) {
        const found = this.#search(bytes, at);
        this.junkBytes += found - at;
        at = found;
        if (this.#spacing === 0) return at;
      }
      if (at + TS_PACKET_BYTES > bytes.length) return at;
      if (bytes[at] !== SYNC_BYTE) {
        this.#spacing = 0;
        continue;
      }
      this.#onPacket(bytes, at);
      at += TS_PACKET_BYTES;
      this.#skip = this.#spacing - TS_PACKET_BYTES;
    }
  }

  /** The first place where packets follow one another; where nothing more can be said, that place. */
  #search(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      if (bytes[at] !== SYNC_BYTE) continue;
      if (at + SEARCH_BYTES > bytes.length) {
        // The last bytes may hold fewer packets than ever will be followed by others: a single datagram, say.
        this.#spacing = this.#spacingAt(bytes, at, false);
        if (this.#spacing > 0 || this.#mayBe(bytes, at)) return at;
        continue;
      }
      this.#spacing = this.#spacingAt(bytes, at, true);
      if (this.#spacing > 0) return at;
    }
    return bytes.length;
  }

  #spacingAt(bytes: Uint8Array, at: number, whole: boolean): number {
    for (const spacing of SPACINGS) {
      const last = at + (PACKETS_TO_TRUST - 1) * spacing;
      if ((whole || last < bytes.length) && isSyncAt(bytes, at, spacing, PACKETS_TO_TRUST)) return spacing;
    }
    return 0;
  }

  /** True while no spacing is disproved. */
  #mayBe(bytes: Uint8Array, at: number): boolean {
    return SPACINGS.some((spacing) => {
      const known = Math.min(PACKETS_TO_TRUST, 1 + Math.floor((bytes.length - 1 - at) / spacing));
      return isSyncAt(bytes, at, spacing, known);
    });
  }
}

function isSyncAt(bytes: Uint8Array, at: number, spacing: number, count: number): boolean {
  for (let i = 0; i < count; i++) if (bytes[at + i * spacing] !== SYNC_BYTE) return false;
  return true;
}
