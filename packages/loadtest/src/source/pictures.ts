import { BitWriter, escapeRbsp, h264Track, type MediaPacket, type Track } from '@sluice/media';

/** What made pictures are to be like. */
export interface PictureForm {
  readonly width: number;
  readonly height: number;
  /** Pictures per second. */
  readonly fps: number;
  readonly bitrateBps: number;
  /** Seconds from one key frame to the next. */
  readonly keySeconds: number;
}

/** What a key frame has of the bits of all pictures up to the next one: about as encoders for live streams do. */
const KEY_SHARE = 0.12;
const PCM_BYTES = 384;
const LUMA_BYTES = 256;
/** Bits of frame_num; there are at most so many pictures from key frame to key frame. */
const FRAME_NUM_BITS = 10;
export const MAX_PICTURES = 2 ** FRAME_NUM_BITS;
/** Largest level by macroblocks of a picture, and a second (ITU-T H.264 table A-1). */
const LEVELS = [
  { level: 30, picture: 1620, second: 40_500 },
  { level: 31, picture: 3600, second: 108_000 },
  { level: 40, picture: 8192, second: 245_760 },
  { level: 51, picture: 36_864, second: 983_040 },
] as const;

/** mb_type of a macroblock of samples in slices of I and P (ITU-T H.264 tables 7-11 and 7-13). */
const PCM_IN_I = 25;
const PCM_IN_P = 30;
/** Intra_16x16 with the mean of its neighbours and no residual. */
const FLAT_IN_I = 3;

/**
 * Pictures from one key frame to the next in constrained baseline H.264 that any decoder shows: a bar of coloured blocks
 * wanders down over grey. They are made of blocks that are skipped, predicted without residual or plain samples, so that
 * each picture has just the size it is asked to have, without an encoder.
 */
export function makePictures(form: PictureForm): { readonly track: Track; readonly packets: readonly MediaPacket[] } {
  const pictures = Math.max(1, Math.round(form.fps * form.keySeconds));
  if (pictures > MAX_PICTURES) throw new RangeError(`${pictures} pictures from key frame to key frame are too many`);
  const columns = Math.ceil(form.width / 16);
  const rows = Math.ceil(form.height / 16);
  const track = h264Track(0, [sequenceParameters(form, columns, rows), pictureParameters()]);
  const total = (form.bitrateBps * form.keySeconds) / 8;
  const keyBytes = pictures === 1 ? total : total * KEY_SHARE;
  const otherBytes = (total - keyBytes) / Math.max(1, pictures - 1);
  const packets = Array.from({ length: pictures }, (_, index): MediaPacket => {
    const bytes = index === 0 ? keyBytes : otherBytes;
    const unit =
      index === 0 ? keyPicture(columns, rows, bytes) : otherPicture({ blocks: columns * rows, bytes, index });
    const atUs = Math.round((index * 1e6) / form.fps);
    return { track, units: [unit], ptsUs: atUs, dtsUs: atUs, key: index === 0, byteLength: unit.length };
  });
  return { track, packets };
}

/** §7.3.2.1.1; no picture is reordered, for the order of output is that of decoding (pic_order_cnt_type 2). */
function sequenceParameters({ width, height, fps }: PictureForm, columns: number, rows: number): Uint8Array {
  const blocks = columns * rows;
  const level = LEVELS.find(({ picture, second }) => blocks <= picture && blocks * fps <= second)?.level ?? 52;
  const writer = new BitWriter();
  writer.bits(66, 8);
  writer.bits(0xc0, 8); // constraint_set0 and 1: constrained baseline
  writer.bits(level, 8);
  writer.ue(0); // seq_parameter_set_id
  writer.ue(FRAME_NUM_BITS - 4);
  writer.ue(2); // pic_order_cnt_type
  writer.ue(1); // max_num_ref_frames
  writer.bits(0, 1);
  writer.ue(columns - 1);
  writer.ue(rows - 1);
  writer.bits(0b11, 2); // frame_mbs_only_flag, direct_8x8_inference_flag
  const [right, bottom] = [(columns * 16 - width) >> 1, (rows * 16 - height) >> 1];
  writer.bits(right > 0 || bottom > 0 ? 1 : 0, 1);
  if (right > 0 || bottom > 0) for (const offset of [0, right, 0, bottom]) writer.ue(offset);
  writer.bits(0, 1); // vui_parameters_present_flag
  return nal(0x67, writer);
}

/** §7.3.2.2: CAVLC, and slices say whether they are deblocked. */
function pictureParameters(): Uint8Array {
  const writer = new BitWriter();
  writer.ue(0);
  writer.ue(0);
  writer.bits(0, 2); // entropy_coding_mode_flag, bottom_field_pic_order_in_frame_present_flag
  for (let i = 0; i < 3; i++) writer.ue(0); // slice groups, reference indices
  writer.bits(0, 3); // weighted prediction
  for (let i = 0; i < 3; i++) writer.ue(0); // quantizers: se(0) is ue(0)
  writer.bits(0b100, 3); // deblocking_filter_control_present_flag
  return nal(0x68, writer);
}

function keyPicture(columns: number, rows: number, bytes: number): Uint8Array {
  const blocks = columns * rows;
  const samples = Math.min(blocks, Math.max(0, Math.round((bytes - blocks) / PCM_BYTES)));
  const writer = new BitWriter();
  sliceHeader(writer, 7, 0);
  for (let at = 0; at < blocks; at++) {
    if (at < samples) {
      writer.ue(PCM_IN_I);
      sampleBlock(writer, at);
      continue;
    }
    writer.ue(FLAT_IN_I);
    writer.ue(0); // intra_chroma_pred_mode
    writer.ue(0); // mb_qp_delta
    // coeff_token for no coefficients; beside blocks of samples, which count as full, another table holds (§9.2.1).
    const besideSamples = (at % columns > 0 && at - 1 < samples) || (at >= columns && at - columns < samples);
    if (besideSamples) writer.bits(0b000011, 6);
    else writer.bits(1, 1);
  }
  return nal(0x65, writer);
}

function otherPicture({ blocks, bytes, index }: { blocks: number; bytes: number; index: number }): Uint8Array {
  const samples = Math.min(blocks, Math.max(0, Math.round((bytes - 10) / (PCM_BYTES + 2))));
  const first = samples === 0 ? blocks : (index * samples) % (blocks - samples + 1);
  const writer = new BitWriter();
  sliceHeader(writer, 5, index);
  for (let at = 0; at < samples; at++) {
    writer.ue(at === 0 ? first : 0); // mb_skip_run
    writer.ue(PCM_IN_P);
    sampleBlock(writer, index * 7 + at);
  }
  const rest = blocks - (samples === 0 ? 0 : first + samples);
  if (rest > 0) writer.ue(rest);
  return nal(0x41, writer);
}

/** §7.3.3, for the first and only slice of a picture. */
function sliceHeader(writer: BitWriter, type: 5 | 7, frameNum: number): void {
  writer.ue(0);
  writer.ue(type);
  writer.ue(0);
  writer.bits(frameNum, FRAME_NUM_BITS);
  if (type === 7) {
    writer.ue(0); // idr_pic_id
    writer.bits(0, 2); // dec_ref_pic_marking of an IDR picture
  } else {
    writer.bits(0, 3); // no override, no modification, no marking
  }
  writer.ue(0); // slice_qp_delta
  writer.ue(1); // no deblocking
}

/** A block of one colour with a little grain, no sample of which is zero: nothing needs emulation prevention. */
function sampleBlock(writer: BitWriter, colour: number): void {
  while (writer.bitCount % 8 !== 0) writer.bits(0, 1);
  const bases = [40 + ((colour * 11) % 180), 60 + ((colour * 29) % 130), 60 + ((colour * 53) % 130)];
  for (let i = 0; i < PCM_BYTES; i++) {
    const plane = i < LUMA_BYTES ? 0 : i < LUMA_BYTES + 64 ? 1 : 2;
    writer.bits((bases[plane] ?? 128) + ((i * 37) % 11), 8);
  }
}

/** A NAL unit of that header and payload, with the stop bit and emulation prevention (§7.3.1, §7.4.1). */
function nal(header: number, writer: BitWriter): Uint8Array {
  writer.bits(1, 1);
  return Buffer.concat([Buffer.of(header), escapeRbsp(writer.bytes())]);
}
