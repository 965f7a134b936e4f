import { writePat, writePmt } from '../psi.ts';
import { type PidState, TsOutput } from '../ts-output.ts';

/** PES header with PTS and DTS in ticks of 90 kHz; none without. `length` 0 leaves it open. */
export function pesHeader(options: {
  readonly pts?: number;
  readonly dts?: number;
  readonly payloadBytes?: number;
  readonly aligned?: boolean;
  readonly streamId?: number;
}): Uint8Array {
  const { pts, dts, payloadBytes, aligned = false, streamId = 0xe0 } = options;
  const fields = [
    ...(pts === undefined ? [] : timestamp(dts === undefined ? 2 : 3, pts)),
    ...(dts === undefined ? [] : timestamp(1, dts)),
  ];
  const length = payloadBytes === undefined ? 0 : 3 + fields.length + payloadBytes;
  const flags = (pts === undefined ? 0 : 0x80) | (dts === undefined ? 0 : 0x40);
  const marks = aligned ? 0x84 : 0x80;
  return Uint8Array.of(0, 0, 1, streamId, length >> 8, length & 0xff, marks, flags, fields.length, ...fields);
}

function timestamp(prefix: number, ticks: number): number[] {
  const value = ((ticks % 2 ** 33) + 2 ** 33) % 2 ** 33;
  const high = Math.floor(value / 2 ** 30);
  const low = value % 2 ** 30;
  return [
    (prefix << 4) | (high << 1) | 1,
    low >>> 22,
    ((low >>> 14) & 0xfe) | 1,
    (low >>> 7) & 0xff,
    ((low << 1) & 0xfe) | 1,
  ];
}

/** Writes transport packets of one programme by hand. */
export class TsBuilder {
  readonly #states = new Map<number, PidState>();
  #parts: Uint8Array[] = [];

  /** PAT and PMT; streams by PID and stream type. */
  tables(streams: Readonly<Record<number, number>>): this {
    const list = Object.entries(streams).map(([pid, streamType]) => ({ pid: Number(pid), streamType }));
    this.section(0, writePat());
    return this.section(0x1000, writePmt(list, list[0]?.pid ?? 0x1fff));
  }

  section(pid: number, section: Uint8Array): this {
    const output = new TsOutput(188);
    output.section(this.#state(pid), section);
    this.#parts.push(output.finish());
    return this;
  }

  pes(pid: number, header: Uint8Array, ...payload: readonly Uint8Array[]): this {
    const output = new TsOutput(4096);
    output.pes(this.#state(pid), [header, ...payload], { randomAccess: false });
    this.#parts.push(output.finish());
    return this;
  }

  /** Leaves out so many packets of a PID. */
  skip(pid: number, packets: number): this {
    const state = this.#state(pid);
    state.continuity = (state.continuity + packets) & 15;
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    return this;
  }

  /** All that was written since the last time. */
  take(): Uint8Array {
    const bytes = joined(this.#parts);
    this.#parts = [];
    return bytes;
  }

  #state(pid: number): PidState {
    const state = this.#states.get(pid) ?? { pid, continuity: 0 };
    this.#states.set(pid, state);
    return state;
  }
}

/** One piece of memory with all parts. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
