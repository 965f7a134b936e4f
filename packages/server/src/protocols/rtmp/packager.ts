import {
  type AmfObject,
  type Codec,
  encodeAmf0,
  encodeEcmaArray,
  flvConfigTag,
  flvFrameTag,
  isFlvCarriable,
  type MediaPacket,
  ProtocolError,
  silentFrame,
  type Track,
} from '@sluice/media';
import type { FanOutFormat, StreamState } from '../../core/index.ts';
import { CHUNK_STREAM, MESSAGE, writeMessage } from './wire/chunk-writer.ts';

/** The message stream that all players play on: it is the first and only one that we give out. */
export const PLAY_STREAM_ID = 1;

export interface RtmpFormatOptions {
  readonly chunkSize: number;
  /** Sound is replaced by silence of the same codec and duration. */
  readonly silent: boolean;
  /** Codecs that the viewers' players do not take. */
  readonly without: ReadonlySet<Codec>;
  /** Writes the body of the message with the metadata; the publisher's own as onMetaData by default. */
  readonly metadata?: MetadataWriter | undefined;
}

/** The body of a data message that tells what changed since `previous`; undefined when there is nothing to tell. */
export type MetadataWriter = (state: StreamState, previous: StreamState | undefined) => Uint8Array | undefined;

/** Writes a stream as RTMP messages, already chunked (Adobe RTMP 1.0 §5.3). */
export class RtmpFormat implements FanOutFormat {
  readonly #options: RtmpFormatOptions;

  constructor(options: RtmpFormatOptions) {
    this.#options = options;
  }

  carries(track: Track): boolean {
    return isFlvCarriable(track.codec) && !this.#options.without.has(track.codec);
  }

  packet(packet: MediaPacket, timeMs: number): Buffer | undefined {
    const { kind } = packet.track;
    const sent = kind === 'audio' && this.#options.silent ? silenced(packet) : packet;
    return sent && this.#message(kind, timeMs, flvFrameTag(sent));
  }

  change(state: StreamState, previous: StreamState | undefined, timeMs: number): Buffer {
    const parts: Buffer[] = [];
    const metadata = (this.#options.metadata ?? ownMetadata)(state, previous);
    // FFmpeg and VLC take metadata with a time for a track of subtitles, and wait for those.
    if (metadata !== undefined) parts.push(this.#message('data', 0, metadata));
    for (const kind of ['video', 'audio'] as const) {
      const track = state[kind];
      if (track === undefined || track === previous?.[kind] || !this.carries(track)) continue;
      const config = configOf(track);
      if (config !== undefined) parts.push(this.#message(kind, timeMs, config));
    }
    return Buffer.concat(parts);
  }

  #message(kind: 'audio' | 'video' | 'data', timeMs: number, body: Uint8Array): Buffer {
    const header = {
      chunkStreamId: CHUNK_STREAM[kind],
      type: MESSAGE[kind],
      streamId: PLAY_STREAM_ID,
      timestamp: timeMs,
    };
    return writeMessage(header, body, this.#options.chunkSize);
  }
}

function ownMetadata({ metadata }: StreamState, previous: StreamState | undefined): Uint8Array | undefined {
  if (metadata === undefined || metadata === previous?.metadata) return undefined;
  return Buffer.concat([encodeAmf0('onMetaData'), encodeEcmaArray(metadata as AmfObject)]);
}

/** A broken configuration must not come back on its publisher by way of its viewers: players will tell. */
function configOf(track: Track): Uint8Array | undefined {
  try {
    return flvConfigTag(track);
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/** The packet with silence in place of its sound; undefined for what can't be silenced, which is then left out. */
function silenced(packet: MediaPacket): MediaPacket | undefined {
  const frame = silentFrame(packet);
  return frame && { ...packet, units: [frame], byteLength: frame.length };
}
