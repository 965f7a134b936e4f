import { isMedia } from './demux.ts';
import { FRAME_HEADER_BYTES, writeFrame } from './tcp-frames.ts';
import type { WaterMarks } from './water-marks.ts';

export interface FrameQueueOptions {
  /** Most bytes of media that wait; 0 for none. */
  readonly mediaBytes: number;
  /** Of all connections. */
  readonly marks: WaterMarks;
  /** Datagrams were left out. */
  onDropped(count: number): void;
}

/** Older media is of no use to anybody who watches live: its place is better taken by what comes now. */
const MAX_MEDIA_AGE_MS = 400;
/** STUN, DTLS and RTCP have room of their own: without them there would be no connection, nor anybody to tell of loss. */
const CONTROL_BYTES = 65_536 + FRAME_HEADER_BYTES;
/** What is handed to the system at a time: no more than it takes, so that the rest can still be put in order. */
const BATCH_BYTES = 32_768;

interface Frame {
  readonly bytes: Buffer;
  readonly sinceMs: number;
}

/**
 * What waits for a connection that is behind. Whole datagrams are left out, the oldest media first, as a network does
 * that is too thin, so that congestion control and repair see it as loss; STUN, DTLS and RTCP go first and are kept.
 */
export class FrameQueue {
  readonly #options: FrameQueueOptions;
  #control: Frame[] = [];
  #media: Frame[] = [];
  /** Of `#media`: what is before it has gone. */
  #first = 0;
  #controlBytes = 0;
  #mediaBytes = 0;

  constructor(options: FrameQueueOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#controlBytes + this.#mediaBytes;
  }

  /** Takes a copy of a datagram, or leaves it out. */
  add(datagram: Buffer, nowMs: number): void {
    const media = isMedia(datagram);
    const bytes = FRAME_HEADER_BYTES + datagram.length;
    if (media ? !this.#makeRoom(bytes, nowMs) : this.#controlBytes + bytes > CONTROL_BYTES) {
      this.#options.onDropped(1);
      return;
    }
    const frame = { bytes: Buffer.allocUnsafe(bytes), sinceMs: nowMs };
    writeFrame(frame.bytes, datagram);
    this.#options.marks.add(bytes);
    if (media) {
      this.#media.push(frame);
      this.#mediaBytes += bytes;
    } else {
      this.#control.push(frame);
      this.#controlBytes += bytes;
    }
  }

  /** The next whole frames, no longer counted; undefined when nothing is left that is worth sending. */
  take(nowMs: number): Buffer | undefined {
    const frames = this.#control.map(({ bytes }) => bytes);
    let length = this.#controlBytes;
    this.#control = [];
    this.#options.marks.release(this.#controlBytes);
    this.#controlBytes = 0;
    this.#dropOld(nowMs);
    for (let next = this.#media[this.#first]; next !== undefined && length < BATCH_BYTES; ) {
      frames.push(next.bytes);
      length += next.bytes.length;
      this.#shift(next);
      next = this.#media[this.#first];
    }
    return frames.length === 0 ? undefined : frames.length === 1 ? frames[0] : Buffer.concat(frames, length);
  }

  /** Lets go of everything. */
  clear(): void {
    this.#options.marks.release(this.bytes);
    this.#control = [];
    this.#media = [];
    this.#first = 0;
    this.#controlBytes = 0;
    this.#mediaBytes = 0;
  }

  #makeRoom(bytes: number, nowMs: number): boolean {
    const { mediaBytes, marks } = this.#options;
    if (marks.full || bytes > mediaBytes) return false;
    this.#dropOld(nowMs);
    let dropped = 0;
    for (let oldest = this.#media[this.#first]; oldest !== undefined && this.#mediaBytes + bytes > mediaBytes; ) {
      this.#shift(oldest);
      dropped++;
      oldest = this.#media[this.#first];
    }
    if (dropped > 0) this.#options.onDropped(dropped);
    return true;
  }

  #dropOld(nowMs: number): void {
    let dropped = 0;
    for (let oldest = this.#media[this.#first]; oldest !== undefined && nowMs - oldest.sinceMs > MAX_MEDIA_AGE_MS; ) {
      this.#shift(oldest);
      dropped++;
      oldest = this.#media[this.#first];
    }
    if (dropped > 0) this.#options.onDropped(dropped);
  }

  #shift({ bytes }: Frame): void {
    this.#mediaBytes -= bytes.length;
    this.#options.marks.release(bytes.length);
    this.#first++;
    // Moves what is left only now and then, so that a long queue costs no more than a short one.
    if (this.#first < 64 || this.#first * 2 < this.#media.length) return;
    this.#media = this.#media.slice(this.#first);
    this.#first = 0;
  }
}
