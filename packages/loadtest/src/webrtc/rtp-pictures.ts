import { ClockWatch } from '../figures/clock-watch.ts';
import type { Figures } from '../figures/figures.ts';
import { PictureWatch } from '../figures/picture-watch.ts';
import { type FoundClock, findClock, unixUs } from '../source/clock.ts';

/** Pictures that wait for packets before them; a viewer that misses more has a freeze anyway. */
const MAX_WAITING = 256;

/**
 * Tells from the packets of one viewer which pictures can be shown: one is there when its last packet is, and nothing
 * before it is missing. The first one is a key frame.
 */
export class RtpPictures {
  readonly #watch: PictureWatch;
  readonly #clocks: ClockWatch;
  readonly #onBegun: (nowMs: number) => void;
  #begun = false;
  /** A key frame has begun to come. */
  #starting = false;
  #ended = 0;
  #waiting = 0;
  /** Clocks of pictures that are not shown yet, with the number of the picture. */
  #held: { readonly clock: FoundClock; readonly picture: number }[] = [];

  constructor(figures: Figures, freezeMs: number, onBegun: (nowMs: number) => void) {
    this.#watch = new PictureWatch(figures.counts, freezeMs);
    this.#clocks = new ClockWatch(figures);
    this.#onBegun = onBegun;
  }

  /** A whole key frame has come: from now on packets count without being read. */
  get begun(): boolean {
    return this.#begun;
  }

  /** What a packet holds, decrypted. */
  onPayload(payload: Uint8Array, isStart: boolean): void {
    if (isStart) this.#starting = true;
    const clock = findClock(Buffer.from(payload.buffer, payload.byteOffset, payload.length));
    if (clock !== undefined && this.#held.length < MAX_WAITING) this.#held.push({ clock, picture: this.#ended });
  }

  /** The last packet of a picture has come. Hot path. */
  onEnd(): void {
    this.#ended++;
    if (this.#waiting < MAX_WAITING) this.#waiting++;
  }

  /** Nothing is missing before the newest packet. Hot path. */
  onComplete(nowMs: number): void {
    if (this.#waiting === 0) return;
    if (!this.#begun && this.#starting) {
      this.#begun = true;
      this.#onBegun(nowMs);
    }
    if (this.#begun) for (let i = 0; i < this.#waiting; i++) this.#watch.onPicture(nowMs);
    this.#waiting = 0;
    if (this.#held.length > 0) this.#tellClocks(nowMs);
  }

  /** What is missing will not come: a decoder begins anew with what follows. */
  onGivenUp(): void {
    this.#waiting = 0;
    this.#held = [];
  }

  tick(nowMs: number): void {
    this.#watch.check(nowMs);
  }

  finish(nowMs: number): void {
    this.#watch.finish(nowMs);
  }

  #tellClocks(nowMs: number): void {
    const arrivedUs = unixUs() - (performance.now() - nowMs) * 1000;
    for (const { clock, picture } of this.#held) {
      if (picture < this.#ended && this.#begun) this.#clocks.onClock(clock, arrivedUs - clock.sentUs);
    }
    this.#held = this.#held.filter(({ picture }) => picture >= this.#ended);
  }
}
