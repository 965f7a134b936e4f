import type { MediaPacket, Track } from '@sluice/media';
import type { FanOutFormat } from '../../../core/index.ts';
import { binaryFrame } from '../../../io/index.ts';
import { type PlayedKinds, WSPLAYER_AUDIO_RATE } from './acceptance.ts';

/** Bits of the first byte of an item. */
const HAS_TIMESTAMP = 0x01;
const HAS_SSRC = 0x02;
const VIDEO = 0x04;
const AUDIO = 0x08;
const CLOCK = 0x0c;
const KEY = 0x10;

/** The two sources; they only have to differ. */
const SSRC = { video: 1, audio: 2 } as const;
const VIDEO_RATE = 90_000;
const HEADER_BYTES = 9;
const CLOCK_BYTES = 17;
/** 20 ms: the player takes that for granted. */
const AUDIO_ITEM_SAMPLES = 160;
/** A clock is told anew after this long. */
const CLOCK_INTERVAL_US = 2_000_000;
/** Clocks in milliseconds round so much at most; more is a gap. */
const GAP_US = 40_000;
const NOTHING = Buffer.alloc(0);

/**
 * Writes a stream as the Web SDK's WSPlayer takes it (websdk-signalling.md §10.2), as whole WebSocket frames: MPEG-1
 * pictures, G.711 µ-law in pieces of 20 ms, and messages that tie the clock of each to one of the wall. Each is a message
 * of its own, and names its source, so that a player can begin with any of them.
 */
export class WsPlayerFormat implements FanOutFormat {
  readonly #kinds: PlayedKinds;
  /** Sound that does not fill an item yet, and the time of its first sample. */
  #rest = NOTHING;
  #restUs = 0;
  #clockTold = { video: Number.NEGATIVE_INFINITY, audio: Number.NEGATIVE_INFINITY };

  constructor(kinds: PlayedKinds) {
    this.#kinds = kinds;
  }

  carries({ kind, codec, clockRate }: Track): boolean {
    if (!this.#kinds[kind]) return false;
    return kind === 'video' ? codec === 'mpeg1' : codec === 'pcmu' && clockRate === WSPLAYER_AUDIO_RATE;
  }

  packet(packet: MediaPacket): Buffer {
    return packet.track.kind === 'video' ? this.#picture(packet) : this.#sound(packet);
  }

  /** All that a decoder needs is in the key frames. */
  change(): Buffer {
    return NOTHING;
  }

  #picture({ units, key, ptsUs }: MediaPacket): Buffer {
    const first = HAS_TIMESTAMP | HAS_SSRC | VIDEO | (key ? KEY : 0);
    const frame = item(first, { ssrc: SSRC.video, timestamp: ticks(ptsUs, VIDEO_RATE), payload: Buffer.concat(units) });
    if (!key && !this.#isClockDue('video', ptsUs)) return frame;
    // Who begins here waits for this clock, and for that of the sound.
    if (key) this.#clockTold.audio = Number.NEGATIVE_INFINITY;
    return Buffer.concat([frame, this.#clock('video', ptsUs, VIDEO_RATE)]);
  }

  #sound({ units, ptsUs }: MediaPacket): Buffer {
    const expectedUs = this.#restUs + samplesUs(this.#rest.length);
    if (this.#rest.length === 0 || Math.abs(ptsUs - expectedUs) > GAP_US) {
      this.#rest = NOTHING;
      this.#restUs = ptsUs;
    }
    const samples = Buffer.concat([this.#rest, ...units]);
    const frames: Buffer[] = [];
    let used = 0;
    for (; samples.length - used >= AUDIO_ITEM_SAMPLES; used += AUDIO_ITEM_SAMPLES) {
      const atUs = this.#restUs + samplesUs(used);
      const payload = samples.subarray(used, used + AUDIO_ITEM_SAMPLES);
      const timestamp = ticks(atUs, WSPLAYER_AUDIO_RATE);
      frames.push(item(HAS_TIMESTAMP | HAS_SSRC | AUDIO, { ssrc: SSRC.audio, timestamp, payload }));
      if (this.#isClockDue('audio', atUs)) frames.push(this.#clock('audio', atUs, WSPLAYER_AUDIO_RATE));
    }
    this.#rest = Buffer.from(samples.subarray(used));
    this.#restUs += samplesUs(used);
    return Buffer.concat(frames);
  }

  #isClockDue(kind: 'video' | 'audio', atUs: number): boolean {
    return atUs - this.#clockTold[kind] >= CLOCK_INTERVAL_US;
  }

  /** The wall is the timeline of the stream: only that both clocks have the same one matters. */
  #clock(kind: 'video' | 'audio', atUs: number, rate: number): Buffer {
    this.#clockTold[kind] = atUs;
    const bytes = Buffer.alloc(CLOCK_BYTES);
    bytes[0] = CLOCK;
    bytes.writeUInt32BE(SSRC[kind], 1);
    bytes.writeUInt32BE(ticks(atUs, rate), 5);
    const us = Math.max(0, atUs);
    bytes.writeUInt32BE(Math.floor(us / 1e6) >>> 0, 9);
    bytes.writeUInt32BE(Math.floor(((us % 1e6) / 1e6) * 2 ** 32) >>> 0, 13);
    return binaryFrame(bytes);
  }
}

/** Size of the picture that begins with a sequence header (ISO/IEC 11172-2 §2.4.2.3); undefined without one. */
export function mpeg1Size(picture: Uint8Array): { width: number; height: number } | undefined {
  const [a, b, c, code, high = 0, middle = 0, low = 0] = picture;
  if (a !== 0 || b !== 0 || c !== 1 || code !== 0xb3 || picture.length < 7) return undefined;
  return { width: (high << 4) | (middle >> 4), height: ((middle & 0x0f) << 8) | low };
}

function item(first: number, parts: { ssrc: number; timestamp: number; payload: Uint8Array }): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + parts.payload.length);
  bytes[0] = first;
  bytes.writeUInt32BE(parts.ssrc, 1);
  bytes.writeUInt32BE(parts.timestamp, 5);
  bytes.set(parts.payload, HEADER_BYTES);
  return binaryFrame(bytes);
}

/** RTP timestamps wrap at 32 bits. */
function ticks(us: number, rate: number): number {
  return Number(BigInt(Math.round((us * rate) / 1e6)) & 0xffff_ffffn);
}

function samplesUs(samples: number): number {
  return (samples * 1e6) / WSPLAYER_AUDIO_RATE;
}
