import { findClock, unixUs } from '../source/clock.ts';
import { ClockWatch } from './clock-watch.ts';
import type { Figures } from './figures.ts';
import { PictureWatch } from './picture-watch.ts';

/** The clock stands in front of the picture, behind parameter sets and delimiters. */
const CLOCK_WITHIN_BYTES = 1024;
/** CodecID of H.264, whose tags have a second byte that says what they are (Adobe FLV 10.1 §E.4.3). */
const AVC = 7;
const ENHANCED = 0x80;
/** Packet types of Enhanced RTMP that have a coded frame: with and without a composition time. */
const CODED_FRAMES: ReadonlySet<number> = new Set([1, 3]);

/** What the body of a video tag of FLV holds; no codec is looked into. */
export function tagPicture(body: Uint8Array): 'key' | 'inter' | 'none' {
  const first = body[0] ?? 0;
  const isPicture = (first & ENHANCED) === 0 ? (first & 0x0f) !== AVC || body[1] === 1 : CODED_FRAMES.has(first & 0x0f);
  if (!isPicture || body.length < 6) return 'none';
  return ((first >> 4) & 7) === 1 ? 'key' : 'inter';
}

/** Counts pictures out of the video tags that one viewer gets by RTMP or FLV. */
export class TagPictures {
  readonly #watch: PictureWatch;
  readonly #clocks: ClockWatch;
  readonly #counts: Figures['counts'];
  readonly #joinedMs: (nowMs: number) => void;
  #begun = false;
  /** What comes at once at the start is old, for the viewer to have something to show. */
  #catchingUp = true;
  #lastSentUs = 0;
  #lastArrivedUs = 0;

  /** @param onBegun called with the first key frame */
  constructor(figures: Figures, freezeMs: number, onBegun: (nowMs: number) => void) {
    this.#watch = new PictureWatch(figures.counts, freezeMs);
    this.#clocks = new ClockWatch(figures);
    this.#counts = figures.counts;
    this.#joinedMs = onBegun;
  }

  /** Hot path: once per video message and viewer. */
  onVideo(body: Buffer, nowMs: number): void {
    this.#counts.packets++;
    const picture = tagPicture(body);
    if (picture === 'none' || !(this.#begun || picture === 'key')) return;
    if (!this.#begun) {
      this.#begun = true;
      this.#joinedMs(nowMs);
    }
    this.#watch.onPicture(nowMs);
    const clock = findClock(body.subarray(0, CLOCK_WITHIN_BYTES));
    if (clock === undefined) return;
    const arrivedUs = unixUs();
    this.#clocks.onClock(clock, this.#isLive(clock.sentUs, arrivedUs) ? arrivedUs - clock.sentUs : undefined);
  }

  tick(nowMs: number): void {
    this.#watch.check(nowMs);
  }

  finish(nowMs: number): void {
    this.#watch.finish(nowMs);
  }

  /** The burst at the start is over when pictures come no faster than they were sent. */
  #isLive(sentUs: number, arrivedUs: number): boolean {
    const paced = arrivedUs - this.#lastArrivedUs >= (sentUs - this.#lastSentUs) / 2;
    if (this.#lastSentUs > 0 && paced) this.#catchingUp = false;
    this.#lastSentUs = sentUs;
    this.#lastArrivedUs = arrivedUs;
    return !this.#catchingUp;
  }
}
