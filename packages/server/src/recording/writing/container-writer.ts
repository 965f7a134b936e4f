import {
  type FragmentSample,
  isWebmCarriable,
  type MediaPacket,
  Mp4FragmentWriter,
  pictureSize,
  type Track,
  TsMuxer,
  WebmWriter,
  type WebmWriterOptions,
} from '@sluice/media';
import type { RecordingContainer } from '../../core/index.ts';

/** Samples of one track, in order of decoding. */
export interface TrackSamples {
  readonly track: Track;
  readonly samples: readonly FragmentSample[];
}

/** Writes a container piece by piece: {@link head} once, then fragments, each of which makes the file playable to there. */
export interface ContainerWriter {
  /** @throws ProtocolError for tracks that the container does not hold */
  head(): Uint8Array;
  /** @throws ProtocolError or RangeError for samples that it does not hold */
  fragment(tracks: readonly TrackSamples[]): Uint8Array;
}

export interface ContainerOptions {
  /** Stream time that becomes zero in the file, microseconds. */
  readonly baseUs: number;
  readonly createdAtMs: number;
  /** Room for the index at the front of MP4 files, 0 for none. */
  readonly reservedBytes: number;
  /** The first packet of the picture, for sizes that only pictures tell. */
  readonly firstPicture: MediaPacket | undefined;
}

/** The writer of a container for these tracks. */
export function containerWriter(
  container: RecordingContainer,
  tracks: readonly Track[],
  options: ContainerOptions,
): ContainerWriter {
  const { baseUs, createdAtMs, reservedBytes, firstPicture } = options;
  const size = firstPicture && pictureSize(firstPicture);
  switch (container) {
    case 'mp4':
      return new Mp4FragmentWriter(tracks, { baseUs, createdAtMs, reservedBytes, pictureSize: size });
    case 'ts':
      return new TsWriter(tracks, baseUs);
    case 'webm':
    case 'mkv': {
      const fits = container === 'webm' && tracks.every(({ codec }) => isWebmCarriable(codec, 'webm'));
      const pictureSizes = new Map(firstPicture && size && [[firstPicture.track.id, size]]);
      return new ClusterWriter(tracks, { docType: fits ? 'webm' : 'matroska', baseUs, createdAtMs, pictureSizes });
    }
  }
}

/** WebM or Matroska: a cluster for each fragment. */
class ClusterWriter implements ContainerWriter {
  readonly #writer: WebmWriter;

  constructor(tracks: readonly Track[], options: WebmWriterOptions) {
    this.#writer = new WebmWriter(tracks, options);
  }

  head(): Uint8Array {
    return this.#writer.head();
  }

  fragment(tracks: readonly TrackSamples[]): Uint8Array {
    return this.#writer.cluster(interleaved(tracks));
  }
}

/** MPEG-TS: nothing at the front, and each fragment begins with its tables. */
class TsWriter implements ContainerWriter {
  readonly #muxer: TsMuxer;
  readonly #baseUs: number;

  constructor(tracks: readonly Track[], baseUs: number) {
    this.#muxer = new TsMuxer(tracks);
    this.#baseUs = baseUs;
  }

  head(): Uint8Array {
    return new Uint8Array(0);
  }

  fragment(tracks: readonly TrackSamples[]): Uint8Array {
    const packets = interleaved(tracks);
    return this.#muxer.segment(
      packets.map((packet) => ({
        ...packet,
        dtsUs: packet.dtsUs - this.#baseUs,
        ptsUs: packet.ptsUs - this.#baseUs,
      })),
    );
  }
}

/** The packets of all tracks in the order of decoding. */
export function interleaved(tracks: readonly TrackSamples[]): MediaPacket[] {
  const packets = tracks.flatMap(({ samples }) => samples.map(({ packet }) => packet));
  return packets.sort((one, other) => one.dtsUs - other.dtsUs);
}
