import type { Track } from '../packet.ts';
import {
  codecIdOf,
  codecPrivateOf,
  OPUS_SEEK_PRE_ROLL_NS,
  opusDelayNs,
  pictureShapeOf,
  soundShapeOf,
} from './codec-ids.ts';
import { EbmlWriter } from './ebml-writer.ts';
import { ID } from './element-ids.ts';

/** The two document types: `webm` is the small set that browsers agreed on. */
export type DocType = 'webm' | 'matroska';

/** Choices for {@link writeHead}. */
export interface HeadOptions {
  readonly docType: DocType;
  /** Nanoseconds per tick. */
  readonly timestampScaleNs: number;
  /** Sizes in pixels by track id, of pictures whose track does not tell it, which is so for VP8 and VP9. */
  readonly pictureSizes?: ReadonlyMap<number, { readonly width: number; readonly height: number }> | undefined;
  /** Names for people by track id, such as the stream that a track is from. */
  readonly names?: ReadonlyMap<number, string> | undefined;
  /** When the recording began, milliseconds since 1970. Default: not told. */
  readonly createdAtMs?: number | undefined;
}

/** Room for a SeekHead with three entries (Info, Tracks, Cues), and some bytes more. */
const SEEK_HEAD_ROOM_BYTES = 96;
/** From 1970 to 2001, where the clock of Matroska begins, in milliseconds. */
const DATE_OFFSET_MS = 978_307_200_000;
const TRACK_TYPE_VIDEO = 1;
const TRACK_TYPE_AUDIO = 2;
const APP = 'Sluice';

/**
 * EBML header, and a segment of unknown size as far as its first cluster: room for a SeekHead, Info with room for the
 * duration, Tracks. The rooms are `Void` elements whose headers are as long as those of what takes their place.
 */
export function writeHead(tracks: readonly Track[], options: HeadOptions): Uint8Array {
  const writer = new EbmlWriter(1024);
  writer.master(ID.ebml, () => {
    writer.uint(ID.ebmlVersion, 1);
    writer.uint(ID.ebmlReadVersion, 1);
    writer.uint(ID.ebmlMaxIdLength, 4);
    writer.uint(ID.ebmlMaxSizeLength, 8);
    writer.text(ID.docType, options.docType);
    writer.uint(ID.docTypeVersion, 4);
    writer.uint(ID.docTypeReadVersion, 2);
  });
  writer.id(ID.segment);
  writer.unknownSize();
  writer.room(SEEK_HEAD_ROOM_BYTES);
  writeInfo(writer, options);
  writer.master(ID.tracks, () => {
    const seenKinds = new Set<string>();
    for (const [index, track] of tracks.entries()) {
      writer.master(ID.trackEntry, () => {
        writer.uint(ID.trackNumber, index + 1);
        writer.uint(ID.trackUid, index + 1);
        if (seenKinds.has(track.kind)) writer.uint(ID.flagDefault, 0);
        seenKinds.add(track.kind);
        writeTrack(writer, track, options);
      });
    }
  });
  return writer.finish();
}

function writeInfo(writer: EbmlWriter, options: HeadOptions): void {
  writer.master(ID.info, () => {
    writer.uint(ID.timestampScale, options.timestampScaleNs);
    writeDurationRoom(writer);
    if (options.createdAtMs !== undefined) {
      writer.int64(ID.dateUtc, BigInt(Math.round(options.createdAtMs - DATE_OFFSET_MS)) * 1_000_000n);
    }
    writer.text(ID.muxingApp, APP);
    writer.text(ID.writingApp, APP);
  });
}

/** As long as a Duration element: its id and size have three bytes, like this `Void` with a two-byte size. */
function writeDurationRoom(writer: EbmlWriter): void {
  writer.id(ID.void);
  writer.size(8, 2);
  writer.bytes(new Uint8Array(8));
}

function writeTrack(writer: EbmlWriter, track: Track, options: HeadOptions): void {
  writer.uint(ID.trackType, track.kind === 'video' ? TRACK_TYPE_VIDEO : TRACK_TYPE_AUDIO);
  writer.uint(ID.flagLacing, 0);
  // Left out it would mean English.
  writer.text(ID.language, 'und');
  const name = options.names?.get(track.id);
  if (name !== undefined) writer.text(ID.name, name);
  writer.text(ID.codecId, codecIdOf(track, options.docType));
  const codecPrivate = codecPrivateOf(track);
  if (codecPrivate !== undefined) writer.binary(ID.codecPrivate, codecPrivate);
  if (track.codec === 'opus') {
    writer.uint(ID.codecDelay, opusDelayNs(track));
    writer.uint(ID.seekPreRoll, OPUS_SEEK_PRE_ROLL_NS);
  }
  if (track.kind === 'video') writePicture(writer, track, options);
  else writeSound(writer, track);
}

function writePicture(writer: EbmlWriter, track: Track, options: HeadOptions): void {
  const { width, height, sarWidth, sarHeight } = pictureShapeOf(track, options.pictureSizes?.get(track.id));
  writer.master(ID.video, () => {
    writer.uint(ID.pixelWidth, width);
    writer.uint(ID.pixelHeight, height);
    if (sarWidth === sarHeight) return;
    writer.uint(ID.displayWidth, Math.max(1, Math.round((width * sarWidth) / sarHeight)));
    writer.uint(ID.displayHeight, height);
  });
}

function writeSound(writer: EbmlWriter, track: Track): void {
  const { sampleRate, outputSampleRate, channels } = soundShapeOf(track);
  writer.master(ID.audio, () => {
    writer.float(ID.samplingFrequency, sampleRate);
    if (outputSampleRate !== undefined) writer.float(ID.outputSamplingFrequency, outputSampleRate);
    writer.uint(ID.channels, channels);
  });
}
