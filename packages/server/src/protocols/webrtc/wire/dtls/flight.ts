import { ContentType } from './constants.ts';
import type { FlightItem } from './handshake.ts';
import { HANDSHAKE_HEADER_BYTES, type HandshakeMessage, writeFragmentHeader } from './reassembly.ts';
import type { RecordWriter } from './records.ts';

/** Shortest datagrams that we can be made to send. */
export const MIN_MTU = 256;
/** First wait for an answer. RFC 6347 §4.2.4.1 has 1 s; media wants less, and ICE has shown the path to be short. */
const FIRST_TIMEOUT_MS = 150;
/**
 * The wait doubles up to this one. Doubled without end, a flight would be sent 8 times in the 38 s below; where a fifth of
 * all datagrams is lost, the last exchange then fails in 0.36^8, one handshake of 3,500, and most of the time is idle.
 */
const MAX_TIMEOUT_MS = 2400;
/** How often a flight is sent before the peer counts as gone. The last wait ends 38.25 s after the first try. */
const MAX_TRIES = 19;
/** After this many tries the datagrams get smaller: perhaps they are lost because they are too long. */
const FULL_SIZE_TRIES = 3;
/** How often a flight is sent because the peer repeated its own, and how far apart at least. */
const MAX_REPEATS = 32;
const REPEAT_INTERVAL_MS = 75;
/** A message is cut rather than begun in the next datagram when at least this much of it fits. */
const MIN_FRAGMENT_BYTES = 48;

/** Writers of the two epochs. */
export interface Writers {
  readonly plain: RecordWriter;
  /** There from the moment the keys are known. */
  secured: RecordWriter | undefined;
}

/**
 * Packs a flight into datagrams no longer than `mtu`: several records in one (RFC 6347 §4.1.1), long messages in
 * fragments (§4.2.3). Done anew for each repetition, because each record needs a number of its own.
 */
export function packFlight(items: readonly FlightItem[], writers: Writers, mtu: number): Buffer[] {
  const datagrams: Buffer[] = [];
  let records: Buffer[] = [];
  let room = mtu;
  const flush = () => {
    if (records.length > 0) datagrams.push(Buffer.concat(records));
    records = [];
    room = mtu;
  };
  const add = (record: Buffer) => {
    records.push(record);
    room -= record.length;
  };
  for (const item of items) {
    if (item.kind === 'change-cipher-spec') {
      if (room < writers.plain.overheadBytes + 1) flush();
      add(writers.plain.write(ContentType.changeCipherSpec, Buffer.of(1)));
      continue;
    }
    const writer = item.epoch === 0 ? writers.plain : writers.secured;
    if (writer === undefined) throw new Error('flight of epoch 1 without keys');
    const { body } = item.message;
    let offset = 0;
    do {
      const left = body.length - offset;
      if (room < writer.overheadBytes + HANDSHAKE_HEADER_BYTES + Math.min(left, MIN_FRAGMENT_BYTES)) flush();
      const bytes = Math.min(left, room - writer.overheadBytes - HANDSHAKE_HEADER_BYTES);
      add(writer.write(ContentType.handshake, fragmentOf(item.message, offset, bytes)));
      offset += bytes;
    } while (offset < body.length);
  }
  flush();
  return datagrams;
}

function fragmentOf({ type, sequence, body }: HandshakeMessage, offset: number, bytes: number): Buffer {
  const fragment = Buffer.allocUnsafe(HANDSHAKE_HEADER_BYTES + bytes);
  writeFragmentHeader(fragment, { type, length: body.length, sequence, offset, fragmentLength: bytes });
  body.copy(fragment, HANDSHAKE_HEADER_BYTES, offset, offset + bytes);
  return fragment;
}

/** Our flight that waits for an answer, or that the peer may ask for again (RFC 6347 §4.2.4). */
export class Flight {
  readonly items: readonly FlightItem[];
  /** The last message of the peer's flight before this one; undefined for the very first. */
  readonly answers: number | undefined;
  readonly #awaitsAnswer: boolean;
  #tries = 1;
  #repeats = 0;
  #sentAtMs: number;
  #timeoutMs = FIRST_TIMEOUT_MS;
  #dueAtMs: number;

  /** The flight counts as sent at `sentAtMs`. */
  constructor(items: readonly FlightItem[], o: { answers?: number; awaitsAnswer: boolean; sentAtMs: number }) {
    this.items = items;
    this.answers = o.answers;
    this.#awaitsAnswer = o.awaitsAnswer;
    this.#sentAtMs = o.sentAtMs;
    this.#dueAtMs = o.sentAtMs + FIRST_TIMEOUT_MS;
  }

  /** How long datagrams may be now, of `mtu` bytes (RFC 6347 §4.1.1.1: smaller after some tries without answer). */
  maxDatagramBytes(mtu: number): number {
    return this.#tries > FULL_SIZE_TRIES ? Math.max(MIN_MTU, Math.trunc(mtu / 2)) : mtu;
  }

  /** What the clock asks for: nothing, to send the flight again, or to give up. */
  tick(nowMs: number): 'wait' | 'send' | 'give up' {
    if (!this.#awaitsAnswer || nowMs < this.#dueAtMs) return 'wait';
    if (this.#tries >= MAX_TRIES) return 'give up';
    this.#tries += 1;
    this.#timeoutMs = Math.min(2 * this.#timeoutMs, MAX_TIMEOUT_MS);
    this.#dueAtMs = nowMs + this.#timeoutMs;
    this.#sentAtMs = nowMs;
    return 'send';
  }

  /** The peer has repeated the flight that this one answers: true when it shall be sent again. */
  repeat(nowMs: number): boolean {
    if (this.#repeats >= MAX_REPEATS || nowMs - this.#sentAtMs < REPEAT_INTERVAL_MS) return false;
    this.#repeats += 1;
    this.#sentAtMs = nowMs;
    // RFC 6347 §4.2.4: the timer begins anew.
    this.#dueAtMs = nowMs + this.#timeoutMs;
    return true;
  }
}
