import type { RtpLane } from '../../../core/index.ts';
import type { Vp8Run } from './vp8-numbers.ts';

/** What is sent of one lane from one start on: times are those of the lane, moved by the same for all its packets. */
export interface SendRun {
  readonly lane: RtpLane;
  readonly epoch: number;
  readonly timestampOffset: number;
  /** Pictures that are older are of the past: their times are pressed together. Microseconds of the stream's timeline. */
  readonly pastEndUs: number;
  /** What numbers frames of VP8, from the first packet that is sent on. */
  vp8: Vp8Run | undefined;
}

/** Packets of a run that were sent under numbers without a gap but for those that the lane has. */
interface Segment {
  readonly run: SendRun;
  /** The viewer's number less the lane's. */
  readonly offset: number;
  /** First and last number in the lane. */
  readonly from: number;
  to: number;
}

/** A packet by the number that the viewer knows it by. */
export interface SentPacket {
  readonly run: SendRun;
  /** In the lane. */
  readonly sequence: number;
}

/** Some seconds of leaving out every other frame: nobody asks for what was before. */
const MAX_SEGMENTS = 128;

/**
 * The numbers that a viewer gets packets by: one after the other, though packets of the lane are left out or the lane
 * becomes another one. Tells which packet it was, by that number; nothing is kept per packet.
 */
export class SentNumbers {
  /** The newest number, unwrapped. */
  last = Math.floor(Math.random() * 0x8000);
  #segments: Segment[] = [];

  /** The run that the newest packet was of; undefined before the first. */
  get run(): SendRun | undefined {
    return this.#segments.at(-1)?.run;
  }

  /**
   * The number for a packet that is sent now. `skips`: what the lane has between the packet before and this one was left
   * out. -1 for one that comes late and has no number, as its place is taken. Hot path.
   */
  numberFor(run: SendRun, sequence: number, skips: boolean): number {
    const current = this.#segments[this.#segments.length - 1];
    if (current === undefined || current.run !== run) return this.#begin(run, sequence);
    if (sequence > current.to) {
      if (skips) return this.#begin(run, sequence);
      current.to = sequence;
      this.last = sequence + current.offset;
      return this.last;
    }
    const segment = this.#segments.findLast((other) => other.run === run && other.from <= sequence);
    return segment !== undefined && sequence <= segment.to ? sequence + segment.offset : -1;
  }

  /** The number that a packet gets which is sent next, newer than all before; nothing is left out before it. */
  expect(run: SendRun, sequence: number): number {
    const current = this.#segments.at(-1);
    return current?.run === run ? sequence + current.offset : this.last + 1;
  }

  /** All packets of the run up to that one have been sent under the numbers that were to be expected. */
  passTo(run: SendRun, sequence: number): void {
    const current = this.#segments.at(-1);
    if (current?.run !== run || sequence <= current.to) return;
    current.to = sequence;
    this.last = sequence + current.offset;
  }

  /** What comes from that packet on is sent under the numbers from that one on, after all those before. */
  goOnAt(run: SendRun, sequence: number, number: number): void {
    const current = this.#segments.at(-1);
    if (current !== undefined) current.to = Math.max(current.to, number - 1 - current.offset);
    this.last = number - 1;
    this.#segments.push({ run, offset: number - sequence, from: sequence, to: sequence - 1 });
    if (this.#segments.length > MAX_SEGMENTS) this.#segments.shift();
  }

  /** What was sent before the newest run of numbers is not known any more. */
  forgetOlder(): void {
    this.#segments = this.#segments.slice(-1);
  }

  /** What was sent under a number of 16 bits, of the newest that it can be; undefined when nothing was. */
  find(number: number): SentPacket | undefined {
    const unwrapped = this.last - ((this.last - number) & 0xffff);
    for (let i = this.#segments.length - 1; i >= 0; i--) {
      const segment = this.#segments[i];
      if (segment === undefined || segment.from + segment.offset > unwrapped) continue;
      const sequence = unwrapped - segment.offset;
      return sequence <= segment.to ? { run: segment.run, sequence } : undefined;
    }
    return undefined;
  }

  #begin(run: SendRun, sequence: number): number {
    this.last++;
    this.#segments.push({ run, offset: this.last - sequence, from: sequence, to: sequence });
    if (this.#segments.length > MAX_SEGMENTS) this.#segments.shift();
    return this.last;
  }
}
