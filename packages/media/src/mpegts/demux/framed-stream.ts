import { aacTrack } from '../../codec/aac.ts';
import { ProtocolError, type Track } from '../../packet.ts';
import type { ProgrammeClock } from './clock.ts';
import { EsBuffer } from './es-buffer.ts';
import { FrameTimes } from './frame-times.ts';
import type { PesStart } from './pes.ts';
import type { ProgrammeStream, StreamSink } from './video-stream.ts';

const FIRST_BYTES = 4096;
/** Several times the longest frame: 8191 bytes. */
const MAX_BYTES = 64 * 1024;

/** What the framing at a place says. */
export interface FramedUnit {
  /** AudioSpecificConfig. */
  readonly asc: Uint8Array;
  /** Samples of a raw frame at the core's sampling rate. */
  readonly frameTicks: number;
  /** Raw frames, in their order; views. */
  readonly frames: readonly Uint8Array[];
}

/** How AAC frames are found in a stream of bytes. */
export interface AacFraming {
  /** Bytes of a header that tells the length. */
  readonly headerBytes: number;
  /** True when a header may begin there; only with `headerBytes` bytes. */
  isHeader(bytes: Uint8Array, at: number): boolean;
  /** Bytes of the unit whose header is there, with the header. */
  lengthAt(bytes: Uint8Array, at: number): number;
  /** Reads a whole unit. @throws ProtocolError */
  read(unit: Uint8Array): FramedUnit;
}

/** Cuts AAC with headers of its own (ADTS, LOAS) into frames, whatever PES packets they lie in. */
export class FramedAacStream implements ProgrammeStream {
  readonly #id: number;
  readonly #framing: AacFraming;
  readonly #clock: ProgrammeClock;
  readonly #sink: StreamSink;
  readonly #buffer = new EsBuffer<PesStart>(FIRST_BYTES, MAX_BYTES);
  readonly #times = new FrameTimes();
  #adrift = true;
  /** The last unit ended here: another one must follow, so its header is believed. */
  #inStep = false;
  #track: Track | undefined;
  #asc: Uint8Array | undefined;

  constructor(framing: AacFraming, id: number, clock: ProgrammeClock, sink: StreamSink) {
    this.#framing = framing;
    this.#id = id;
    this.#clock = clock;
    this.#sink = sink;
  }

  begin(start: PesStart): void {
    this.#adrift = false;
    if (start.pts !== undefined) this.#buffer.mark(start);
  }

  data(bytes: Uint8Array): void {
    if (this.#adrift) return;
    if (!this.#buffer.append(bytes)) {
      this.#sink.onBroken();
      return this.lost();
    }
    this.#read(false);
  }

  end(): void {}

  lost(): void {
    this.#buffer.clear();
    this.#times.reset();
    this.#adrift = true;
    this.#inStep = false;
  }

  flush(): void {
    this.#read(true);
    this.lost();
  }

  #read(last: boolean): void {
    const { bytes } = this.#buffer;
    const { headerBytes } = this.#framing;
    let at = 0;
    while (at + headerBytes <= bytes.length) {
      const length = this.#framing.isHeader(bytes, at) ? this.#framing.lengthAt(bytes, at) : 0;
      if (length <= headerBytes) {
        if (this.#inStep) this.#sink.onBroken();
        this.#inStep = false;
        at++;
        continue;
      }
      if (at + length > bytes.length) break;
      const next = at + length;
      if (!this.#inStep && !last) {
        // Chance makes headers too: one that is found by searching must be followed by another.
        if (next + headerBytes > bytes.length) break;
        if (!this.#framing.isHeader(bytes, next)) {
          at++;
          continue;
        }
      }
      this.#unit(bytes.subarray(at, next), at);
      this.#inStep = true;
      at = next;
    }
    this.#buffer.drop(at);
  }

  #unit(bytes: Uint8Array, at: number): void {
    const pes = this.#buffer.takeMark(at);
    if (pes?.pts !== undefined) this.#times.anchor(this.#clock.unitTime(pes.pts, pes.dts ?? pes.pts));
    try {
      const unit = this.#framing.read(bytes);
      this.#declare(unit.asc);
      for (const frame of unit.frames) this.#frame(frame, unit.frameTicks);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#sink.onBroken();
    }
  }

  #declare(asc: Uint8Array): void {
    if (this.#asc !== undefined && sameBytes(this.#asc, asc)) return;
    this.#track = aacTrack(this.#id, new Uint8Array(asc));
    this.#asc = asc;
    this.#sink.onTrack(this.#track);
  }

  #frame(frame: Uint8Array, ticks: number): void {
    const track = this.#track;
    if (track === undefined) return;
    const ptsUs = this.#times.take(ticks, track.clockRate);
    if (ptsUs === undefined || frame.length === 0) return this.#sink.onBroken();
    const units = [new Uint8Array(frame)];
    this.#sink.onPacket({ track, units, ptsUs, dtsUs: ptsUs, key: true, byteLength: frame.length });
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
