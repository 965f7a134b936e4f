import { pictureSize, type Track, videoSize } from '@sluice/media';
import type { PictureSize, Stream } from '../core/index.ts';

/** The picture of a stream at this moment. */
export interface SourcePicture {
  readonly track: Track;
  readonly size: PictureSize;
  /** Pictures a second; undefined while unknown. */
  readonly fps: number | undefined;
  /** Bits a second, measured; 0 while unknown. */
  readonly bitrateBps: number;
  readonly audioBps: number;
  /** It has B-frames. */
  readonly reorders: boolean;
}

/** Remembers the size of pictures that only key frames tell, after those have left the log of their stream. */
export class SourcePictures {
  readonly #sizes = new WeakMap<Stream, { readonly track: Track; readonly size: PictureSize }>();

  /** What is known of the stream's picture; undefined when it has none, or its size is not known yet. */
  of(stream: Stream): SourcePicture | undefined {
    const track = stream.state.video;
    const size = track && (videoSize(track) ?? this.#sizeOfKeyFrame(stream, track));
    if (track === undefined || size === undefined || size.width < 2 || size.height < 2) return undefined;
    const { width, height } = size;
    const measured = stream.videoRate.packetsPerSecond;
    const told = 'fps' in size ? size.fps : undefined;
    return {
      track,
      size: { width, height },
      fps: told ?? (measured > 0 ? Math.round(measured) : undefined),
      bitrateBps: stream.videoRate.bitsPerSecond,
      audioBps: stream.audioRate.bitsPerSecond,
      reorders: stream.reordersVideo,
    };
  }

  #sizeOfKeyFrame(stream: Stream, track: Track): (PictureSize & { readonly fps?: undefined }) | undefined {
    const packet = stream.log.at(stream.log.lastStartPoint)?.packet;
    const size = packet !== undefined && packet.track.kind === 'video' ? pictureSize(packet) : undefined;
    if (size !== undefined) this.#sizes.set(stream, { track, size });
    const known = this.#sizes.get(stream);
    return known?.track.codec === track.codec ? known.size : undefined;
  }
}
