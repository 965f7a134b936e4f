import { canonicalTemporalUnit, parseAv1Sequence } from '../../codec/av1.ts';
import { type Av1Obu, isDroppedObu, OBU_SEQUENCE_HEADER, splitObus, withSizeField } from '../../codec/av1-obu.ts';
import { ProtocolError } from '../../packet.ts';
import { joinBytes } from '../bytes.ts';
import { Av1Payloads } from './av1-payloads.ts';
import {
  type DepacketizedFrame,
  MAX_FRAME_UNITS,
  type RtpDepacketizer,
  type RtpPacketizer,
  tooLarge,
} from './format.ts';
import { type FrameBuilder, FrameDepacketizer } from './frame-depacketizer.ts';
import { NewParameters } from './new-parameters.ts';

// RTP payload format for AV1 v1.0 §4.4, before the OBU elements:
//    0 1 2 3 4 5 6 7
//   |Z|Y| W |N|-|-|-|

/** The first element goes on from the packet before. */
const CONTINUES = 0x80;
/** The last element goes on in the next packet. */
const CONTINUED = 0x40;
/** First packet of a coded video sequence. */
const NEW_SEQUENCE = 0x08;
const OBU_TILE_GROUP = 4;

/**
 * Puts AV1 temporal units together (RTP payload format for AV1 v1.0). A temporal unit needs all its packets: one with a
 * loss is dropped, and so is one with broken OBUs. Broken payloads are refused with AV1_BAD_PAYLOAD. Parameters come
 * from the sequence headers of key frames.
 */
export function av1Depacketizer(parameters: readonly Uint8Array[] = []): RtpDepacketizer {
  return new FrameDepacketizer(new Av1Unit(parameters));
}

class Av1Unit implements FrameBuilder {
  readonly #parameters: NewParameters;
  /** Parts of OBUs; the last one may go on. */
  #obus: Uint8Array[][] = [];
  #continued = false;
  #broken = false;
  #doubtful = false;

  constructor(parameters: readonly Uint8Array[]) {
    this.#parameters = new NewParameters(parameters);
  }

  add(payload: Uint8Array, gap: boolean): void {
    const head = payload[0] ?? 0;
    const first = this.#obus.length === 0;
    if (gap && first) this.#doubtful = true;
    const continues = (head & CONTINUES) !== 0;
    if ((gap && !first) || continues !== this.#continued) this.#broken = true;
    const elements = splitElements(payload);
    for (const [index, element] of elements.entries()) {
      const open = index === 0 && continues ? this.#obus.at(-1) : undefined;
      if (open !== undefined) open.push(element);
      else if (this.#obus.length < MAX_FRAME_UNITS) this.#obus.push([element]);
      else throw tooLarge(`${MAX_FRAME_UNITS} OBUs`);
    }
    this.#continued = (head & CONTINUED) !== 0;
  }

  finish(timestamp: number, complete: boolean): DepacketizedFrame | undefined {
    const whole = complete && !this.#broken && !this.#continued;
    const parts = this.#obus;
    const doubtful = this.#doubtful;
    this.discard();
    if (!whole) return undefined;
    try {
      return this.#frame(parts.map(joinBytes), { timestamp, doubtful });
    } catch (error) {
      if (error instanceof ProtocolError) return undefined;
      throw error;
    }
  }

  discard(): void {
    this.#obus = [];
    this.#continued = false;
    this.#broken = false;
    this.#doubtful = false;
  }

  #frame(elements: Uint8Array[], about: { timestamp: number; doubtful: boolean }): DepacketizedFrame | undefined {
    const obus = elements.flatMap(splitObus).filter((obu) => !isDroppedObu(obu.type));
    // Tiles come after a frame header, which behind a gap is missing then.
    if (obus.length === 0 || (about.doubtful && obus[0]?.type === OBU_TILE_GROUP)) return undefined;
    const { data, key, sequence } = canonicalTemporalUnit(joinBytes(obus.map(withSizeField)));
    const changed = key && sequence !== undefined ? this.#takeSequence(sequence) : undefined;
    const { timestamp } = about;
    return { units: [data], ...(changed && { parameters: changed }), key, timestamp, broken: false };
  }

  #takeSequence(sequence: Uint8Array): Uint8Array[] | undefined {
    parseAv1Sequence(sequence);
    return this.#parameters.take([sequence]);
  }
}

/** The OBU elements of a payload as views, §4.4: each with its length before it, but for the last one when W counts them. */
function splitElements(payload: Uint8Array): Uint8Array[] {
  const count = ((payload[0] ?? 0) >> 4) & 3;
  const elements: Uint8Array[] = [];
  let position = 1;
  while (position < payload.length) {
    let length = payload.length - position;
    if (count === 0 || elements.length < count - 1) {
      const size = readLeb128(payload, position);
      position += size.bytes;
      length = size.value;
    }
    if (length === 0 || length > payload.length - position) throw badPayload(`an element of ${length} bytes`);
    elements.push(payload.subarray(position, position + length));
    position += length;
  }
  if (elements.length === 0 || (count > 0 && elements.length !== count))
    throw badPayload(`${elements.length} elements`);
  return elements;
}

/** leb128() of the AV1 specification, §4.10.5; more than 4 bytes no payload needs. */
function readLeb128(payload: Uint8Array, start: number): { value: number; bytes: number } {
  let value = 0;
  for (let index = 0; index < 4; index += 1) {
    const byte = payload[start + index];
    if (byte === undefined) throw badPayload('it ends inside a length');
    value |= (byte & 0x7f) << (7 * index);
    if (byte < 0x80) return { value, bytes: index + 1 };
  }
  throw badPayload('a length of more than 4 bytes');
}

/**
 * Divides AV1 temporal units, with the sequence header of the track in front of key frames that have none. OBUs lose
 * their size fields, as §5 recommends, and share packets.
 */
export function av1Packetizer(): RtpPacketizer {
  return {
    packetize({ units, key, track }, maxPayloadBytes) {
      const [data] = units;
      const obus = data === undefined ? [] : splitObus(data);
      if (obus.length === 0) return [];
      if (key && !obus.some((obu) => obu.type === OBU_SEQUENCE_HEADER)) {
        obus.unshift(...track.parameters.flatMap(splitObus));
      }
      const payloads = new Av1Payloads(maxPayloadBytes);
      for (const obu of obus) if (!isDroppedObu(obu.type)) payloads.add(withoutSizeField(obu));
      return payloads.end(key);
    },
  };
}

function withoutSizeField(obu: Av1Obu): Uint8Array {
  if (!obu.hasSize) return obu.bytes;
  const [head = 0, extension = 0] = obu.bytes;
  const header = (head & 4) !== 0 ? [head & ~2, extension] : [head & ~2];
  return joinBytes([Uint8Array.from(header), obu.payload]);
}

/** See `isRtpStartPoint`: the first packet of a coded video sequence. */
export function isAv1StartPoint(payload: Uint8Array): boolean {
  return ((payload[0] ?? 0) & (CONTINUES | NEW_SEQUENCE)) === NEW_SEQUENCE;
}

function badPayload(reason: string): ProtocolError {
  return new ProtocolError('AV1_BAD_PAYLOAD', `bad AV1 payload: ${reason}`);
}
