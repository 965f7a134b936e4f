import type { Track } from '../packet.ts';
import type { BlockHead } from './blocks.ts';
import type { ByteWindow } from './byte-window.ts';
import type { CompleteTrack } from './complete-tracks.ts';
import { frameDurationUs } from './frames.ts';
import { microseconds } from './segment.ts';

/** The first bytes of an Opus frame tell how long it lasts. */
const FRAME_HEAD_BYTES = 2;

/** Counts the blocks of one track, each of which has one frame, and knows when they begin and end. */
export class TrackTally {
  readonly track: Track;
  readonly trackNumber: number;
  readonly #entry: CompleteTrack;
  readonly #timestampScaleNs: number;
  #samples = 0;
  #firstTicks = Number.POSITIVE_INFINITY;
  #lastTicks = Number.NEGATIVE_INFINITY;
  /** The highest time before that of the last frame. */
  #beforeLastTicks = Number.NEGATIVE_INFINITY;
  /** Length of the latest frame in microseconds; 0 where neither frames nor track tell. */
  #frameUs = 0;

  constructor(entry: CompleteTrack, timestampScaleNs: number) {
    this.#entry = entry;
    this.#timestampScaleNs = timestampScaleNs;
    this.track = entry.track;
    this.trackNumber = entry.source.number;
  }

  get samples(): number {
    return this.#samples;
  }

  /** Of the first frame; only with samples. */
  get startUs(): number {
    return this.#timeUs(this.#firstTicks);
  }

  /** The last frame lasts as long as it says, or as the one before it did. Only with samples. */
  get endUs(): number {
    const hasTwo = this.#beforeLastTicks > Number.NEGATIVE_INFINITY;
    const beforeUs = hasTwo ? this.#timeUs(this.#lastTicks) - this.#timeUs(this.#beforeLastTicks) : 0;
    return this.#timeUs(this.#lastTicks) + Math.round(this.#frameUs > 0 ? this.#frameUs : beforeUs);
  }

  get durationUs(): number {
    return this.#samples === 0 ? 0 : this.endUs - this.startUs;
  }

  /** Remembers what is counted; the result goes back to it. */
  snapshot(): () => void {
    const [samples, first, last] = [this.#samples, this.#firstTicks, this.#lastTicks];
    const [beforeLast, frameUs] = [this.#beforeLastTicks, this.#frameUs];
    return () => {
      this.#samples = samples;
      this.#firstTicks = first;
      this.#lastTicks = last;
      this.#beforeLastTicks = beforeLast;
      this.#frameUs = frameUs;
    };
  }

  /** @throws ProtocolError WEBM_BAD_FILE for a time out of range */
  async count(window: ByteWindow, { ticks, dataOffset, dataBytes }: BlockHead): Promise<void> {
    microseconds(ticks, this.#timestampScaleNs);
    this.#samples += 1;
    this.#firstTicks = Math.min(this.#firstTicks, ticks);
    if (ticks > this.#lastTicks) {
      this.#beforeLastTicks = this.#lastTicks;
      this.#lastTicks = ticks;
    } else if (ticks < this.#lastTicks) {
      this.#beforeLastTicks = Math.max(this.#beforeLastTicks, ticks);
    }
    if (this.track.kind === 'video') return;
    const head = await window.bytes(dataOffset, Math.min(FRAME_HEAD_BYTES, dataBytes));
    this.#frameUs = frameDurationUs(this.#entry.source, this.track, { head, byteLength: dataBytes });
  }

  #timeUs(ticks: number): number {
    return Math.round(microseconds(ticks, this.#timestampScaleNs) - this.#entry.source.codecDelayNs / 1000);
  }
}
