import { type Codec, type MediaPacket, ProtocolError, type Track, TsMuxer } from '@sluice/media';
import type { FanOutFormat, Stream } from '../../core/index.ts';

/** What a transport stream can hold. */
const CODECS: ReadonlySet<Codec> = new Set<Codec>(['h264', 'h265', 'aac']);
/** Tables come this often, for receivers that begin in mid-stream; DVB asks for it. */
const TABLES_EVERY_US = 100_000;
const NOTHING = Buffer.alloc(0);

/** True for a track that a transport stream can hold, and whose decoder configuration is known. */
export function isTsCarriable(track: Track | undefined): track is Track {
  return track !== undefined && CODECS.has(track.codec) && track.parameters.length > 0;
}

/**
 * Writes a live stream as one MPEG transport stream, the same for all receivers. Its tables are repeated at key frames and
 * every 100 ms, so that it can be taken up at any key frame. A change of tracks is a new version of the map.
 */
export class TsFormat implements FanOutFormat {
  /** Packets that were left out because they can't be written. */
  broken = 0;
  readonly #stream: Stream;
  readonly #without: Track['kind'] | undefined;
  #muxer: TsMuxer | undefined;
  /** What the muxer was made for. */
  #tracks: readonly Track[] = [];
  #tablesUs = Number.NEGATIVE_INFINITY;

  /** `without`: a kind that is left out. */
  constructor(stream: Stream, without?: Track['kind']) {
    this.#stream = stream;
    this.#without = without;
  }

  carries(track: Track): boolean {
    return CODECS.has(track.codec) && track.kind !== this.#without;
  }

  packet(packet: MediaPacket): Buffer | undefined {
    const muxer = this.#muxerOf(packet.track);
    if (muxer === undefined) return undefined;
    const sinceUs = packet.dtsUs - this.#tablesUs;
    const isPicture = packet.track.kind === 'video';
    const tables = (isPicture && packet.key) || sinceUs >= TABLES_EVERY_US || sinceUs < 0;
    try {
      const bytes = muxer.write([packet], tables);
      if (tables) this.#tablesUs = packet.dtsUs;
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.broken++;
      return undefined;
    }
  }

  /** The bytes themselves say all. */
  change(): Buffer {
    return NOTHING;
  }

  #muxerOf(track: Track): TsMuxer | undefined {
    const { video, audio } = this.#stream.state;
    // The packet may be older than the state of the stream.
    const now = track.kind === 'video' ? [track, audio] : [video, track];
    const tracks = now.filter((known): known is Track => isTsCarriable(known) && this.carries(known));
    if (!tracks.includes(track)) return undefined;
    const isSame =
      tracks.length === this.#tracks.length && tracks.every((known, i) => sameInMap(known, this.#tracks[i]));
    if (isSame) return this.#muxer;
    this.#tracks = tracks;
    this.#tablesUs = Number.NEGATIVE_INFINITY;
    try {
      this.#muxer = new TsMuxer(tracks, this.#muxer);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.broken++;
      this.#muxer = undefined;
    }
    return this.#muxer;
  }
}

/** The map tells codecs only; parameters come with the packets. */
function sameInMap(a: Track, b: Track | undefined): boolean {
  return a === b || (a.id === b?.id && a.kind === b.kind && a.codec === b.codec);
}
