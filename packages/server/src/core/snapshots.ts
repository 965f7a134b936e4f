import type { MediaPacket } from '@sluice/media';

/** What a picture is to look like. */
export interface PictureForm {
  readonly format: 'png' | 'jpeg';
  /** Pixels; with one of them the other follows from the picture's shape, without both it keeps its size. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  /** Of JPEG, 1 to 100. */
  readonly quality?: number | undefined;
}

/** Decodes pictures, in another process. */
export interface PictureMaker {
  /**
   * Decodes packets of one track in order, the first of which is a key frame, and gives the last picture as a file.
   * @throws MediaServerError SNAPSHOT_FAILED
   */
  picture(packets: readonly MediaPacket[], form: PictureForm, signal: AbortSignal): Promise<Uint8Array>;
}

export interface SnapshotRequest extends PictureForm {
  readonly streamName: string;
  /** `newest`: the picture of this moment, which takes decoding all since the last key frame. `key`: the last key frame. */
  readonly which: 'newest' | 'key';
  readonly signal: AbortSignal;
}

/** Takes pictures of streams. */
export interface Snapshots {
  /**
   * Waits for a key frame where none has come yet, as long as the settings say.
   * @throws MediaServerError STREAM_NOT_FOUND, SNAPSHOT_FAILED (no picture in the stream, none came in time, it can't be
   * decoded), SNAPSHOT_LIMIT (too many at once)
   */
  take(request: SnapshotRequest): Promise<Uint8Array>;
}
