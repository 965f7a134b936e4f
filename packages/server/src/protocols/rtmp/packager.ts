import {
  type AmfObject,
  encodeAmf0,
  encodeEcmaArray,
  type MediaPacket,
  type Track,
  writeAacConfigTag,
  writeAacFrameTag,
  writeAvcConfig,
  writeAvcConfigTag,
  writeAvcFrameTag,
} from '@sluice/media';
import type { FanOutFormat, StreamState } from '../../core/index.ts';
import { CHUNK_STREAM, MESSAGE, writeMessage } from './wire/chunk-writer.ts';

/** The message stream that all players play on: it is the first and only one that we give out. */
export const PLAY_STREAM_ID = 1;

/** Writes a stream as RTMP messages, already chunked (Adobe RTMP 1.0 §5.3). */
export class RtmpFormat implements FanOutFormat {
  readonly #chunkSize: number;

  constructor(chunkSize: number) {
    this.#chunkSize = chunkSize;
  }

  carries(track: Track): boolean {
    return track.codec === 'h264' || track.codec === 'aac';
  }

  packet(packet: MediaPacket, timeMs: number): Buffer {
    if (packet.track.kind === 'audio')
      return this.#message('audio', timeMs, writeAacFrameTag(packet.units[0] ?? EMPTY));
    const compositionMs = Math.round(packet.ptsUs / 1000) - timeMs;
    return this.#message('video', timeMs, writeAvcFrameTag(packet.units, packet.key, compositionMs));
  }

  change(state: StreamState, previous: StreamState | undefined, timeMs: number): Buffer {
    const parts: Buffer[] = [];
    if (state.metadata !== undefined && state.metadata !== previous?.metadata) {
      const body = Buffer.concat([encodeAmf0('onMetaData'), encodeEcmaArray(state.metadata as AmfObject)]);
      parts.push(this.#message('data', timeMs, body));
    }
    if (state.video !== undefined && state.video !== previous?.video) {
      parts.push(this.#message('video', timeMs, writeAvcConfigTag(writeAvcConfig(state.video.parameters))));
    }
    if (state.audio !== undefined && state.audio !== previous?.audio) {
      parts.push(this.#message('audio', timeMs, writeAacConfigTag(state.audio.parameters[0] ?? EMPTY)));
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
    return writeMessage(header, body, this.#chunkSize);
  }
}

const EMPTY = new Uint8Array(0);
