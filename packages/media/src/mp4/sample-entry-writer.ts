import {
  h265SpsOf,
  parseAacConfig,
  parseAv1Sequence,
  parseH265Sps,
  parseOpusHead,
  parseSps,
  writeAv1Config,
  writeAvcConfig,
  writeHevcConfig,
  writeOpusSpecificBox,
} from '../codec/index.ts';
import { type Codec, ProtocolError, type Track } from '../packet.ts';
import type { BoxWriter } from './box-writer.ts';

/** nal_unit_type of a sequence parameter set (H.264 table 7-1). */
const NAL_SPS = 7;

/** Size in pixels and sample aspect ratio; zero for audio, as its track header wants. */
export interface PictureShape {
  width: number;
  height: number;
  sarWidth: number;
  sarHeight: number;
}

type EntryWriter = (writer: BoxWriter, track: Track, picture: PictureShape) => void;

/** Sample entry and configuration box by codec. */
const ENTRIES: Readonly<Partial<Record<Codec, EntryWriter>>> = {
  // AVCSampleEntry, ISO 14496-15 §5.4.2.
  h264: visualEntry('avc1', (writer, track) => {
    writer.box('avcC', () => writer.bytes(writeAvcConfig(track.parameters)));
  }),
  // HEVCSampleEntry, ISO 14496-15 §8.4.1; hvc1 because parameter sets are never in-band.
  h265: visualEntry('hvc1', (writer, track) => {
    writer.box('hvcC', () => writer.bytes(writeHevcConfig(track.parameters)));
  }),
  // AV1 codec ISO media file format binding §2.2.
  av1: visualEntry('av01', (writer, track) => {
    writer.box('av1C', () => writer.bytes(writeAv1Config(track.parameters)));
  }),
  // VP codec ISO media file format binding; the parameter is the record after version and flags.
  vp9: visualEntry('vp09', (writer, track) => {
    writer.fullBox('vpcC', 1, 0, () => writer.bytes(firstParameter(track)));
  }),
  aac: writeAacSampleEntry,
  opus: writeOpusSampleEntry,
};

/** True for codecs that {@link writeSampleEntry} can write. */
export function isFmp4Carriable(codec: Codec): boolean {
  return ENTRIES[codec] !== undefined;
}

/**
 * Writes the sample entry of a track, ISO 14496-12 §8.5.2.
 *
 * @throws ProtocolError `MP4_UNSUPPORTED_CODEC`, and the codec's own errors when the parameters are malformed.
 */
export function writeSampleEntry(writer: BoxWriter, track: Track, picture: PictureShape): void {
  const write = ENTRIES[track.codec];
  if (write === undefined) throw unsupported(`cannot write ${track.codec} into MP4`);
  write(writer, track, picture);
}

/** VisualSampleEntry, ISO 14496-12 §12.1.3, around a codec's configuration box. */
function visualEntry(type: string, writeConfig: (writer: BoxWriter, track: Track) => void): EntryWriter {
  return (writer, track, picture) => {
    writer.box(type, () => {
      writer.zeros(6);
      writer.u16(1); // data reference index
      writer.zeros(16);
      writer.u16(picture.width);
      writer.u16(picture.height);
      writer.u32(0x48_0000); // 72 dpi
      writer.u32(0x48_0000);
      writer.u32(0);
      writer.u16(1); // frames per sample
      writer.zeros(32); // compressor name
      writer.u16(0x18); // depth
      writer.u16(0xffff);
      writeConfig(writer, track);
      if (picture.sarWidth !== picture.sarHeight) {
        writer.box('pasp', () => {
          writer.u32(picture.sarWidth);
          writer.u32(picture.sarHeight);
        });
      }
    });
  };
}

/** The fields of AudioSampleEntry, ISO 14496-12 §12.2.3. */
function writeAudioFields(writer: BoxWriter, channels: number, sampleRate: number): void {
  writer.zeros(6);
  writer.u16(1); // data reference index
  writer.zeros(8);
  writer.u16(channels);
  writer.u16(16); // sample size
  writer.zeros(4);
  // 16.16 cannot hold 88.2 kHz and more; zero then, and readers take the rate from the AudioSpecificConfig.
  writer.u32(sampleRate <= 0xffff ? sampleRate * 0x1_0000 : 0);
}

/** OpusSampleEntry, Encapsulation of Opus in ISO Base Media File Format §4.3.1. */
function writeOpusSampleEntry(writer: BoxWriter, track: Track): void {
  const head = parseOpusHead(firstParameter(track));
  writer.box('Opus', () => {
    writeAudioFields(writer, head.channels, track.clockRate);
    writer.box('dOps', () => writer.bytes(writeOpusSpecificBox(head)));
  });
}

/** MP4AudioSampleEntry, ISO 14496-14 §5.6, with the ES_Descriptor of ISO 14496-1 §7.2.6.5. */
function writeAacSampleEntry(writer: BoxWriter, track: Track): void {
  const asc = firstParameter(track);
  const { channels } = parseAacConfig(asc);
  writer.box('mp4a', () => {
    writeAudioFields(writer, channels, track.clockRate);
    writer.fullBox('esds', 0, 0, () => {
      const decoderConfigLength = 13 + 2 + asc.length;
      descriptorHeader(writer, 0x03, 3 + 2 + decoderConfigLength + 3);
      writer.zeros(3); // ES_ID 0 as files demand, and no flags
      descriptorHeader(writer, 0x04, decoderConfigLength);
      writer.u8(0x40); // object type: MPEG-4 audio
      writer.u8(0x15); // audio stream
      writer.zeros(3 + 4 + 4); // buffer size, maximum and average bit rate: unknown
      descriptorHeader(writer, 0x05, asc.length);
      writer.bytes(asc);
      descriptorHeader(writer, 0x06, 1);
      writer.u8(2); // SLConfig: predefined for MP4 files
    });
  });
}

/** Tag and one-byte length: an AudioSpecificConfig is far shorter than the 127 bytes that fit. */
function descriptorHeader(writer: BoxWriter, tag: number, length: number): void {
  if (length > 127) throw unsupported('AudioSpecificConfig is too long');
  writer.u8(tag);
  writer.u8(length);
}

/**
 * The shape of a track's pictures from its parameters, or from `size` where they do not tell it.
 *
 * @throws ProtocolError `MP4_UNSUPPORTED_CODEC` when neither tells it.
 */
export function pictureShape(track: Track, size?: { readonly width: number; readonly height: number }): PictureShape {
  if (track.kind === 'audio') return { width: 0, height: 0, sarWidth: 1, sarHeight: 1 };
  const shape = shapeOf(track) ?? (size && { ...size, sarWidth: 1, sarHeight: 1 });
  if (shape === undefined) throw unsupported(`${track.codec} track of unknown size`);
  return shape;
}

function shapeOf({ codec, parameters }: Track): PictureShape | undefined {
  if (codec === 'h264') {
    const sps = parameters.find((unit) => ((unit[0] ?? 0) & 31) === NAL_SPS);
    return sps && parseSps(sps);
  }
  if (codec === 'h265') {
    const sps = h265SpsOf(parameters);
    return sps && parseH265Sps(sps);
  }
  const sequence = codec === 'av1' ? parameters[0] : undefined;
  return sequence && { ...parseAv1Sequence(sequence), sarWidth: 1, sarHeight: 1 };
}

function firstParameter(track: Track): Uint8Array {
  const [parameter] = track.parameters;
  if (parameter === undefined) throw unsupported(`${track.codec} track without parameters`);
  return parameter;
}

function unsupported(reason: string): ProtocolError {
  return new ProtocolError('MP4_UNSUPPORTED_CODEC', reason);
}
