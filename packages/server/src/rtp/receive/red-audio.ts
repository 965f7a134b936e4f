import {
  opusPacketTicks,
  parseRed,
  type RedundantBlock,
  type RtpPacket,
  sequenceDistance,
  timestampDistance,
} from '@sluice/media';
import type { NegotiatedTrack } from './options.ts';

/** Packets back whose timestamps are remembered; redundancy reaches 16383 ticks back, 35 packets of 10 ms. */
const REMEMBERED = 64;

/** What receives the packets of a track. */
export interface RepairedTrack {
  /** Takes a packet that was repeated within a later one: of value only where it is missing. */
  repeated(packet: RtpPacket, arrivalMs: number): void;
}

/**
 * Takes the packets of a track that are sent with redundancy (RFC 2198) apart: into the packet itself, and earlier ones
 * that may have got lost. Opus alone has it, and tells how long each block of it is.
 */
export class RedAudio {
  readonly #track: NegotiatedTrack;
  /** By sequence number modulo `REMEMBERED`. */
  readonly #sequences = new Int32Array(REMEMBERED).fill(-1);
  readonly #timestamps = new Uint32Array(REMEMBERED);
  #ssrc = -1;
  #redundant: readonly RedundantBlock[] = [];

  private constructor(track: NegotiatedTrack) {
    this.#track = track;
  }

  /** For the track that has redundancy; undefined when none has. */
  static of(tracks: readonly NegotiatedTrack[]): RedAudio | undefined {
    const track = tracks.find(({ codec, redPayloadType }) => codec === 'opus' && redPayloadType !== undefined);
    return track && new RedAudio(track);
  }

  /**
   * A packet as it would be without redundancy, which is kept for `repair`; any other packet as it is. One that is
   * broken carries nothing.
   */
  plain(packet: RtpPacket): RtpPacket {
    const { payloadType, redPayloadType } = this.#track;
    this.#redundant = NONE;
    if (packet.payloadType !== redPayloadType) return packet;
    const content = parseRed(packet.payload);
    if (content?.payloadType !== payloadType) return { ...packet, payloadType, payload: NOTHING };
    this.#redundant = content.redundant;
    return { ...packet, payloadType, payload: content.primary };
  }

  /** Gives the track what was kept of the packet that `plain` gave last. Does nothing for other tracks' packets. */
  repair(packet: RtpPacket, track: RepairedTrack, arrivalMs: number): void {
    if (packet.payloadType !== this.#track.payloadType) return;
    this.#came(packet);
    for (const block of this.#redundant) {
      const earlier = this.#earlier(packet, block);
      if (earlier === undefined) continue;
      this.#came(earlier);
      track.repeated(earlier, arrivalMs);
    }
  }

  #came({ ssrc, sequence, timestamp }: RtpPacket): void {
    if (ssrc !== this.#ssrc) this.#sequences.fill(-1);
    this.#ssrc = ssrc;
    this.#sequences[sequence % REMEMBERED] = sequence;
    this.#timestamps[sequence % REMEMBERED] = timestamp;
  }

  /**
   * The earlier packet that a block of `packet` repeats. Its number follows from its age, as sound goes on steadily;
   * undefined where that does not come out even, for one that has come, and where the times of others contradict.
   */
  #earlier(packet: RtpPacket, { payloadType, payload, timestampOffset }: RedundantBlock): RtpPacket | undefined {
    const ticks = opusPacketTicks(payload);
    if (payloadType !== this.#track.payloadType || ticks === undefined) return undefined;
    const back = timestampOffset / ticks;
    if (!Number.isInteger(back) || back === 0) return undefined;
    const sequence = (packet.sequence - back) & 0xffff;
    const timestamp = (packet.timestamp - timestampOffset) >>> 0;
    if (!this.#isBetween(sequence, timestamp)) return undefined;
    return { ...packet, sequence, timestamp, payload, marker: false };
  }

  #isBetween(sequence: number, timestamp: number): boolean {
    if (this.#sequences[sequence % REMEMBERED] === sequence) return false;
    for (let i = 0; i < REMEMBERED; i++) {
      const known = this.#sequences[i] ?? -1;
      const ahead = sequenceDistance(sequence, known);
      if (known < 0 || Math.abs(ahead) >= REMEMBERED) continue;
      if (timestampDistance(timestamp, this.#timestamps[i] ?? 0) * ahead <= 0) return false;
    }
    return true;
  }
}

const NOTHING = new Uint8Array(0);
const NONE: readonly RedundantBlock[] = [];
