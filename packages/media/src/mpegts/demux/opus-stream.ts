import { OPUS_CLOCK_RATE, opusPacketTicks, opusTrack, writeOpusHead } from '../../codec/opus.ts';
import type { Track } from '../../packet.ts';
import type { ProgrammeClock } from './clock.ts';
import { FrameTimes } from './frame-times.ts';
import type { PesStart } from './pes.ts';
import type { ProgrammeStream, StreamSink } from './video-stream.ts';

const MAX_PES_BYTES = 65_536;

/** Channel order of Vorbis (RFC 7845 §5.1.1.2): streams, coupled streams, then where each channel comes from. */
const FAMILY_1 = [
  [1, 0, 0],
  [1, 1, 0, 1],
  [2, 1, 0, 2, 1],
  [2, 2, 0, 1, 2, 3],
  [3, 2, 0, 4, 1, 2, 3],
  [4, 2, 0, 4, 1, 2, 3, 5],
  [4, 3, 0, 4, 1, 2, 3, 5, 6],
  [5, 3, 0, 6, 1, 2, 3, 4, 5, 7],
];

/** Track of Opus in a transport stream by its `channel_config_code`; undefined for those that are not usual. */
export function opusTrackOf(id: number, channelConfig: number | undefined): Track | undefined {
  const channels = channelConfig ?? 2;
  if (channels === 1 || channels === 2) return opusTrack(id, writeOpusHead({ channels }));
  const mapping = FAMILY_1[channels - 1];
  if (mapping === undefined) return undefined;
  return opusTrack(id, writeOpusHead({ channels, mappingFamily: 1, mapping: Uint8Array.from(mapping) }));
}

/** Takes Opus packets with their control headers (ETSI TS 103 491 annex, as FFmpeg and GStreamer do) out of PES packets. */
export class OpusStream implements ProgrammeStream {
  readonly #track: Track;
  readonly #clock: ProgrammeClock;
  readonly #sink: StreamSink;
  readonly #times = new FrameTimes();
  readonly #bytes = new Uint8Array(MAX_PES_BYTES);
  #length = 0;
  #open = false;

  constructor(track: Track, clock: ProgrammeClock, sink: StreamSink) {
    this.#track = track;
    this.#clock = clock;
    this.#sink = sink;
    sink.onTrack(track);
  }

  begin(start: PesStart): void {
    this.end();
    this.#open = true;
    if (start.pts !== undefined) this.#times.anchor(this.#clock.unitTime(start.pts, start.dts ?? start.pts));
  }

  data(bytes: Uint8Array): void {
    if (!this.#open) return;
    if (this.#length + bytes.length > MAX_PES_BYTES) {
      this.#sink.onBroken();
      return this.lost();
    }
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  end(): void {
    if (this.#open) this.#read(this.#bytes.subarray(0, this.#length));
    this.#open = false;
    this.#length = 0;
  }

  lost(): void {
    this.#open = false;
    this.#length = 0;
    this.#times.reset();
  }

  flush(): void {
    this.end();
  }

  #read(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const unit = readUnit(bytes, at);
      if (unit === undefined) return this.#sink.onBroken();
      at = unit.end;
      this.#packet(bytes.subarray(unit.start, unit.end));
    }
  }

  #packet(packet: Uint8Array): void {
    const ticks = opusPacketTicks(packet);
    const ptsUs = ticks === undefined ? undefined : this.#times.take(ticks, OPUS_CLOCK_RATE);
    if (ptsUs === undefined) return this.#sink.onBroken();
    const units = [new Uint8Array(packet)];
    this.#sink.onPacket({ track: this.#track, units, ptsUs, dtsUs: ptsUs, key: true, byteLength: packet.length });
  }
}

/**
 * ```
 * 01111111 111 S E X rr   S, E: start and end trim (16 bits each); X: control extension
 * au_size: bytes of 255 until a smaller one, summed
 * ```
 */
function readUnit(bytes: Uint8Array, from: number): { start: number; end: number } | undefined {
  const flags = bytes[from + 1] ?? 0;
  if (bytes[from] !== 0x7f || (flags & 0xe0) !== 0xe0) return undefined;
  let at = from + 2;
  let size = 0;
  while (bytes[at] === 255) {
    size += 255;
    at++;
  }
  size += bytes[at++] ?? 0;
  if ((flags & 0x10) !== 0) at += 2;
  if ((flags & 0x08) !== 0) at += 2;
  if ((flags & 0x04) !== 0) at += 1 + (bytes[at] ?? 0);
  return size === 0 || at + size > bytes.length ? undefined : { start: at, end: at + size };
}
