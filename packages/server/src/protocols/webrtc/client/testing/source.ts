import type { AudioCodec, MediaPacket, Track, VideoCodec } from '@sluice/media';
import type { Publisher, Stream, StreamRegistry } from '../../../../core/index.ts';

/** An SPS and a PPS as x264 writes them for 320x240 baseline. */
const AVC = [
  Uint8Array.of(0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x07, 0xec, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00),
  Uint8Array.of(0x68, 0xce, 0x0f, 0xc8),
];
const OPUS_HEAD = Uint8Array.from(Buffer.from('4f7075734865616401020000 80bb0000 000000'.replaceAll(' ', ''), 'hex'));
const FRAME_US = 33_333;
const SOUND_US = 20_000;
const KEY_INTERVAL = 30;
const FRAME_BYTES = 3000;
const TICK_MS = 10;

export interface SourceOptions {
  readonly video?: VideoCodec | undefined;
  readonly audio?: AudioCodec | undefined;
}

/** A live stream whose every frame is another one: 30 pictures of several packets a second, and sound. */
export class Source implements Publisher {
  readonly sessionId = 'source';
  readonly stream: Stream;
  readonly published: MediaPacket[] = [];
  keyFramesAsked = 0;
  readonly #tracks: readonly Track[];
  readonly #streams: StreamRegistry;
  #timer: NodeJS.Timeout | undefined;
  #frames = 0;
  #sounds = 0;
  #startedMs = 0;
  #nextIsKey = false;

  constructor(streams: StreamRegistry, name: string, { video = 'h264', audio = 'opus' }: SourceOptions = {}) {
    this.#streams = streams;
    this.stream = streams.publish(name, this);
    this.#tracks = [
      { id: 1, kind: 'video', codec: video, clockRate: 90_000, parameters: video === 'h264' ? AVC : [] },
      { id: 2, kind: 'audio', codec: audio, clockRate: 48_000, parameters: audio === 'opus' ? [OPUS_HEAD] : [] },
    ];
    for (const track of this.#tracks) this.stream.setTrack(track);
    this.resume();
  }

  requestKeyFrame(): void {
    this.keyFramesAsked++;
    this.#nextIsKey = true;
  }

  /** Publishes nothing for a while. */
  pause(): void {
    clearInterval(this.#timer);
  }

  resume(): void {
    this.#startedMs = performance.now() - (this.#frames * FRAME_US) / 1000;
    this.#timer = setInterval(() => this.#publishDue(), TICK_MS);
  }

  close(): void {
    this.pause();
    this.#streams.end(this.stream, 'the source is closed');
  }

  #publishDue(): void {
    const nowUs = (performance.now() - this.#startedMs) * 1000;
    while (this.#frames * FRAME_US <= nowUs) this.#picture();
    while (this.#sounds * SOUND_US <= nowUs) this.#sound();
  }

  #picture(): void {
    const index = this.#frames++;
    const key = index % KEY_INTERVAL === 0 || this.#nextIsKey;
    this.#nextIsKey = false;
    const [track] = this.#tracks;
    if (track === undefined) return;
    const unit = track.codec === 'vp8' ? vp8Frame(key) : h264Frame(key);
    unit.writeUInt32BE(index, unit.length - 4);
    this.#publish({
      track,
      units: [unit],
      key,
      ptsUs: index * FRAME_US,
      dtsUs: index * FRAME_US,
      byteLength: unit.length,
    });
  }

  #sound(): void {
    const index = this.#sounds++;
    const track = this.#tracks[1];
    if (track === undefined) return;
    const unit = Buffer.alloc(40, index & 0xff);
    // Configuration 31: CELT, fullband, 20 ms (RFC 6716 §3.1).
    unit[0] = 0xfc;
    unit.writeUInt32BE(index, 1);
    this.#publish({
      track,
      units: [unit],
      key: true,
      ptsUs: index * SOUND_US,
      dtsUs: index * SOUND_US,
      byteLength: 40,
    });
  }

  #publish(packet: MediaPacket): void {
    this.published.push(packet);
    this.stream.publish(packet);
  }
}

function h264Frame(key: boolean): Buffer {
  const unit = randomUnit();
  unit[0] = key ? 0x65 : 0x41;
  return unit;
}

/** RFC 6386 §9.1 */
function vp8Frame(key: boolean): Buffer {
  const unit = randomUnit();
  unit.set(key ? [0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 64, 1, 240, 0] : [0x11, 0x02, 0x00]);
  return unit;
}

/** Without zeros, which H.264 would have to escape. */
function randomUnit(): Buffer {
  return Buffer.from(Array.from({ length: FRAME_BYTES }, () => 1 + Math.floor(Math.random() * 254)));
}

/** Number of the picture or sound that a packet is. */
export function numberOf({ track, units }: MediaPacket): number {
  const unit = Buffer.from(units.at(-1) ?? []);
  return unit.readUInt32BE(track.kind === 'video' ? unit.length - 4 : 1);
}
