import { ProtocolError } from '../../packet.ts';
import { readU16, readU24, writeU16, writeU24 } from '../bytes.ts';
import type { FeedbackHeader, TwccArrival, TwccFeedback } from './rtcp-packet.ts';

// draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1, after the SSRCs of the feedback header:
//
//   |      base sequence number     |      packet status count      |
//   |                 reference time                | fb pkt. count |
//   |          packet chunk         |   packet chunk ... recv delta ...

const HEADER_BYTES = 8;
const TICK_US = 250;
const REFERENCE_MS = 64;
const REFERENCE_US = REFERENCE_MS * 1000;

/** Packet status symbols, §3.1.1; the other one is reserved. */
const NOT_RECEIVED = 0;
const SMALL_DELTA = 1;
const LARGE_DELTA = 2;

const MAX_RUN = 0x1fff;
const ONE_BIT_SYMBOLS = 14;
const TWO_BIT_SYMBOLS = 7;
const MAX_DELTA_TICKS = 0x7fff;

/**
 * Parses what follows the SSRCs. Sequence numbers that did not arrive cost nothing, so that a long run of them in a
 * short packet does not either.
 * @throws ProtocolError RTCP_BAD_PACKET
 */
export function parseTwcc(body: Uint8Array): Omit<TwccFeedback, keyof FeedbackHeader> {
  if (body.length < HEADER_BYTES) throw badTwcc('it is cut off');
  const baseSequence = readU16(body, 0);
  const packetCount = readU16(body, 2);
  const { received, end } = parseChunks(body, packetCount);
  return {
    baseSequence,
    packetCount,
    referenceTimeMs: ((readU24(body, 4) << 8) >> 8) * REFERENCE_MS,
    feedbackCount: body[7] ?? 0,
    arrivals: parseDeltas(body, end, { received, baseSequence }),
  };
}

/** Distance from the base sequence number and symbol of a packet in one number: an object for each would be dear. */
const SYMBOL_BITS = 2;
const SYMBOL_MASK = 3;

function parseChunks(body: Uint8Array, packetCount: number): { received: number[]; end: number } {
  const received: number[] = [];
  let position = HEADER_BYTES;
  let index = 0;
  const add = (symbol: number): void => {
    if (symbol !== NOT_RECEIVED && index < packetCount) {
      if (symbol > LARGE_DELTA) throw badTwcc('a reserved packet status');
      received.push((index << SYMBOL_BITS) | symbol);
    }
    index += 1;
  };
  while (index < packetCount) {
    if (position + 2 > body.length) throw badTwcc('the packet statuses are cut off');
    const chunk = readU16(body, position);
    position += 2;
    if (chunk >> 15 === 0) {
      const symbol = (chunk >> 13) & 3;
      const run = Math.min(chunk & MAX_RUN, packetCount - index);
      // Each one needs a byte below; without this, a few bytes could ask for 65535 objects.
      if (symbol !== NOT_RECEIVED && run > body.length) throw badTwcc('more arrivals than bytes');
      if (symbol === NOT_RECEIVED) index += run;
      else for (let count = 0; count < run; count += 1) add(symbol);
    } else if ((chunk & 0x4000) === 0) {
      for (let bit = ONE_BIT_SYMBOLS - 1; bit >= 0; bit -= 1) add((chunk >> bit) & 1);
    } else {
      for (let pair = TWO_BIT_SYMBOLS - 1; pair >= 0; pair -= 1) add((chunk >> (2 * pair)) & 3);
    }
  }
  return { received, end: position };
}

function parseDeltas(
  body: Uint8Array,
  start: number,
  { received, baseSequence }: { received: readonly number[]; baseSequence: number },
): TwccArrival[] {
  const arrivals: TwccArrival[] = [];
  let position = start;
  let ticks = 0;
  for (const packet of received) {
    const index = packet >> SYMBOL_BITS;
    const symbol = packet & SYMBOL_MASK;
    if (position + symbol > body.length) throw badTwcc('the arrival times are cut off');
    ticks += symbol === SMALL_DELTA ? (body[position] ?? 0) : (readU16(body, position) << 16) >> 16;
    position += symbol;
    arrivals.push({ sequence: (baseSequence + index) & 0xffff, arrivalUs: ticks * TICK_US });
  }
  return arrivals;
}

/** When packets arrived, for `twccFeedback`. */
export interface TwccArrivalTime {
  /** Transport-wide sequence number, unwrapped by the receiver. */
  readonly sequence: number;
  /** On the receiver's clock, microseconds. */
  readonly arrivalUs: number;
}

/**
 * Puts arrivals into feedback packets: usually one, more when there are too many of them or when two arrived over 8 s
 * apart, which a packet cannot say. Feedback counts go on from `feedbackCount`.
 * @param arrivals In order of sequence number, each number once.
 * @returns bodies for `writeTwcc`, in order; their arrival times are rounded to 250 us.
 */
export function twccFeedback(arrivals: readonly TwccArrivalTime[], header: TwccFeedbackStart): TwccFeedback[] {
  const feedbacks: TwccFeedback[] = [];
  let start = 0;
  while (start < arrivals.length) {
    const feedback = takeFeedback(arrivals, start, {
      ...header,
      feedbackCount: (header.feedbackCount + feedbacks.length) & 0xff,
    });
    feedbacks.push(feedback);
    start += feedback.arrivals.length;
  }
  return feedbacks;
}

/** What `twccFeedback` needs beside the arrivals. */
export interface TwccFeedbackStart extends FeedbackHeader {
  /** Count of the first feedback packet. */
  readonly feedbackCount: number;
  /**
   * First sequence number (unwrapped) that the feedback is to be about; that of the first arrival by default, and
   * where it is 4096 or more before that.
   */
  readonly baseSequence?: number | undefined;
}

/** Keeps a feedback packet well below the size of a datagram. */
const MAX_ARRIVALS = 400;
const MAX_STATUSES = 4096;

function takeFeedback(arrivals: readonly TwccArrivalTime[], start: number, header: TwccFeedbackStart): TwccFeedback {
  const first = arrivals[start];
  const firstSequence = first?.sequence ?? 0;
  const wanted = start === 0 ? (header.baseSequence ?? firstSequence) : firstSequence;
  const base = wanted > firstSequence || firstSequence - wanted >= MAX_STATUSES ? firstSequence : wanted;
  const reference = Math.floor((first?.arrivalUs ?? 0) / REFERENCE_US);
  const taken: TwccArrival[] = [];
  let ticks = 0;
  let end = base;
  for (let index = start; index < arrivals.length && taken.length < MAX_ARRIVALS; index += 1) {
    const arrival = arrivals[index];
    if (arrival === undefined || arrival.sequence - base >= MAX_STATUSES) break;
    const nextTicks = Math.round((arrival.arrivalUs - reference * REFERENCE_US) / TICK_US);
    if (Math.abs(nextTicks - ticks) > MAX_DELTA_TICKS) break;
    ticks = nextTicks;
    taken.push({ sequence: arrival.sequence & 0xffff, arrivalUs: ticks * TICK_US });
    end = arrival.sequence + 1;
  }
  return {
    senderSsrc: header.senderSsrc,
    mediaSsrc: header.mediaSsrc,
    baseSequence: base & 0xffff,
    packetCount: end - base,
    referenceTimeMs: ((reference << 8) >> 8) * REFERENCE_MS,
    feedbackCount: header.feedbackCount & 0xff,
    arrivals: taken,
  };
}

/**
 * Writes what follows the SSRCs, padded to a multiple of four with zeros.
 * @throws RangeError when two arrivals are more than 32767 ticks of 250 us apart, which `twccFeedback` avoids.
 */
export function writeTwccBody(feedback: Omit<TwccFeedback, keyof FeedbackHeader>): Uint8Array {
  const symbols = new Uint8Array(feedback.packetCount);
  const deltas: number[] = [];
  let ticks = 0;
  for (const { sequence, arrivalUs } of feedback.arrivals) {
    const next = Math.round(arrivalUs / TICK_US);
    const delta = next - ticks;
    ticks = next;
    if (Math.abs(delta) > MAX_DELTA_TICKS) throw new RangeError(`arrival times ${delta} ticks apart`);
    const small = delta >= 0 && delta <= 0xff;
    symbols[(sequence - feedback.baseSequence) & 0xffff] = small ? SMALL_DELTA : LARGE_DELTA;
    if (small) deltas.push(delta);
    else deltas.push((delta >> 8) & 0xff, delta & 0xff);
  }
  const chunks = writeChunks(symbols);
  const length = HEADER_BYTES + 2 * chunks.length + deltas.length;
  const body = new Uint8Array((length + 3) & ~3);
  writeU16(body, 0, feedback.baseSequence);
  writeU16(body, 2, feedback.packetCount);
  writeU24(body, 4, Math.floor(feedback.referenceTimeMs / REFERENCE_MS));
  body[7] = feedback.feedbackCount;
  for (const [index, chunk] of chunks.entries()) writeU16(body, HEADER_BYTES + 2 * index, chunk);
  body.set(deltas, HEADER_BYTES + 2 * chunks.length);
  return body;
}

/** Greedy: a run where it covers more than a vector would, else the vector that takes in more symbols. */
function writeChunks(symbols: Uint8Array): number[] {
  const chunks: number[] = [];
  let position = 0;
  while (position < symbols.length) {
    const run = runLength(symbols, position);
    const reach = oneBitReach(symbols, position);
    if (run >= reach && (run > TWO_BIT_SYMBOLS || position + run === symbols.length)) {
      chunks.push(((symbols[position] ?? 0) << 13) | run);
      position += run;
    } else if (reach > TWO_BIT_SYMBOLS) {
      let chunk = 0x8000;
      for (let bit = 0; bit < reach; bit += 1) chunk |= (symbols[position + bit] ?? 0) << (ONE_BIT_SYMBOLS - 1 - bit);
      chunks.push(chunk);
      position += ONE_BIT_SYMBOLS;
    } else {
      let chunk = 0xc000;
      for (let pair = 0; pair < TWO_BIT_SYMBOLS; pair += 1) {
        chunk |= (symbols[position + pair] ?? 0) << (2 * (TWO_BIT_SYMBOLS - 1 - pair));
      }
      chunks.push(chunk);
      position += TWO_BIT_SYMBOLS;
    }
  }
  return chunks;
}

function runLength(symbols: Uint8Array, start: number): number {
  let end = start + 1;
  while (end < symbols.length && end - start < MAX_RUN && symbols[end] === symbols[start]) end += 1;
  return end - start;
}

/** How many symbols from `start` on a vector of bits can say; all of 14, or those up to the end. */
function oneBitReach(symbols: Uint8Array, start: number): number {
  const end = Math.min(symbols.length, start + ONE_BIT_SYMBOLS);
  for (let index = start; index < end; index += 1) if (symbols[index] === LARGE_DELTA) return 0;
  return end - start;
}

function badTwcc(reason: string): ProtocolError {
  return new ProtocolError('RTCP_BAD_PACKET', `bad transport-wide feedback: ${reason}`);
}
