import type { Track } from '@sluice/media';

/** How the packets of a lane are put together, where the codec leaves a choice. */
export interface RtpLaneFormat {
  readonly track: Track;
  /** H.264 only (RFC 6184 §6.2): 0 for single NAL units, 1 for aggregation and fragments as well. */
  readonly packetizationMode?: 0 | 1;
}

/** One RTP packet of a track, without header: shared by all viewers and immutable. */
export interface RtpLanePacket {
  readonly format: RtpLaneFormat;
  /** The lane's own numbering, unwrapped and without gaps but for packets that were lost on the way here. */
  readonly sequence: number;
  /** Sampling time in ticks of the payload's RTP clock, unwrapped. */
  readonly timestamp: number;
  /** The same instant on the stream's timeline, microseconds. */
  readonly ptsUs: number;
  readonly marker: boolean;
  /** True for the first packet of a frame that a decoder can start with; true for every packet of sound. */
  readonly startPoint: boolean;
  /** Payload without padding; owns its memory. */
  readonly payload: Uint8Array;
  /** The byte of the video orientation header extension (3GPP TS 26.114 §7.4.5), when the packet had one. */
  readonly orientation?: number | undefined;
  /**
   * Temporal layer of its frame, where the publisher marks it: frames of lower layers do not need those of higher ones, so
   * all of the highest can be left out. 0 is the base; undefined: not marked.
   */
  readonly temporalLayer?: number | undefined;
  /** With `temporalLayer`: a viewer who got only lower layers can begin with this one here. */
  readonly layerStart?: boolean | undefined;
}

/** Who follows a lane. Called synchronously with each packet in order of arrival; must not throw. */
export type RtpLaneListener = (packet: RtpLanePacket) => void;

interface Attached {
  readonly onPacket: RtpLaneListener;
  readonly onReset: (() => void) | undefined;
}

export interface RtpLaneOptions {
  /** At least so many packets are kept, for retransmission. */
  readonly minPackets: number;
  /** Packets since the newest start point are kept beyond that, up to so many packets and bytes. */
  readonly maxPackets: number;
  readonly maxBytes: number;
}

export const VIDEO_LANE: RtpLaneOptions = { minPackets: 1024, maxPackets: 16_384, maxBytes: 16 * 1024 * 1024 };
export const AUDIO_LANE: RtpLaneOptions = { minPackets: 256, maxPackets: 256, maxBytes: 1024 * 1024 };

/** What a kept packet costs beside its payload. */
const PACKET_OVERHEAD_BYTES = 256;
const INITIAL_CAPACITY = 256;

/**
 * The RTP packets of one track as they come, for viewers that speak RTP themselves: they are forwarded packet by
 * packet, without waiting for whole frames. Keeps the newest packets, by sequence number, for retransmission and for
 * viewers that join; bounded in packets and bytes. Publishing costs nothing per viewer but the call.
 */
export class RtpLane {
  readonly #options: RtpLaneOptions;
  #ring: (RtpLanePacket | undefined)[] = new Array(INITIAL_CAPACITY);
  #listeners: readonly Attached[] = [];
  #first = 0;
  #end = 0;
  #bytes = 0;
  #startPoint = -1;
  #format: RtpLaneFormat | undefined;
  #epoch = 0;

  constructor(options: RtpLaneOptions) {
    this.#options = options;
  }

  /** What the newest packet is; undefined while nobody feeds this lane. */
  get format(): RtpLaneFormat | undefined {
    return this.#format;
  }

  /** Sequence number after the newest packet: where the next publisher goes on. */
  get end(): number {
    return this.#end;
  }

  /** Counts publishers: packets of different epochs have nothing to do with each other but their numbering. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Sequence number of the newest start point, or -1 while none is kept. */
  get startPoint(): number {
    return this.#startPoint >= this.#first ? this.#startPoint : -1;
  }

  get listenerCount(): number {
    return this.#listeners.length;
  }

  /** The kept packet of that number. */
  at(sequence: number): RtpLanePacket | undefined {
    if (sequence < this.#first || sequence >= this.#end) return undefined;
    return this.#ring[sequence % this.#ring.length];
  }

  /**
   * Follows the lane; dispose of the result to stop. `onReset` is called before its packets are forgotten: what has not been
   * used by then is gone.
   */
  attach(onPacket: RtpLaneListener, onReset?: () => void): Disposable {
    const listener: Attached = { onPacket, onReset };
    this.#listeners = [...this.#listeners, listener];
    return {
      [Symbol.dispose]: () => {
        this.#listeners = this.#listeners.filter((other) => other !== listener);
      },
    };
  }

  /** Adds a packet; one that is too old to be kept, or is there already, is left out. Hot path. */
  publish(packet: RtpLanePacket): void {
    const { sequence } = packet;
    if (sequence < this.#first || this.at(sequence) !== undefined) return;
    if (this.#end === this.#first) this.#first = sequence;
    if (sequence - this.#first >= this.#options.maxPackets) this.#dropBefore(sequence - this.#options.minPackets + 1);
    while (sequence - this.#first >= this.#ring.length) this.#grow();
    this.#ring[sequence % this.#ring.length] = packet;
    this.#bytes += cost(packet);
    if (sequence >= this.#end) this.#end = sequence + 1;
    if (packet.startPoint && sequence > this.#startPoint) this.#startPoint = sequence;
    this.#format = packet.format;
    this.#trim();
    const listeners = this.#listeners;
    for (let i = 0; i < listeners.length; i++) listeners[i]?.onPacket(packet);
  }

  /** Forgets all packets: their publisher has gone. Numbers go on; listeners stay. */
  reset(): void {
    for (const listener of this.#listeners) listener.onReset?.();
    this.#ring = new Array(INITIAL_CAPACITY);
    this.#first = this.#end;
    this.#bytes = 0;
    this.#startPoint = -1;
    this.#format = undefined;
    this.#epoch++;
  }

  #trim(): void {
    const { minPackets, maxPackets, maxBytes } = this.#options;
    const wanted = this.startPoint;
    const count = this.#end - this.#first;
    if (count > maxPackets) this.#dropBefore(this.#end - maxPackets);
    if (count > minPackets) {
      const free = this.#end - minPackets;
      this.#dropBefore(wanted >= 0 ? Math.min(wanted, free) : free);
    }
    while (this.#bytes > maxBytes && this.#first < this.#end - 1) this.#dropBefore(this.#first + 1);
  }

  #dropBefore(sequence: number): void {
    const to = Math.min(sequence, this.#end);
    if (sequence - this.#first > this.#ring.length) {
      this.#ring = new Array(INITIAL_CAPACITY);
      this.#bytes = 0;
    } else {
      for (let i = this.#first; i < to; i++) {
        const packet = this.#ring[i % this.#ring.length];
        if (packet === undefined) continue;
        this.#bytes -= cost(packet);
        this.#ring[i % this.#ring.length] = undefined;
      }
    }
    this.#first = Math.max(this.#first, sequence);
    if (this.#end < this.#first) this.#end = this.#first;
  }

  #grow(): void {
    const larger: (RtpLanePacket | undefined)[] = new Array(this.#ring.length * 2);
    for (let i = this.#first; i < this.#end; i++) larger[i % larger.length] = this.#ring[i % this.#ring.length];
    this.#ring = larger;
  }
}

function cost(packet: RtpLanePacket): number {
  return packet.payload.length + PACKET_OVERHEAD_BYTES;
}

/** The lanes of a stream, one a kind of track: fed by publishers that speak RTP, empty for all others. */
export interface RtpLanes {
  readonly video: RtpLane;
  readonly audio: RtpLane;
}
