import { ProtocolError } from '../../packet.ts';
import {
  type DepacketizedFrame,
  MAX_FRAME_BYTES,
  MAX_FRAME_PACKETS,
  type RtpDepacketizer,
  type RtpMediaPacket,
  tooLarge,
} from './format.ts';

/** What a codec does with the payloads of a frame; `FrameDepacketizer` knows where frames begin and end. */
export interface FrameBuilder {
  /**
   * Takes the next payload of the frame, of at least one byte.
   * @param gap True when packets are missing between this payload and the one before it, or possibly before the first.
   * @throws ProtocolError
   */
  add(payload: Uint8Array, gap: boolean): void;
  /**
   * Ends the frame and begins anew.
   * @param complete False when the end is missing, or a payload was refused.
   */
  finish(timestamp: number, complete: boolean): DepacketizedFrame | undefined;
  /** Forgets what the frame has so far. */
  discard(): void;
  /** True for a payload that belongs into the middle of a picture. Where it is absent, markers are believed. */
  continues?(payload: Uint8Array): boolean;
}

/** Divides the packets of a video source into frames, by marker and timestamp, within the bounds. */
export class FrameDepacketizer implements RtpDepacketizer {
  readonly #builder: FrameBuilder;
  readonly #ready: DepacketizedFrame[] = [];
  #open = false;
  #timestamp = 0;
  #damaged = false;
  #bytes = 0;
  #packets = 0;
  /** Who comes into the middle of a stream has missed something. */
  #gap = true;
  /** Cameras that set it on every slice are found out by a slice that goes on behind it. */
  #believesMarkers = true;
  /** The frame before was whole, as far as one could tell. */
  #gaveWhole = false;

  constructor(builder: FrameBuilder) {
    this.#builder = builder;
  }

  push(packet: RtpMediaPacket, lost: boolean): DepacketizedFrame | undefined {
    if (lost) this.#gap = true;
    if (packet.payload.length > 0) {
      const sameTime = packet.timestamp === this.#timestamp;
      if (this.#open && !sameTime) this.#finish(!this.#gap);
      else if (!this.#open && sameTime && !this.#gap && this.#gaveWhole) this.#doubtMarkers(packet);
      try {
        this.#add(packet);
      } finally {
        this.#gap = false;
        if (packet.marker && this.#believesMarkers) this.#finish(true);
      }
    }
    return this.#next();
  }

  /** What was taken for a whole picture was a part of one. */
  #doubtMarkers({ payload }: RtpMediaPacket): void {
    if (!this.#believesMarkers || this.#builder.continues?.(payload) !== true) return;
    this.#believesMarkers = false;
    this.#open = true;
    this.#damaged = true;
    throw new ProtocolError('RTP_EARLY_MARKER', 'a picture goes on behind its marker');
  }

  /** A broken frame gives way to a second one: else all that follow could be one packet late for long. */
  #next(): DepacketizedFrame | undefined {
    const frame = this.#ready.shift();
    const [second] = this.#ready;
    if (frame?.broken !== true || second === undefined) return frame;
    this.#ready.shift();
    return { ...second, parameters: second.parameters ?? frame.parameters };
  }

  #add({ payload, timestamp }: RtpMediaPacket): void {
    this.#open = true;
    this.#timestamp = timestamp;
    const fitted = this.#bytes <= MAX_FRAME_BYTES && this.#packets <= MAX_FRAME_PACKETS;
    this.#bytes += payload.length;
    this.#packets += 1;
    if (this.#packets > MAX_FRAME_PACKETS || this.#bytes > MAX_FRAME_BYTES) {
      this.#damaged = true;
      // What is held goes at once; the rest of the frame is passed over, and told once.
      this.#builder.discard();
      if (fitted) throw tooLarge(`${MAX_FRAME_PACKETS} packets or ${MAX_FRAME_BYTES} bytes`);
      return;
    }
    try {
      this.#builder.add(payload, this.#gap);
    } catch (error) {
      this.#damaged = true;
      throw error;
    }
  }

  #finish(complete: boolean): void {
    const frame = this.#builder.finish(this.#timestamp, complete && !this.#damaged);
    this.#open = false;
    this.#damaged = false;
    this.#bytes = 0;
    this.#packets = 0;
    this.#gaveWhole = frame !== undefined && !frame.broken;
    if (frame !== undefined) this.#ready.push(frame);
  }
}
