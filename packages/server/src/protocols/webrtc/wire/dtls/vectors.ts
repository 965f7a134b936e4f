import { Alert, HandshakeError } from './alerts.ts';

function tooShort(): never {
  throw new HandshakeError(Alert.decodeError, 'a message ends too early');
}

/** Reads the presentation language of TLS (RFC 5246 §4) from one message. Gives views. */
export class VectorReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  /** @throws HandshakeError decode_error, as all others here */
  uint8(): number {
    return this.#bytes[this.#advance(1)] ?? tooShort();
  }

  uint16(): number {
    return this.#bytes.readUInt16BE(this.#advance(2));
  }

  uint24(): number {
    return this.#bytes.readUIntBE(this.#advance(3), 3);
  }

  bytes(length: number): Buffer {
    const at = this.#advance(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** `opaque x<min..2^8-1>`. */
  vector8(min = 0): Buffer {
    return this.#atLeast(min, this.bytes(this.uint8()));
  }

  /** `opaque x<min..2^16-1>`. */
  vector16(min = 0): Buffer {
    return this.#atLeast(min, this.bytes(this.uint16()));
  }

  /** `opaque x<min..2^24-1>`. */
  vector24(min = 0): Buffer {
    return this.#atLeast(min, this.bytes(this.uint24()));
  }

  /** `uint16 x<2..2^16-2>`. */
  list16(): number[] {
    return readList(this.vector16(2));
  }

  /** States that nothing may follow (RFC 5246 §7.2.2: decode_error when the length of a message is wrong). */
  end(): void {
    if (this.remaining > 0)
      throw new HandshakeError(Alert.decodeError, `${this.remaining} bytes too many in a message`);
  }

  #advance(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) tooShort();
    this.#at += length;
    return at;
  }

  #atLeast(min: number, value: Buffer): Buffer {
    return value.length < min ? tooShort() : value;
  }
}

/** Splits bytes into 16-bit numbers. @throws HandshakeError decode_error at an odd length */
export function readList(bytes: Buffer): number[] {
  if (bytes.length % 2 !== 0) throw new HandshakeError(Alert.decodeError, `list of ${bytes.length} bytes`);
  return Array.from({ length: bytes.length / 2 }, (_, index) => bytes.readUInt16BE(index * 2));
}

/** 8-bit number. */
export function uint8(value: number): Buffer {
  return Buffer.of(value);
}

/** 16-bit number. */
export function uint16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff);
}

function uint24(value: number): Buffer {
  return Buffer.of(value >> 16, (value >> 8) & 0xff, value & 0xff);
}

/** `opaque x<0..2^8-1>` of the parts together. */
export function vector8(...parts: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(parts);
  return Buffer.concat([uint8(value.length), value]);
}

/** `opaque x<0..2^16-1>` of the parts together. */
export function vector16(...parts: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(parts);
  return Buffer.concat([uint16(value.length), value]);
}

/** `opaque x<0..2^24-1>` of the parts together. */
export function vector24(...parts: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(parts);
  return Buffer.concat([uint24(value.length), value]);
}

/** `uint16 x<0..2^16-2>`. */
export function list16(values: readonly number[]): Buffer {
  return vector16(...values.map(uint16));
}
