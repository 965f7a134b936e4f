import {
  type FlvTagType,
  flvConfigTag,
  flvFrameTag,
  isFlvCarriable,
  type MediaPacket,
  ProtocolError,
  type Track,
  writeFlvTag,
} from '@sluice/media';
import type { FanOutFormat, StreamState } from '../../core/index.ts';
import { metadataTag } from './metadata.ts';
import type { WantedKinds } from './request.ts';

const TAG: Readonly<Record<'audio' | 'video' | 'data', FlvTagType>> = { audio: 8, video: 9, data: 18 };

/** Writes a stream as FLV tags (Adobe FLV 10.1 §E.4, Enhanced RTMP v2), without the header of the file. */
export class FlvFormat implements FanOutFormat {
  readonly #wants: WantedKinds;

  constructor(wants: WantedKinds) {
    this.#wants = wants;
  }

  carries(track: Track): boolean {
    return this.#wants[track.kind] && isFlvCarriable(track.codec);
  }

  packet(packet: MediaPacket, timeMs: number): Buffer {
    return tag(packet.track.kind, timeMs, flvFrameTag(packet));
  }

  change(state: StreamState, previous: StreamState | undefined, timeMs: number): Buffer {
    const { video, audio, metadata } = state;
    const parts: Buffer[] = [];
    const newTracks = video !== previous?.video || audio !== previous?.audio;
    if (previous === undefined || metadata !== previous.metadata || (metadata === undefined && newTracks)) {
      const body = metadataTag(state, (kind) => this.#mayCarry(kind, state));
      // FFmpeg and VLC take metadata with a time for a track of subtitles, and wait for those.
      if (body !== undefined) parts.push(tag('data', 0, body));
    }
    if (video !== previous?.video) this.#pushConfig(parts, video, timeMs);
    if (audio !== previous?.audio) this.#pushConfig(parts, audio, timeMs);
    return Buffer.concat(parts);
  }

  #pushConfig(parts: Buffer[], track: Track | undefined, timeMs: number): void {
    if (track === undefined || !this.carries(track)) return;
    const body = configOf(track);
    if (body !== undefined) parts.push(tag(track.kind, timeMs, body));
  }

  /** False for a kind that is not wanted or that FLV can't carry; a track that is not known yet may come. */
  #mayCarry(kind: 'video' | 'audio', state: StreamState): boolean {
    const track = state[kind];
    return this.#wants[kind] && (track === undefined || isFlvCarriable(track.codec));
  }
}

function tag(kind: 'audio' | 'video' | 'data', timeMs: number, body: Uint8Array): Buffer {
  const bytes = writeFlvTag(TAG[kind], timeMs, body);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
