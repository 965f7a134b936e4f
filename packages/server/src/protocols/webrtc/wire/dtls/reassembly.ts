import { Alert, HandshakeError } from './alerts.ts';
import { VectorReader } from './vectors.ts';

/**
 * A piece of a handshake message (RFC 6347 §4.2.2):
 *
 *     0      1        4          6          9          12
 *     +------+--------+----------+----------+----------+------
 *     | type | length | sequence | offset   | length   | bytes
 *     +------+--------+----------+----------+----------+------
 */
export interface Fragment {
  readonly type: number;
  /** Length of the whole message, without header. */
  readonly length: number;
  readonly sequence: number;
  readonly offset: number;
  /** A view of the record. */
  readonly bytes: Buffer;
}

/** One whole handshake message. */
export interface HandshakeMessage {
  readonly type: number;
  readonly sequence: number;
  readonly body: Buffer;
  /** The message as it counts for the transcript: as if it had come in one fragment (RFC 6347 §4.2.6). */
  readonly bytes: Buffer;
}

/** Header of a handshake message or fragment. */
export const HANDSHAKE_HEADER_BYTES = 12;
/** Longest message: room for a certificate with a chain. */
export const MAX_MESSAGE_BYTES = 16 * 1024;
/** The longest flight has six messages. */
const MAX_AHEAD = 8;
/** Memory for messages under way together. */
const MAX_PENDING_BYTES = 32 * 1024;

interface Pending {
  readonly message: HandshakeMessage;
  /** 1 for each byte of the body that is there. */
  readonly present: Uint8Array;
  missing: number;
}

/** Writes the header of a fragment. */
export function writeFragmentHeader(
  target: Buffer,
  fragment: Omit<Fragment, 'bytes'> & { fragmentLength: number },
): void {
  target[0] = fragment.type;
  target.writeUIntBE(fragment.length, 1, 3);
  target.writeUInt16BE(fragment.sequence, 4);
  target.writeUIntBE(fragment.offset, 6, 3);
  target.writeUIntBE(fragment.fragmentLength, 9, 3);
}

/** Makes a message with its header as the transcript has it. */
export function handshakeMessage(type: number, sequence: number, body: Buffer): HandshakeMessage {
  const bytes = Buffer.alloc(HANDSHAKE_HEADER_BYTES + body.length);
  writeFragmentHeader(bytes, { type, length: body.length, sequence, offset: 0, fragmentLength: body.length });
  body.copy(bytes, HANDSHAKE_HEADER_BYTES);
  return { type, sequence, body: bytes.subarray(HANDSHAKE_HEADER_BYTES), bytes };
}

/**
 * Cuts the plaintext of a handshake record into its fragments; there may be several (RFC 6347 §4.2.3).
 * @throws HandshakeError decode_error
 */
export function readFragments(plaintext: Buffer): Fragment[] {
  const reader = new VectorReader(plaintext);
  const fragments: Fragment[] = [];
  do {
    const type = reader.uint8();
    const length = reader.uint24();
    const sequence = reader.uint16();
    const offset = reader.uint24();
    const bytes = reader.vector24();
    if (offset + bytes.length > length) {
      throw new HandshakeError(Alert.decodeError, `fragment ${offset}+${bytes.length} of a message of ${length} bytes`);
    }
    fragments.push({ type, length, sequence, offset, bytes });
  } while (reader.remaining > 0);
  return fragments;
}

/**
 * Puts handshake messages together and gives them in order, each once (RFC 6347 §4.2.2, §4.2.3). Memory is bounded,
 * whatever the headers claim: at most 32 KB for messages under way, and as much again to know which bytes are there.
 */
export class Reassembly {
  readonly #pending = new Map<number, Pending>();
  #pendingBytes = 0;
  #next = 0;

  /** Number of the message that is due. */
  get nextSequence(): number {
    return this.#next;
  }

  /**
   * Takes a fragment. What is too old, too far ahead or too much is dropped: the peer sends it again.
   * @throws HandshakeError when a message is too long, or fragments of one message contradict each other
   */
  push(fragment: Fragment): void {
    if (fragment.sequence < this.#next || fragment.sequence >= this.#next + MAX_AHEAD) return;
    if (fragment.length > MAX_MESSAGE_BYTES) {
      throw new HandshakeError(Alert.illegalParameter, `handshake message of ${fragment.length} bytes`);
    }
    if (fragment.bytes.length === 0 && fragment.length > 0) return;
    const pending = this.#pending.get(fragment.sequence) ?? this.#begin(fragment);
    if (pending === undefined) return;
    const { message } = pending;
    if (message.type !== fragment.type || message.body.length !== fragment.length) {
      throw new HandshakeError(
        Alert.illegalParameter,
        `fragments of message ${fragment.sequence} differ in type or length`,
      );
    }
    fill(pending, fragment);
  }

  /** Gives the message that is due once it is whole. */
  take(): HandshakeMessage | undefined {
    const pending = this.#pending.get(this.#next);
    if (pending === undefined || pending.missing > 0) return undefined;
    this.#forget(this.#next);
    this.#next += 1;
    return pending.message;
  }

  /** Forgets what is under way. Called between epochs: no message may have parts in two (RFC 6347 §4.1). */
  clear(): void {
    this.#pending.clear();
    this.#pendingBytes = 0;
  }

  #begin(fragment: Fragment): Pending | undefined {
    // The message that is due must always find room: what lies ahead of it comes again anyway.
    if (fragment.sequence === this.#next && this.#pendingBytes + fragment.length > MAX_PENDING_BYTES) this.clear();
    if (this.#pendingBytes + fragment.length > MAX_PENDING_BYTES) return undefined;
    const message = handshakeMessage(fragment.type, fragment.sequence, Buffer.alloc(fragment.length));
    const pending = { message, present: new Uint8Array(fragment.length), missing: fragment.length };
    this.#pending.set(fragment.sequence, pending);
    this.#pendingBytes += fragment.length;
    return pending;
  }

  #forget(sequence: number): void {
    this.#pendingBytes -= this.#pending.get(sequence)?.message.body.length ?? 0;
    this.#pending.delete(sequence);
  }
}

/** RFC 6347 §4.2.3: fragments may overlap, but then they must say the same. */
function fill(pending: Pending, { offset, bytes, sequence }: Fragment): void {
  const { body } = pending.message;
  for (let index = 0; index < bytes.length; index += 1) {
    const at = offset + index;
    if (pending.present[at] === 0) {
      body[at] = bytes[index] ?? 0;
      pending.present[at] = 1;
      pending.missing -= 1;
    } else if (body[at] !== bytes[index]) {
      throw new HandshakeError(Alert.illegalParameter, `fragments of message ${sequence} contradict each other`);
    }
  }
}
