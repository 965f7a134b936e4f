import { audioFormat, type MediaPacket, pictureSize, type Track } from '@sluice/media';
import type { RecordedTrack } from '../../core/index.ts';

/** Holes that are told one by one; those after them only count. */
const MAX_GAPS = 1000;

/** A hole in a file: where it is, in milliseconds from the beginning, and the packets of the source that are missing. */
export interface Gap {
  readonly atMs: number;
  readonly lostPackets: number;
}

/** Counts what is missing in a file. */
export class Losses {
  lostPackets = 0;
  #gaps: Gap[] = [];
  #lastUs = Number.NEGATIVE_INFINITY;

  get gaps(): readonly Gap[] {
    return this.#gaps;
  }

  /** Packets are missing at a time of the file; those that follow each other closely are one hole. */
  add(packets: number, atUs: number): void {
    if (packets <= 0) return;
    this.lostPackets += packets;
    const last = this.#gaps.at(-1);
    const goesOn = last !== undefined && atUs - this.#lastUs < 1e6;
    this.#lastUs = atUs;
    if (goesOn) this.#gaps[this.#gaps.length - 1] = { ...last, lostPackets: last.lostPackets + packets };
    else if (this.#gaps.length < MAX_GAPS)
      this.#gaps.push({ atMs: Math.max(0, Math.round(atUs / 1000)), lostPackets: packets });
  }
}

/** What is known of a track of a file. */
export class TrackFacts {
  readonly track: Track;
  readonly #size: { readonly width: number; readonly height: number } | undefined;
  samples = 0;
  firstUs = Number.POSITIVE_INFINITY;
  /** After its last sample. */
  endUs = Number.NEGATIVE_INFINITY;

  constructor(first: MediaPacket) {
    this.track = first.track;
    this.#size = first.track.kind === 'video' ? pictureSize(first) : undefined;
  }

  get durationUs(): number {
    return Math.max(0, this.endUs - this.firstUs);
  }

  add({ dtsUs }: MediaPacket, durationUs: number): void {
    this.samples++;
    if (dtsUs < this.firstUs) this.firstUs = dtsUs;
    if (dtsUs + durationUs > this.endUs) this.endUs = dtsUs + durationUs;
  }

  describe(): RecordedTrack {
    const { kind, codec } = this.track;
    const { samples, durationUs } = this;
    const format = audioFormat(this.track);
    const shape = kind === 'video' ? this.#size : format;
    return { kind, codec, ...shape, samples, durationMs: Math.round(durationUs / 1000) };
  }
}
