import { ProtocolError } from '../packet.ts';

/** Reads big-endian bit fields, most significant bit first, as every MPEG bitstream is written. */
export class BitReader {
  readonly #data: Uint8Array;
  /** Position in bits from the start of the data. */
  #position = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  /** Bits that have not been read yet. */
  get bitsLeft(): number {
    return this.#data.length * 8 - this.#position;
  }

  /**
   * Reads an unsigned field of `count` bits, 0 to 32.
   * @throws ProtocolError BITSTREAM_END when fewer bits are left; nothing is consumed then.
   */
  bits(count: number): number {
    if (count > this.bitsLeft) throw new ProtocolError('BITSTREAM_END', `need ${count} bits, have ${this.bitsLeft}`);
    let value = 0;
    let wanted = count;
    while (wanted > 0) {
      const byte = this.#data[this.#position >>> 3] ?? 0;
      const available = 8 - (this.#position & 7);
      const taken = Math.min(wanted, available);
      const field = (byte >>> (available - taken)) & ((1 << taken) - 1);
      // Multiplication keeps 32-bit fields unsigned, a shift would not.
      value = value * 2 ** taken + field;
      this.#position += taken;
      wanted -= taken;
    }
    return value;
  }

  /**
   * Reads one bit as a boolean.
   * @throws ProtocolError BITSTREAM_END at the end of the data.
   */
  flag(): boolean {
    return this.bits(1) === 1;
  }

  /**
   * Reads an unsigned Exp-Golomb code, ue(v) of ITU-T H.264 §9.1, 0 to 2^32 - 2.
   * @throws ProtocolError BITSTREAM_END at the end of the data, BITSTREAM_BAD_UE for a code longer than 63 bits.
   */
  ue(): number {
    let zeros = 0;
    while (!this.flag()) {
      zeros += 1;
      if (zeros > 31) throw new ProtocolError('BITSTREAM_BAD_UE', 'Exp-Golomb code exceeds 32 bits');
    }
    return 2 ** zeros - 1 + this.bits(zeros);
  }

  /**
   * Reads a signed Exp-Golomb code, se(v) of ITU-T H.264 §9.1.1.
   * @throws ProtocolError as {@link BitReader.ue} does.
   */
  se(): number {
    const code = this.ue();
    if (code === 0) return 0;
    return code % 2 === 1 ? (code + 1) / 2 : -code / 2;
  }

  /**
   * Passes over `count` bits, any number.
   * @throws ProtocolError BITSTREAM_END when fewer bits are left.
   */
  skip(count: number): void {
    if (count > this.bitsLeft)
      throw new ProtocolError('BITSTREAM_END', `cannot skip ${count} of ${this.bitsLeft} bits`);
    this.#position += count;
  }
}

/** Writes big-endian bit fields; meant for headers and frames of a few bytes. */
export class BitWriter {
  readonly #bytes: number[] = [];
  #bitCount = 0;

  /** Appends the low `count` bits (0 to 32) of the unsigned integer `value`. */
  bits(value: number, count: number): void {
    for (let shift = count - 1; shift >= 0; shift -= 1) {
      const bit = Math.floor(value / 2 ** shift) % 2;
      const index = this.#bitCount >>> 3;
      this.#bytes[index] = (this.#bytes[index] ?? 0) | (bit << (7 - (this.#bitCount & 7)));
      this.#bitCount += 1;
    }
  }

  /** Appends an unsigned Exp-Golomb code, ue(v) of ITU-T H.264 §9.1, for 0 to 2^31 - 2. */
  ue(value: number): void {
    const bitCount = 32 - Math.clz32(value + 1);
    this.bits(0, bitCount - 1);
    this.bits(value + 1, bitCount);
  }

  /** Appends `count` bits, any number, out of another bitstream. */
  copy(reader: BitReader, count: number): void {
    for (let left = count; left > 0; left -= 8) {
      const taken = Math.min(8, left);
      this.bits(reader.bits(taken), taken);
    }
  }

  /** Number of bits written so far. */
  get bitCount(): number {
    return this.#bitCount;
  }

  /** Everything written so far; the last byte is padded with zero bits. */
  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

/**
 * Removes emulation prevention bytes: every 03 after 00 00 (ITU-T H.264 §7.4.1).
 * Returns a copy, header byte included, so that the result can be read bit by bit.
 */
export function unescapeRbsp(nal: Uint8Array): Uint8Array {
  const rbsp = new Uint8Array(nal.length);
  let length = 0;
  let zeros = 0;
  for (const byte of nal) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    rbsp[length] = byte;
    length += 1;
  }
  return rbsp.subarray(0, length);
}

/** Inserts emulation prevention bytes, a 03 wherever 00 00 would be followed by 00 to 03 (ITU-T H.264 §7.4.1). */
export function escapeRbsp(rbsp: Uint8Array): Uint8Array {
  const nal: number[] = [];
  let zeros = 0;
  for (const byte of rbsp) {
    if (zeros === 2 && byte <= 3) {
      nal.push(3);
      zeros = 0;
    }
    nal.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return Uint8Array.from(nal);
}
