import { isVp9Key, parseVp9KeyFrame, vp9ConfigOf, writeVpConfig } from '../../codec/vp9.ts';
import { ProtocolError } from '../../packet.ts';
import { joinBytes } from '../bytes.ts';
import type { DepacketizedFrame, RtpDepacketizer, RtpPacketizer, RtpPayload } from './format.ts';
import { type FrameBuilder, FrameDepacketizer } from './frame-depacketizer.ts';
import { NewParameters } from './new-parameters.ts';
import { evenPieces, PictureIds } from './pieces.ts';

// RFC 9628 §4.2:
//    0 1 2 3 4 5 6 7
//   |I|P|L|F|B|E|V|Z|   required
//   |M| PICTURE ID  |   when I; with M, 15 bits in two bytes
//   | TID |U| SID |D|   when L
//   |   TL0PICIDX   |   when L and not F
//   | P_DIFF      |N|   when F and P: one to three, N in all but the last
//   | SS ...            when V

const DESCRIPTOR_BYTES = 3;
const MAX_REFERENCES = 3;
/** Frames that one superframe can have. */
const MAX_LAYERS = 8;

interface Descriptor {
  /** Where the data starts. */
  readonly start: number;
  /** B: the first packet of a layer's frame. */
  readonly begins: boolean;
  readonly spatialLayer: number;
}

/**
 * Puts VP9 pictures together, RFC 9628, both modes. The frames of several spatial layers become one superframe with an
 * index (VP9 bitstream specification annex B). A picture needs all its packets: one with a loss is dropped, and so is a
 * key frame with a broken header. Broken descriptors are refused with VP9_BAD_PAYLOAD. Parameters come from key frames.
 */
export function vp9Depacketizer(parameters: readonly Uint8Array[] = []): RtpDepacketizer {
  return new FrameDepacketizer(new Vp9Picture(parameters));
}

class Vp9Picture implements FrameBuilder {
  readonly #parameters: NewParameters;
  /** Payloads by layer frame. */
  #layers: Uint8Array[][] = [];
  #broken = false;

  constructor(parameters: readonly Uint8Array[]) {
    this.#parameters = new NewParameters(parameters);
  }

  add(payload: Uint8Array, gap: boolean): void {
    const { start, begins, spatialLayer } = parseDescriptor(payload);
    const first = this.#layers.length === 0;
    // Behind a gap, a picture that starts with an upper layer has probably lost the ones below.
    if (gap && (!first || spatialLayer > 0)) this.#broken = true;
    if (begins) this.#layers.push([]);
    const layer = this.#layers.at(-1);
    if (layer === undefined || this.#layers.length > MAX_LAYERS) this.#broken = true;
    else layer.push(payload.subarray(start));
  }

  finish(timestamp: number, complete: boolean): DepacketizedFrame | undefined {
    const whole = complete && !this.#broken && this.#layers.length > 0;
    const layers = this.#layers;
    this.discard();
    if (!whole) return undefined;
    const frames = layers.map(joinBytes);
    const [first] = frames;
    if (first === undefined) return undefined;
    const key = isVp9Key(first);
    const implied = key ? configOf(first) : undefined;
    if (key && implied === undefined) return undefined;
    const unit = frames.length === 1 ? first : superframe(frames);
    const changed = implied && this.#parameters.take([implied]);
    return { units: [unit], ...(changed && { parameters: changed }), key, timestamp, broken: false };
  }

  discard(): void {
    this.#layers = [];
    this.#broken = false;
  }
}

/** The configuration that a key frame implies; undefined when its header is broken. */
function configOf(frame: Uint8Array): Uint8Array | undefined {
  try {
    return writeVpConfig(vp9ConfigOf(parseVp9KeyFrame(frame)));
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/** The frames with the index that tells decoders apart where each ends, annex B.2; sizes are little-endian. */
function superframe(frames: readonly Uint8Array[]): Uint8Array {
  const largest = Math.max(...frames.map(({ length }) => length));
  const sizeBytes = Math.ceil((32 - Math.clz32(largest)) / 8);
  const index = new Uint8Array(2 + sizeBytes * frames.length);
  const marker = 0xc0 | ((sizeBytes - 1) << 3) | (frames.length - 1);
  index[0] = marker;
  index[index.length - 1] = marker;
  for (const [at, { length }] of frames.entries()) {
    for (let byte = 0; byte < sizeBytes; byte += 1) index[1 + at * sizeBytes + byte] = length >> (8 * byte);
  }
  return joinBytes([...frames, index]);
}

function parseDescriptor(payload: Uint8Array): Descriptor {
  const flags = payload[0] ?? 0;
  const flexible = (flags & 0x10) !== 0;
  let start = 1;
  let spatialLayer = 0;
  if ((flags & 0x80) !== 0) start += ((payload[start] ?? 0) & 0x80) !== 0 ? 2 : 1;
  if ((flags & 0x20) !== 0) {
    spatialLayer = ((payload[start] ?? 0) >> 1) & 7;
    start += flexible ? 1 : 2;
  }
  if (flexible && (flags & 0x40) !== 0) start = afterReferences(payload, start);
  if ((flags & 0x02) !== 0) start = afterStructure(payload, start);
  if (start >= payload.length) throw badPayload(`${payload.length} bytes without data`);
  return { start, begins: (flags & 0x08) !== 0, spatialLayer };
}

function afterReferences(payload: Uint8Array, start: number): number {
  for (let count = 1; ; count += 1) {
    const reference = payload[start + count - 1] ?? 0;
    if ((reference & 1) === 0) return start + count;
    if (count === MAX_REFERENCES) throw badPayload('more than three references');
  }
}

/** Passes over the scalability structure, §4.2.1. */
function afterStructure(payload: Uint8Array, start: number): number {
  const head = payload[start] ?? 0;
  let position = start + 1;
  if ((head & 0x10) !== 0) position += 4 * ((head >> 5) + 1);
  if ((head & 0x08) === 0) return position;
  const pictures = payload[position] ?? 0;
  position += 1;
  for (let count = 0; count < pictures && position < payload.length; count += 1) {
    position += 1 + (((payload[position] ?? 0) >> 2) & 3);
  }
  return position;
}

/**
 * Divides VP9 frames and superframes as RFC 9628 says, into pieces of about the same size: no layers, not flexible,
 * with a 15-bit picture ID that counts the pictures from `firstPictureId` on, by which receivers order them.
 */
export function vp9Packetizer(firstPictureId = 0): RtpPacketizer {
  const pictureIds = new PictureIds(firstPictureId);
  return {
    packetize({ units, key }, maxPayloadBytes): RtpPayload[] {
      const [frame] = units;
      if (frame === undefined) return [];
      const pictureId = pictureIds.next();
      return evenPieces(frame, maxPayloadBytes - DESCRIPTOR_BYTES).map((data, index, { length }) => {
        const marker = index === length - 1;
        const payload = new Uint8Array(DESCRIPTOR_BYTES + data.length);
        payload[0] = 0x80 | (key ? 0 : 0x40) | (index === 0 ? 0x08 : 0) | (marker ? 0x04 : 0);
        payload[1] = 0x80 | (pictureId >> 8);
        payload[2] = pictureId;
        payload.set(data, DESCRIPTOR_BYTES);
        return { payload, marker, startPoint: key && index === 0, timestampOffset: 0 };
      });
    },
  };
}

/** See `isRtpStartPoint`: the beginning of the lowest layer's frame, when its header says that it is a key frame. */
export function isVp9StartPoint(payload: Uint8Array): boolean {
  try {
    const { start, begins, spatialLayer } = parseDescriptor(payload);
    return begins && spatialLayer === 0 && isVp9Key(payload.subarray(start));
  } catch {
    return false;
  }
}

function badPayload(reason: string): ProtocolError {
  return new ProtocolError('VP9_BAD_PAYLOAD', `bad VP9 payload: ${reason}`);
}
