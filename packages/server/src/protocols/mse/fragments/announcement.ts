import { audioFormat, codecString, isFmp4Carriable, ProtocolError, type Track, writeInitSegment } from '@sluice/media';
import { binaryFrame, textFrame } from '../../../io/index.ts';

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** Tracks as they are written: the numbers of a source may change, and those of two kinds may be the same. */
export interface WrittenTracks {
  readonly video: Track | undefined;
  readonly audio: Track | undefined;
}

/** What players must know before fragments of these tracks. */
export interface Announcement extends WrittenTracks {
  /** A text message with the type for a SourceBuffer, then a binary one with the init segment: whole frames. */
  readonly frames: Buffer;
}

const IDS = { video: 0, audio: 1 } as const;

/** The track with the number that its kind has here. */
export function writtenTrack(track: Track): Track {
  return { ...track, id: IDS[track.kind] };
}

/** False for what can't be written, or could not be named to a browser: configuration that is broken or not known yet. */
export function isWritable(track: Track, size: PictureSize | undefined): boolean {
  if (!isFmp4Carriable(track.codec) || codecString(track) === undefined) return false;
  try {
    writeInitSegment([track], { pictureSize: size });
    return true;
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw error;
  }
}

/**
 * Announces writable tracks; undefined when there is none.
 * @param fragment What a fragment holds: each frame, or so many milliseconds
 */
export function announce(
  tracks: WrittenTracks,
  size: PictureSize | undefined,
  fragment: 'frame' | number,
): Announcement | undefined {
  const { video, audio } = tracks;
  const all = [video, audio].filter((track) => track !== undefined);
  if (all.length === 0) return undefined;
  const type = video === undefined ? 'audio/mp4' : 'video/mp4';
  const text = {
    type: 'init',
    codecs: `${type}; codecs="${all.map(codecString).join(',')}"`,
    ...(video && { video: { codec: video.codec, ...size } }),
    ...(audio && { audio: { codec: audio.codec, ...audioFormat(audio) } }),
    fragment,
  };
  const init = writeInitSegment(all, { pictureSize: size });
  return { video, audio, frames: Buffer.concat([textFrame(JSON.stringify(text)), binaryFrame(init)]) };
}
