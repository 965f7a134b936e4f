import {
  type MediaFileReader,
  type MediaPacket,
  openMediaFile,
  ProtocolError,
  type Track,
  writeAvcConfig,
} from '@sluice/media';
import { MediaServerError } from '../core/index.ts';
import type { PatientFile } from './patient-file.ts';

/** A media file that can be played: its first picture and its first sound. */
export class MediaFile {
  readonly name: string;
  readonly tracks: readonly Track[];
  /** What is in it and not played, by the names of the codecs. */
  readonly skipped: readonly string[];
  /** Time from zero to its end, microseconds; 0 where it does not tell. */
  readonly durationUs: number;
  readonly #file: PatientFile;
  readonly #reader: MediaFileReader;

  /**
   * Reads the head of a file, which is the new object's from then on, and is closed when there is none.
   * @throws MediaServerError FILE_INVALID, FILE_UNREADABLE
   */
  static async open(file: PatientFile): Promise<MediaFile> {
    try {
      const reader = await openMediaFile(file);
      for (const { track } of reader.tracks) if (track.codec === 'h264') writeAvcConfig(track.parameters);
      return new MediaFile(file, reader);
    } catch (error) {
      await file.close();
      throw fileError(file.name, error);
    }
  }

  private constructor(file: PatientFile, reader: MediaFileReader) {
    this.name = file.name;
    this.#file = file;
    this.#reader = reader;
    this.durationUs = reader.durationUs;
    this.skipped = reader.skipped;
    const tracks = reader.tracks.map(({ track }) => track);
    this.tracks = (['video', 'audio'] as const)
      .map((kind) => tracks.find((track) => track.kind === kind))
      .filter((track) => track !== undefined);
    if (this.tracks.length > 0) return;
    const found = reader.skipped.length > 0 ? `; it has ${reader.skipped.slice(0, 8).join(', ')}` : '';
    throw new MediaServerError('FILE_INVALID', `${file.name} has no track that can be played${found}`);
  }

  /**
   * Its packets in the order of decoding, from the last key frame at or before `fromUs`.
   * @throws MediaServerError FILE_INVALID, FILE_UNREADABLE
   */
  async *packets(fromUs: number): AsyncGenerator<MediaPacket> {
    const played = new Set(this.tracks.map(({ id }) => id));
    try {
      for await (const packet of this.#reader.readPackets(fromUs)) if (played.has(packet.track.id)) yield packet;
    } catch (error) {
      throw fileError(this.name, error);
    }
  }

  /** Idempotent. */
  close(): Promise<void> {
    return this.#file.close();
  }
}

/** What a reader threw, as the error of the file: only what the storage says is no fault of the file itself. */
function fileError(name: string, error: unknown): MediaServerError {
  if (error instanceof MediaServerError) return error;
  const words = error instanceof ProtocolError ? error.message : String(error);
  return new MediaServerError('FILE_INVALID', `${name} can not be played: ${words}`, { cause: error });
}
