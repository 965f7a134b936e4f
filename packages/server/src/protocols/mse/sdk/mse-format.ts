import { flvConfigTag, flvFrameTag, type MediaPacket, ProtocolError, type Track } from '@sluice/media';
import type { FanOutFormat, StreamState } from '../../../core/index.ts';
import { binaryFrame } from '../../../io/index.ts';
import type { PlayedKinds } from './acceptance.ts';

const AUDIO_RECORD = 8;
const VIDEO_RECORD = 9;
const RECORD_HEADER_BYTES = 9;
const NOTHING = Buffer.alloc(0);
/** Byte of the AVC decoder configuration with the number of SPS, in the tag that it is in. */
const SPS_COUNT_AT = 5 + 5;

/**
 * Writes a stream as the Web SDK's provider MSE takes it (websdk-signalling.md §9.2, `msePacketizationVersion` 2), as
 * whole WebSocket frames: records of FLV-like bodies, with one clock for picture and sound.
 *
 * ```
 * 0  u8   8 audio, 9 video
 * 1  i32  milliseconds
 * 5  i32  length
 * 9  …    video: AVC tag body; audio: packet type (0 configuration, 1 frame) and data, without FLV's first byte
 * ```
 */
export class SdkMseFormat implements FanOutFormat {
  readonly #kinds: PlayedKinds;
  readonly #configs = new WeakMap<Track, Uint8Array>();
  /** Where the timeline of the player begins. */
  #baseUs: number | undefined;

  constructor(kinds: PlayedKinds) {
    this.#kinds = kinds;
  }

  carries({ kind, codec }: Track): boolean {
    return this.#kinds[kind] && codec === (kind === 'video' ? 'h264' : 'aac');
  }

  packet(packet: MediaPacket): Buffer | undefined {
    this.#baseUs ??= packet.dtsUs;
    const atMs = this.#timeMs(packet.ptsUs);
    if (packet.track.kind === 'audio') return message([record(AUDIO_RECORD, atMs, flvFrameTag(packet).subarray(1))]);
    const body = record(VIDEO_RECORD, atMs, flvFrameTag(packet));
    if (!packet.key) return message([body]);
    // The player cuts fragments by configurations, not by key frames (§9.3).
    const config = this.#config(packet.track);
    return config === undefined ? undefined : message([record(VIDEO_RECORD, atMs, config), body]);
  }

  change({ audio }: StreamState, previous: StreamState | undefined, timeMs: number): Buffer {
    if (audio === undefined || audio === previous?.audio || !this.carries(audio)) return NOTHING;
    const config = this.#config(audio);
    return config === undefined ? NOTHING : message([record(AUDIO_RECORD, this.#timeMs(timeMs * 1000), config)]);
  }

  #timeMs(us: number): number {
    return Math.round((us - (this.#baseUs ?? us)) / 1000);
  }

  /** Undefined for a configuration that is broken: players would be, too. */
  #config(track: Track): Uint8Array | undefined {
    const known = this.#configs.get(track);
    if (known !== undefined) return known;
    try {
      const tag = flvConfigTag(track);
      if (tag === undefined) return undefined;
      const config = track.kind === 'video' ? withoutTail(tag) : tag.subarray(1);
      this.#configs.set(track, config);
      return config;
    } catch (error) {
      if (error instanceof ProtocolError) return undefined;
      throw error;
    }
  }
}

/** The player takes what follows the last PPS (chroma format and bit depths of High profile) for the next record. */
function withoutTail(tag: Uint8Array): Uint8Array {
  const spsEnd = afterSets(tag, SPS_COUNT_AT + 1, (tag[SPS_COUNT_AT] ?? 0) & 0x1f);
  return tag.subarray(0, afterSets(tag, spsEnd + 1, tag[spsEnd] ?? 0));
}

function afterSets(tag: Uint8Array, start: number, count: number): number {
  let end = start;
  for (let i = 0; i < count; i++) end += 2 + (((tag[end] ?? 0) << 8) | (tag[end + 1] ?? 0));
  return end;
}

function record(type: number, atMs: number, body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(RECORD_HEADER_BYTES + body.length);
  bytes[0] = type;
  // A stream that is watched for 24 days begins anew for its player.
  bytes.writeInt32BE(atMs | 0, 1);
  bytes.writeInt32BE(body.length, 5);
  bytes.set(body, RECORD_HEADER_BYTES);
  return bytes;
}

function message(records: readonly Buffer[]): Buffer {
  const [only] = records;
  return binaryFrame(records.length === 1 && only !== undefined ? only : Buffer.concat(records));
}
