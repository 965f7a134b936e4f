import { ProtocolError } from '../packet.ts';
import { OBU_SEQUENCE_HEADER, splitObus } from './av1-obu.ts';
import { BitReader } from './bits.ts';

/** The fields of an AV1 sequence header (AV1 specification §5.5) that a server or a muxer needs. */
export interface Av1Sequence {
  /** seq_profile: 0 main, 1 high, 2 professional. */
  profile: number;
  /** seq_level_idx of the first operating point: 4 * (major - 2) + minor; 8 for level 4.0. */
  level: number;
  /** seq_tier of the first operating point: true high. */
  highTier: boolean;
  /** Largest width of a frame in pixels. */
  width: number;
  /** Largest height of a frame in pixels. */
  height: number;
  /** Frames per second when the stream declares equal intervals. */
  fps: number | undefined;
  /** Bits per sample: 8, 10 or 12. */
  bitDepth: number;
  monochrome: boolean;
  /** Chroma planes have half the width, half the height. */
  subsamplingX: boolean;
  subsamplingY: boolean;
  /** chroma_sample_position: 0 unknown, 1 vertical, 2 colocated. */
  chromaPosition: number;
  /** Code points of ISO/IEC 23091-4 (H.273); 2 is unspecified. */
  colourPrimaries: number;
  transfer: number;
  matrix: number;
  fullRange: boolean;
  /** reduced_still_picture_header: every frame is a key frame and says nothing about itself. */
  reduced: boolean;
}

type Colour = Pick<
  Av1Sequence,
  | 'bitDepth'
  | 'monochrome'
  | 'subsamplingX'
  | 'subsamplingY'
  | 'chromaPosition'
  | 'colourPrimaries'
  | 'transfer'
  | 'matrix'
  | 'fullRange'
>;

const UNSPECIFIED = 2;
const PRIMARIES_BT709 = 1;
const TRANSFER_SRGB = 13;
const MATRIX_IDENTITY = 0;

/**
 * Parses a sequence header OBU, AV1 specification §5.5.1.
 * @param obu The OBU with its header; the size field may be missing.
 * @throws ProtocolError AV1_BAD_SEQUENCE
 */
export function parseAv1Sequence(obu: Uint8Array): Av1Sequence {
  const payload = splitObus(obu).find((unit) => unit.type === OBU_SEQUENCE_HEADER)?.payload;
  if (payload === undefined) throw badSequence('not a sequence header');
  try {
    return readSequence(new BitReader(payload));
  } catch (error) {
    if (error instanceof ProtocolError && error.code.startsWith('BITSTREAM_')) throw badSequence(error.message);
    throw error;
  }
}

function readSequence(reader: BitReader): Av1Sequence {
  const profile = reader.bits(3);
  if (profile > 2) throw badSequence(`profile ${profile} is reserved`);
  reader.skip(1);
  const reduced = reader.flag();
  const { level, highTier, fps } = reduced
    ? { level: reader.bits(5), highTier: false, fps: undefined }
    : readOperatingPoints(reader);
  const widthBits = reader.bits(4) + 1;
  const heightBits = reader.bits(4) + 1;
  const width = reader.bits(widthBits) + 1;
  const height = reader.bits(heightBits) + 1;
  // frame_id_numbers_present_flag, then the lengths of the numbers
  if (!reduced && reader.flag()) reader.skip(4 + 3);
  reader.skip(3);
  if (!reduced) skipInterTools(reader);
  reader.skip(3);
  return { profile, level, highTier, fps, width, height, reduced, ...readColour(reader, profile) };
}

/** Timing, decoder model and operating points, §5.5.1; the first operating point is the one that is described. */
function readOperatingPoints(reader: BitReader) {
  let fps: number | undefined;
  let delayBits = 0;
  if (reader.flag()) {
    const unitsInTick = reader.bits(32);
    const timeScale = reader.bits(32);
    // uvlc(), §4.10.3, is coded as ue(v) of H.264 is.
    const ticks = reader.flag() ? reader.ue() + 1 : 0;
    if (ticks > 0 && unitsInTick > 0 && timeScale > 0) fps = timeScale / (unitsInTick * ticks);
    if (reader.flag()) {
      delayBits = reader.bits(5) + 1;
      reader.skip(32 + 5 + 5);
    }
  }
  const hasDisplayDelay = reader.flag();
  let level = 0;
  let highTier = false;
  const count = reader.bits(5) + 1;
  for (let point = 0; point < count; point += 1) {
    reader.skip(12);
    const pointLevel = reader.bits(5);
    const pointTier = pointLevel > 7 && reader.flag();
    if (point === 0) [level, highTier] = [pointLevel, pointTier];
    if (delayBits > 0 && reader.flag()) reader.skip(2 * delayBits + 1);
    if (hasDisplayDelay && reader.flag()) reader.skip(4);
  }
  return { level, highTier, fps };
}

/** Flags of coding tools that streams of still pictures do not have. */
function skipInterTools(reader: BitReader): void {
  reader.skip(4);
  const orderHint = reader.flag();
  if (orderHint) reader.skip(2);
  // seq_choose_screen_content_tools chooses 2, "decided by each frame".
  const screenContent = reader.flag() ? 2 : reader.bits(1);
  if (screenContent > 0 && !reader.flag()) reader.skip(1);
  if (orderHint) reader.skip(3);
}

/** color_config, §5.5.2. */
function readColour(reader: BitReader, profile: number): Colour {
  const highDepth = reader.flag();
  const twelve = profile === 2 && highDepth && reader.flag();
  const bitDepth = twelve ? 12 : highDepth ? 10 : 8;
  const monochrome = profile !== 1 && reader.flag();
  const described = reader.flag();
  const colourPrimaries = described ? reader.bits(8) : UNSPECIFIED;
  const transfer = described ? reader.bits(8) : UNSPECIFIED;
  const matrix = described ? reader.bits(8) : UNSPECIFIED;
  const colour = { bitDepth, monochrome, colourPrimaries, transfer, matrix };
  if (monochrome) {
    return { ...colour, fullRange: reader.flag(), subsamplingX: true, subsamplingY: true, chromaPosition: 0 };
  }
  if (colourPrimaries === PRIMARIES_BT709 && transfer === TRANSFER_SRGB && matrix === MATRIX_IDENTITY) {
    return { ...colour, fullRange: true, subsamplingX: false, subsamplingY: false, chromaPosition: 0 };
  }
  const fullRange = reader.flag();
  let subsamplingX = profile !== 1;
  let subsamplingY = profile === 0;
  if (profile === 2 && bitDepth === 12) {
    subsamplingX = reader.flag();
    subsamplingY = subsamplingX && reader.flag();
  }
  const chromaPosition = subsamplingX && subsamplingY ? reader.bits(2) : 0;
  return { ...colour, fullRange, subsamplingX, subsamplingY, chromaPosition };
}

function badSequence(reason: string): ProtocolError {
  return new ProtocolError('AV1_BAD_SEQUENCE', `bad AV1 sequence header: ${reason}`);
}
