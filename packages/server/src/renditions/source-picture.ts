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
  /** The most that was measured since its publisher began; undefined while that says little of it: encoders begin low. */
  readonly knownBps: number | undefined;
  readonly audioBps: number;
  /** It has B-frames. */
  readonly reorders: boolean;
}

/** What is measured counts after so many seconds. */
const KNOWN_AFTER_S = 5;

/**
 * Remembers the size of pictures that only key frames tell, after those have left the log of their stream, and the highest
 * rate that was seen: what follows from it must not come and go.
 */
export class SourcePictures {
  readonly #highest = new WeakMap<Stream, { readonly epoch: number; readonly bps: number }>();
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
      knownBps: this.#knownBps(stream),
      audioBps: stream.audioRate.bitsPerSecond,
      reorders: stream.reordersVideo,
    };
  }

  #knownBps(stream: Stream): number | undefined {
    const { packets, packetsPerSecond, bitsPerSecond } = stream.videoRate;
    if (packetsPerSecond <= 0 || packets < packetsPerSecond * KNOWN_AFTER_S) return undefined;
    const { epoch } = stream.state;
    const before = this.#highest.get(stream);
    if (before?.epoch === epoch && before.bps >= bitsPerSecond) return before.bps;
    this.#highest.set(stream, { epoch, bps: bitsPerSecond });
    return bitsPerSecond;
  }

  #sizeOfKeyFrame(stream: Stream, track: Track): (PictureSize & { readonly fps?: undefined }) | undefined {
    const packet = stream.log.at(stream.log.lastStartPoint)?.packet;
    const size = packet !== undefined && packet.track.kind === 'video' ? pictureSize(packet) : undefined;
    if (size !== undefined) this.#sizes.set(stream, { track, size });
    const known = this.#sizes.get(stream);
    return known?.track.codec === track.codec ? known.size : undefined;
  }
}
