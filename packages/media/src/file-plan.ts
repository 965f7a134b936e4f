import type { MediaPacket, Track } from './packet.ts';

/** Random access to the bytes of a file, wherever they are. */
export interface ByteSource {
  /** Length of the file in bytes. */
  readonly size: number;
  /**
   * Reads exactly `length` bytes at `offset`; a shorter answer is treated as a damaged file. Rejections reach the
   * caller of the reader unchanged. Nobody asks for more than lies within `size`.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A track of a media file. */
export interface FileTrack {
  /** What the hub carries; `track.id` is the index in {@link MediaFileReader.tracks}. */
  readonly track: Track;
  /** Time from zero to its end, microseconds; 0 where the file does not tell. */
  readonly durationUs: number;
}

/** A media file that can be read as packets, whatever its container. */
export interface MediaFileReader {
  /** Tracks that the hub can carry. */
  readonly tracks: readonly FileTrack[];
  /** Time from zero to the end of the longest track, microseconds; 0 where the file does not tell. */
  readonly durationUs: number;
  /** What was left out, by the container's name of its codec. */
  readonly skipped: readonly string[];
  /**
   * All packets in the order of decoding, from the last key frame at or before `fromUs` (default 0); sound begins at
   * the time of that key frame. A packet's track is another object when its configuration changes within the file.
   * @throws ProtocolError for a damaged file, and what the source rejects with
   */
  readPackets(fromUs?: number): AsyncGenerator<MediaPacket>;
}

/** What a file of a recording holds, as its finishing found out. */
export interface FinishedFacts {
  /** From the first sample to the end of the last one, microseconds. */
  readonly durationUs: number;
  readonly tracks: readonly { readonly track: Track; readonly samples: number; readonly durationUs: number }[];
  /** Bytes at the end that were no whole fragment: the writer was stopped in the middle of it. */
  readonly tornBytes: number;
}

/** How a file that was written piece by piece becomes a finished one where it is. To be carried out in this order. */
export interface InPlacePlan extends FinishedFacts {
  /** Cut the file to this length first. */
  readonly truncateTo: number;
  /** Then append this, and make sure that it is on disk. */
  readonly append: readonly Uint8Array[];
  /** Then overwrite these bytes. Until the last one is done the file is still what it was before. */
  readonly patches: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
}

/** How a new file is made of another one: the head, then ranges of the source one after the other. */
export interface RewritePlan extends FinishedFacts {
  readonly head: Uint8Array;
  /** Ranges of the source in the order in which they follow the head; neighbours are put together. */
  copies(): Iterable<{ readonly offset: number; readonly length: number }>;
  /** Length of the new file. */
  readonly byteLength: number;
}
