import { sameParameters, splitAnnexB } from '../../codec/h264.ts';
import { ProtocolError } from '../../packet.ts';
import { type DepacketizedFrame, MAX_FRAME_UNITS, tooLarge } from './format.ts';
import type { FrameBuilder } from './frame-depacketizer.ts';

/** What H.264 and H.265 differ in. */
export interface NalFormat {
  /** Takes a payload apart: gives whole units and fragments to `frame`. @throws ProtocolError */
  readonly unpack: (payload: Uint8Array, frame: NalFrame) => void;
  readonly canonical: (units: readonly Uint8Array[]) => {
    units: Uint8Array[];
    key: boolean;
    parameters: Uint8Array[];
  };
  /** True for units that hold a part of a picture. */
  readonly isSlice: (unit: Uint8Array) => boolean;
  /** True for the first slice of a picture. */
  readonly isFirstSlice: (unit: Uint8Array) => boolean;
  /** True for a payload that begins with another slice than the first of a picture, or with a part of a slice. */
  readonly continues: (payload: Uint8Array) => boolean;
  /** Which of the kinds of parameter sets a unit is: a number that grows in the order of `Track.parameters`. */
  readonly parameterKind: (unit: Uint8Array) => number;
  /** True when a decoder can start with them. @throws ProtocolError for what no packager could write */
  readonly isComplete: (parameters: readonly Uint8Array[]) => boolean;
}

export interface NalFrameOptions {
  readonly parameters?: readonly Uint8Array[] | undefined;
  readonly startCodes?: boolean | undefined;
}

/** A NAL unit whose bytes lie in one or several payloads. */
interface Unit {
  /** Header that fragments do not have as such; empty for whole units. */
  readonly header: Uint8Array;
  readonly parts: Uint8Array[];
}

/** Far more than the parameter sets of any encoder. */
const MAX_PARAMETER_BYTES = 128 * 1024;

const NO_HEADER = new Uint8Array(0);

/** Collects the NAL units of one frame after the other. */
export class NalFrame implements FrameBuilder {
  /** Units may have start codes (ITU-T H.264 annex B) before them and between them, and pictures early markers. */
  readonly startCodes: boolean;
  readonly #format: NalFormat;
  #units: Unit[] = [];
  #fragmented: Unit | undefined;
  #broken = false;
  /** True when the head may be missing: the first slice decides. */
  #doubtful = false;
  /** Parameter sets in force, as they were given. */
  #parameters: readonly Uint8Array[];
  /** What has come since, of whatever kind. */
  #found: readonly Uint8Array[];

  /** @param parameters What is known from elsewhere, such as `sprop-parameter-sets`; the frames need not repeat it. */
  constructor(format: NalFormat, { parameters = [], startCodes = false }: NalFrameOptions) {
    this.#format = format;
    this.startCodes = startCodes;
    this.#parameters = parameters;
    this.#found = parameters;
  }

  add(payload: Uint8Array, gap: boolean): void {
    if (gap) {
      if (this.#units.length > 0 || this.#fragmented !== undefined) this.#broken = true;
      else this.#doubtful = true;
      this.#fragmented = undefined;
    }
    this.#format.unpack(payload, this);
  }

  /** A whole NAL unit, a view into the payload. */
  addUnit(unit: Uint8Array): void {
    this.#endFragment();
    this.#push({ header: NO_HEADER, parts: [unit] });
  }

  /** A part of a NAL unit; one without its beginning is left out. */
  addFragment(data: Uint8Array, about: { header: Uint8Array; first: boolean; last: boolean }): void {
    if (about.first) {
      this.#endFragment();
      this.#fragmented = { header: about.header, parts: [data] };
    } else if (this.#fragmented === undefined) this.#broken = true;
    else this.#fragmented.parts.push(data);
    if (!about.last || this.#fragmented === undefined) return;
    this.#push(this.#fragmented);
    this.#fragmented = undefined;
  }

  finish(timestamp: number, complete: boolean): DepacketizedFrame | undefined {
    this.#endFragment();
    const broken = this.#broken || !complete;
    const joined = joinUnits(this.#units);
    const { units, key, parameters } = this.#format.canonical(this.startCodes ? joined.flatMap(splitGlued) : joined);
    const doubtful = broken || this.#doubtful;
    this.discard();
    if (parameters.length > 0) this.#found = this.#merge(parameters);
    const slice = units.find(this.#format.isSlice);
    if (slice === undefined || (doubtful && !this.#format.isFirstSlice(slice))) return undefined;
    const changed = this.#takeParameters();
    return { units, ...(changed && { parameters: changed }), key, timestamp, broken };
  }

  discard(): void {
    this.#units = [];
    this.#fragmented = undefined;
    this.#broken = false;
    this.#doubtful = false;
  }

  continues(payload: Uint8Array): boolean {
    return this.startCodes && this.#format.continues(payload);
  }

  #push(unit: Unit): void {
    if (this.#units.length === MAX_FRAME_UNITS) throw tooLarge(`${MAX_FRAME_UNITS} units`);
    this.#units.push(unit);
  }

  /** A fragment that goes on no more has lost its end. */
  #endFragment(): void {
    if (this.#fragmented !== undefined) this.#broken = true;
    this.#fragmented = undefined;
  }

  /** Sets of a kind replace all of that kind. They are copied and bounded: they outlive the frame by far. */
  #merge(parameters: readonly Uint8Array[]): readonly Uint8Array[] {
    const { parameterKind } = this.#format;
    const kinds = new Set(parameters.map(parameterKind));
    const merged = this.#found.filter((unit) => !kinds.has(parameterKind(unit)));
    merged.push(...parameters);
    merged.sort((a, b) => parameterKind(a) - parameterKind(b));
    const bytes = merged.reduce((sum, { length }) => sum + length, 0);
    if (bytes > MAX_PARAMETER_BYTES || sameParameters(merged, this.#found)) return this.#found;
    return merged.map((unit) => new Uint8Array(unit));
  }

  /** The parameter sets when they are others than the ones in force. What no packager could write never is. */
  #takeParameters(): Uint8Array[] | undefined {
    if (this.#found === this.#parameters || sameParameters(this.#found, this.#parameters)) return undefined;
    try {
      if (!this.#format.isComplete(this.#found)) return undefined;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#found = this.#parameters;
      return undefined;
    }
    this.#parameters = this.#found;
    return [...this.#found];
  }
}

/** The units in a unit that has start codes, which no unit itself can contain. */
function splitGlued(unit: Uint8Array): Uint8Array[] {
  const end = startCodeAt(unit);
  return end < 0 ? [unit] : [...(end > 0 ? [unit.subarray(0, end)] : []), ...splitAnnexB(unit.subarray(end))];
}

/** Where 00 00 01, or the zeros before it, begin; -1 where there is none. */
function startCodeAt(unit: Uint8Array): number {
  for (let position = 2; position < unit.length; position += 1) {
    const byte = unit[position] ?? 0;
    if (byte > 1) position += 2;
    else if (byte === 1 && unit[position - 1] === 0 && unit[position - 2] === 0) {
      let start = position - 2;
      while (start > 0 && unit[start - 1] === 0) start -= 1;
      return start;
    }
  }
  return -1;
}

/** Copies the units of a frame into one piece of memory. */
function joinUnits(units: readonly Unit[]): Uint8Array[] {
  let length = 0;
  for (const { header, parts } of units) {
    length += header.length;
    for (const part of parts) length += part.length;
  }
  const memory = new Uint8Array(length);
  let position = 0;
  return units.map(({ header, parts }) => {
    const start = position;
    memory.set(header, position);
    position += header.length;
    for (const part of parts) {
      memory.set(part, position);
      position += part.length;
    }
    return memory.subarray(start, position);
  });
}
