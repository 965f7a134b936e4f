/** A part may be this much shorter than the part target (RFC 8216bis §4.4.4.9: 85 %). */
const LEAST_SHARE = 0.85;
/** Parts that reach this share of the wanted duration are near enough to it. */
const GOOD_SHARE = 0.9;
/** Pictures that come this much later than expected, in pictures, are waited for. */
const LATE_SHARE = 0.25;
/** How long sound may run ahead of pictures that don't come before a part ends without them. */
const SILENT_PICTURE_US = 60_000;
/** Distances of frames that the target is chosen from. */
const LEAST_STEPS = 3;
const MOST_STEPS = 64;
/** So many gaps in a row, each longer than a part, and the stream is taken to have no parts. */
const MAX_HOLES = 3;

/** Where a part ends. */
export interface PartEnd {
  /** Media time at which the part ends and the next one begins, microseconds. */
  readonly endUs: number;
}

/**
 * Says where parts end: none lasts longer than the part target, and none but the last of a segment is shorter than 85 % of
 * it (RFC 8216bis §4.4.4.9). What parts are made of are pictures, or frames of sound where there are none; where these are
 * late, a part ends at the target all the same, so that what is late belongs to the next one.
 */
export class PartRule {
  readonly #wantedUs: number;
  #targetUs: number | undefined;
  #note: string | undefined;
  #startUs = 0;
  #lastUs = 0;
  #intervalUs = 0;
  /** Distances of the first frames, until the target is chosen. */
  #steps: number[] = [];
  #holes = 0;
  /** Time of the newest sound, and of that when the last picture came. */
  #soundUs: number | undefined;
  #soundAtPictureUs: number | undefined;

  /** `targetUs` is what the playlist has said already: it is kept where the frames allow it. */
  constructor(wantedUs: number, targetUs?: number) {
    this.#wantedUs = targetUs ?? wantedUs;
  }

  /** No part lasts longer, microseconds; undefined while that is not settled, or there are no parts. */
  get targetUs(): number | undefined {
    return this.#note === undefined ? this.#targetUs : undefined;
  }

  /** Why the stream has no parts, for people; undefined while it has or will have. */
  get note(): string | undefined {
    return this.#note;
  }

  /** Media time at which the current part began. */
  get startUs(): number {
    return this.#startUs;
  }

  /** A segment begins at that time, and with it a part. */
  begin(atUs: number): void {
    this.#startUs = atUs;
    this.#lastUs = atUs;
    this.#soundAtPictureUs = this.#soundUs;
  }

  /** A part begins, after one that ended there. */
  proceed({ endUs }: PartEnd): void {
    this.#startUs = endUs;
    const targetUs = this.#targetUs ?? this.#wantedUs;
    if (this.#lastUs - endUs <= targetUs) return;
    // Nothing came for longer than a part lasts: that time belongs to none.
    this.#startUs = this.#lastUs;
  }

  /** Settles the target, at the end of the first segment at the latest. */
  settle(): void {
    if (this.#targetUs === undefined && this.#note === undefined) this.#choose();
  }

  /**
   * The next picture, or frame of sound where there are no pictures, is there: gives the end of the part before it, if it
   * ends. Once per packet.
   */
  frame(atUs: number, key: boolean): PartEnd | undefined {
    const previousUs = this.#lastUs;
    this.#lastUs = Math.max(atUs, previousUs);
    this.#soundAtPictureUs = this.#soundUs;
    if (this.#note !== undefined) return undefined;
    const elapsedUs = atUs - this.#startUs;
    const stepUs = atUs - previousUs;
    if (stepUs > 0) this.#intervalUs = stepUs;
    const expectedUs = elapsedUs + this.#intervalUs * (1 - LATE_SHARE);
    if (this.#targetUs === undefined) {
      if (stepUs > 0 && this.#steps.length < MOST_STEPS) this.#steps.push(stepUs);
      if (expectedUs < this.#wantedUs || this.#steps.length < LEAST_STEPS) return undefined;
      this.#choose();
      if (this.#note !== undefined) return undefined;
    }
    const targetUs = this.#targetUs ?? this.#wantedUs;
    this.#countHole(stepUs > targetUs);
    if (elapsedUs > targetUs) return { endUs: this.#startUs + targetUs };
    const long = elapsedUs >= targetUs * LEAST_SHARE;
    return long && (key || expectedUs > targetUs) ? { endUs: atUs } : undefined;
  }

  /** The next frame of sound beside pictures is there: gives the end of the part before it where pictures are late. */
  sound(atUs: number): PartEnd | undefined {
    this.#soundUs = atUs;
    const targetUs = this.targetUs;
    if (targetUs === undefined) return undefined;
    this.#soundAtPictureUs ??= atUs;
    const waitedUs = atUs - this.#soundAtPictureUs;
    if (waitedUs < this.#intervalUs + SILENT_PICTURE_US) return undefined;
    const elapsedUs = this.#lastUs + waitedUs - this.#startUs;
    if (elapsedUs <= targetUs + this.#intervalUs + SILENT_PICTURE_US) return undefined;
    return { endUs: this.#startUs + targetUs };
  }

  #choose(): void {
    const wantedUs = this.#wantedUs;
    const steps = this.#steps.sort((a, b) => a - b);
    const frameUs = steps[steps.length >> 1] ?? wantedUs;
    this.#steps = [];
    // Rounded timestamps may make it a little longer than it is.
    const frames = Math.floor(wantedUs / frameUs + 0.02);
    if (frames === 0) {
      this.#note = `pictures last ${Math.round(frameUs / 1000)} ms, longer than a part (${wantedUs / 1000} ms)`;
      return;
    }
    const wholeUs = frames * frameUs;
    this.#targetUs = wholeUs >= wantedUs * GOOD_SHARE ? wantedUs : Math.ceil(wholeUs / 1000) * 1000;
  }

  #countHole(isHole: boolean): void {
    this.#holes = isHole ? this.#holes + 1 : 0;
    if (this.#holes >= MAX_HOLES) this.#note = 'its pictures are further apart than a part lasts';
  }
}
