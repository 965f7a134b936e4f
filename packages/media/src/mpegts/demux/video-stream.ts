import { videoSize } from '../../codec/describe.ts';
import { sameParameters } from '../../codec/h264.ts';
import { sliceType } from '../../codec/h264-slice.ts';
import { type MediaPacket, ProtocolError, type Track } from '../../packet.ts';
import type { ProgrammeClock, UnitTime } from './clock.ts';
import { EsBuffer } from './es-buffer.ts';
import { NAL_CODECS, type NalCodec } from './nal-codec.ts';
import type { PesSink, PesStart } from './pes.ts';

const FIRST_BYTES = 128 * 1024;
/** A picture of more is refused; at 60 pictures a second this would be 4 Gbit/s. */
const MAX_UNIT_BYTES = 8 * 1024 * 1024;
const MAX_NAL_UNITS = 2048;
/** Far more than the parameter sets of any encoder. */
const MAX_PARAMETER_BYTES = 128 * 1024;
const DEFAULT_DURATION_US = 40_000;
const MAX_DURATION_US = 1_000_000;
/** PES packets that are nearly as long as they can be may go on in another one. */
const MAX_WHOLE_PES_BYTES = 65_000;

/** Where the streams of a programme put what they find. */
export interface StreamSink {
  onTrack(track: Track): void;
  onPacket(packet: MediaPacket): void;
  /** A whole access unit or frame that can't be used. */
  onBroken(): void;
  /** A picture that nobody could decode, for want of one before it. */
  onWithheld(): void;
}

/** What a stream of any kind must do besides taking PES packets. */
export interface ProgrammeStream extends PesSink {
  /** Gives out what is whole; nothing more comes. */
  flush(): void;
}

/**
 * Cuts H.264 or H.265 into access units, whatever PES packets they lie in. After a loss nothing is given out before the
 * next picture that a decoder can start with, nor pictures behind it that are shown before it: they refer to lost ones.
 */
export class VideoStream implements ProgrammeStream {
  readonly #id: number;
  readonly #codec: NalCodec;
  readonly #clock: ProgrammeClock;
  readonly #sink: StreamSink;
  readonly #buffer = new EsBuffer<PesStart>(FIRST_BYTES, MAX_UNIT_BYTES);
  /** Where start codes of the open access unit begin. */
  #codes: number[] = [];
  #hasSlice = false;
  /** The open access unit began with a slice that is not the first of its picture. */
  #headless = false;
  /** Where to look for the next start code. */
  #scanned = 0;
  /** Whatever comes belongs to a PES packet whose beginning was lost. */
  #adrift = true;
  #earlyEnds = true;
  #endedEarly = false;
  #pes: PesStart | undefined;
  #found: readonly Uint8Array[] = [];
  #track: Track | undefined;
  #needsKey = true;
  /** While set, pictures shown before this are left out. */
  #leadingBeforeUs: number | undefined;
  #time: UnitTime | undefined;
  #timed: { dtsUs: number; unitsSince: number } | undefined;
  #durationUs = 0;

  constructor(codec: 'h264' | 'h265', id: number, clock: ProgrammeClock, sink: StreamSink) {
    this.#codec = NAL_CODECS[codec];
    this.#id = id;
    this.#clock = clock;
    this.#sink = sink;
  }

  begin(start: PesStart): void {
    if (this.#adrift) {
      // The first bytes may be the rest of an access unit whose beginning is lost; the scan passes over them.
      this.#adrift = false;
      this.#clear();
    }
    this.#pes = start;
    if (start.pts !== undefined) this.#buffer.mark(start);
  }

  data(bytes: Uint8Array): void {
    if (this.#adrift) return;
    if (!this.#buffer.append(bytes)) {
      this.#sink.onBroken();
      return this.lost();
    }
    this.#scan(this.#codec.roleBytes);
  }

  /** A packet that was aligned to access units ends with one: no need to wait for the next one to begin. */
  end(): void {
    const pes = this.#pes;
    if (!this.#earlyEnds || pes === undefined || !pes.aligned) return;
    if ((pes.payloadBytes ?? MAX_WHOLE_PES_BYTES) >= MAX_WHOLE_PES_BYTES) return;
    this.#finish();
    this.#endedEarly = true;
  }

  lost(): void {
    this.#clear();
    this.#adrift = true;
    this.#needsKey = true;
    this.#leadingBeforeUs = undefined;
    this.#timed = undefined;
  }

  flush(): void {
    this.#finish();
  }

  #clear(): void {
    this.#buffer.clear();
    this.#codes = [];
    this.#hasSlice = false;
    this.#headless = false;
    this.#scanned = 0;
    this.#endedEarly = false;
  }

  #finish(): void {
    if (this.#adrift) return;
    this.#scan(1);
    if (this.#codes.length > 0) this.#cut(this.#buffer.length);
    const { length } = this.#buffer;
    this.#buffer.drop(length);
    this.#scanned = 0;
  }

  /** Finds start codes (00 00 01) that are followed by so many bytes, and cuts where access units begin. */
  #scan(following: number): void {
    const { bytes } = this.#buffer;
    const end = bytes.length - 2 - following;
    let at = this.#scanned;
    let cutAt = 0;
    while (at < end) {
      const third = bytes[at + 2] ?? 0;
      if (third > 1) at += 3;
      else if (third === 1 && bytes[at] === 0 && bytes[at + 1] === 0) {
        if (this.#startsAccessUnit(bytes, at + 3)) {
          this.#cut(at);
          cutAt = at;
        }
        if (!this.#add(bytes, at)) return;
        at += 3;
      } else at += 1;
    }
    this.#scanned = Math.max(at, 0);
    this.#dropBytes(this.#codes.length > 0 ? cutAt : Math.min(at, bytes.length));
  }

  #dropBytes(count: number): void {
    if (count === 0) return;
    this.#buffer.drop(count);
    this.#scanned -= count;
    this.#codes = this.#codes.map((at) => at - count);
  }

  #startsAccessUnit(bytes: Uint8Array, at: number): boolean {
    if (this.#codes.length === 0) return false;
    const role = this.#codec.role(bytes, at);
    return role === 'delimiter' || (this.#hasSlice && (role === 'head' || role === 'first'));
  }

  /** Adds a unit to the open access unit; false when all was given up. */
  #add(bytes: Uint8Array, at: number): boolean {
    const role = this.#codec.role(bytes, at + 3);
    if (role === 'slice' && !this.#hasSlice) {
      this.#headless = true;
      // What was cut at the end of its packet goes on in this one.
      if (this.#endedEarly) this.#earlyEnds = false;
    }
    if (role === 'first' || role === 'slice') this.#hasSlice = true;
    this.#endedEarly = false;
    this.#codes.push(at);
    if (this.#codes.length <= MAX_NAL_UNITS) return true;
    this.#sink.onBroken();
    this.lost();
    return false;
  }

  /** Ends the open access unit before `end`. */
  #cut(end: number): void {
    const codes = this.#codes;
    const headless = this.#headless;
    this.#codes = [];
    this.#hasSlice = false;
    this.#headless = false;
    if (headless) {
      this.#needsKey = true;
      return this.#sink.onBroken();
    }
    const pes = this.#buffer.takeMark(codes[0] ?? 0);
    const time = this.#timeOf(pes);
    const { bytes } = this.#buffer;
    const units = codes.map((at, i) => trimmed(bytes, at + 3, codes[i + 1] ?? end));
    this.#accessUnit(units, time, pes?.randomAccess ?? false);
  }

  #accessUnit(views: readonly Uint8Array[], time: UnitTime | undefined, randomAccess: boolean): void {
    const { units: kept, key: idr, parameters } = this.#codec.canonical(views);
    if (parameters.length > 0) this.#learn(parameters);
    if (!kept.some(this.#codec.isSlice)) return;
    const track = this.#track;
    if (track === undefined || time === undefined) {
      this.#needsKey = true;
      return this.#sink.onWithheld();
    }
    const units = copied(kept);
    let byteLength = 0;
    for (const unit of units) byteLength += unit.length;
    const packet: MediaPacket = { track, units, ...time, key: idr, byteLength };
    const key = idr || this.#codec.isRecoveryPoint(units) || (randomAccess && sliceType(packet) === 'I');
    if (this.#isWithheld(key, time.ptsUs)) return this.#sink.onWithheld();
    this.#sink.onPacket(key === idr ? packet : { ...packet, key });
  }

  #isWithheld(key: boolean, ptsUs: number): boolean {
    if (key) {
      this.#leadingBeforeUs = this.#needsKey ? ptsUs : undefined;
      this.#needsKey = false;
      return false;
    }
    return this.#needsKey || (this.#leadingBeforeUs !== undefined && ptsUs < this.#leadingBeforeUs);
  }

  /** Sets of a kind replace all of that kind; what no packager could write is not taken over. */
  #learn(parameters: readonly Uint8Array[]): void {
    const { parameterKind, isComplete, makeTrack } = this.#codec;
    const kinds = new Set(parameters.map(parameterKind));
    const merged = this.#found.filter((unit) => !kinds.has(parameterKind(unit)));
    merged.push(...parameters);
    merged.sort((a, b) => parameterKind(a) - parameterKind(b));
    if (sameParameters(merged, this.#found)) return;
    if (merged.reduce((sum, { length }) => sum + length, 0) > MAX_PARAMETER_BYTES) return this.#sink.onBroken();
    const owned = merged.map((unit) => new Uint8Array(unit));
    try {
      if (isComplete(owned)) this.#track = makeTrack(this.#id, [...owned]);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return this.#sink.onBroken();
    }
    this.#found = owned;
    if (this.#track === undefined || !sameParameters(this.#track.parameters, owned)) return;
    this.#sink.onTrack(this.#track);
  }

  /** Only the first access unit that begins in a PES packet has the packet's times; the others follow it evenly. */
  #timeOf(pes: PesStart | undefined): UnitTime | undefined {
    if (pes?.pts !== undefined) {
      this.#time = this.#clock.unitTime(pes.pts, pes.dts ?? pes.pts);
      this.#measure(this.#time.dtsUs);
    } else if (this.#time !== undefined) {
      const stepUs = this.#stepUs();
      this.#time = { ptsUs: this.#time.ptsUs + stepUs, dtsUs: this.#time.dtsUs + stepUs };
      if (this.#timed !== undefined) this.#timed.unitsSince++;
    }
    return this.#time;
  }

  #measure(dtsUs: number): void {
    if (this.#timed !== undefined) {
      const durationUs = Math.round((dtsUs - this.#timed.dtsUs) / this.#timed.unitsSince);
      if (durationUs > 0 && durationUs <= MAX_DURATION_US) this.#durationUs = durationUs;
    }
    this.#timed = { dtsUs, unitsSince: 1 };
  }

  #stepUs(): number {
    if (this.#durationUs > 0) return this.#durationUs;
    const fps = this.#track && videoSize(this.#track)?.fps;
    return fps === undefined || fps < 1 ? DEFAULT_DURATION_US : Math.round(1e6 / fps);
  }
}

/** A NAL unit without the zero bytes behind it, which belong to the next start code. */
function trimmed(bytes: Uint8Array, start: number, end: number): Uint8Array {
  let last = end;
  while (last > start && bytes[last - 1] === 0) last--;
  return bytes.subarray(start, last);
}

/** Copies units into one piece of memory. */
function copied(units: readonly Uint8Array[]): Uint8Array[] {
  const memory = new Uint8Array(units.reduce((sum, { length }) => sum + length, 0));
  let position = 0;
  return units.map((unit) => {
    memory.set(unit, position);
    position += unit.length;
    return memory.subarray(position - unit.length, position);
  });
}
