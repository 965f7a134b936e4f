/** Packets that leave within this time are one group (draft-ietf-rmcat-gcc-02 §5.2). */
const GROUP_MS = 5;
/** Packets that wait somewhere and then arrive all at once are one group as well, up to this. */
const MAX_BURST_MS = 100;
/** Groups that the line is laid through, and how much of the past the delay is smoothed with. */
const WINDOW = 20;
const SMOOTHING = 0.9;
const GAIN = 4;
const MAX_WEIGHT = 60;
/** The threshold adapts to what is usual on the way (§5.4): quickly down, slowly up, so that other flows do not starve us. */
const THRESHOLD = { start: 12.5, min: 6, max: 600, up: 0.0087, down: 0.039, outlier: 15 };
const MAX_STEP_MS = 100;
/** So long the delay must grow before it counts. */
const OVERUSE_MS = 10;

/** What delays tell of the way: it is sent more than it carries, as much as it carries or less, or its queue empties. */
export type DelaySignal = 'over' | 'normal' | 'under';

/**
 * Whether packets take longer and longer (draft-ietf-rmcat-gcc-02 §5, with a line through the newest delays in place of the
 * Kalman filter): times of groups of packets are compared, so that neither clock need be right.
 */
export class DelayTrend {
  signal: DelaySignal = 'normal';
  /** Of the group that is being collected: first and last time of sending, last of arrival. */
  #firstSentMs = -1;
  #lastSentMs = 0;
  #firstArrivalMs = 0;
  #lastArrivalMs = 0;
  /** Of the group before; -1 when there is none. */
  #beforeSentMs = -1;
  #beforeArrivalMs = 0;
  #accumulatedMs = 0;
  #smoothedMs = 0;
  #count = 0;
  #epochMs = 0;
  /** Times, and behind them delays. */
  readonly #line = new Float64Array(2 * WINDOW);
  #threshold = THRESHOLD.start;
  #thresholdMs = -1;
  #trend = 0;
  #overMs = -1;
  #overs = 0;

  /** A packet arrived; in the order of sending. Hot path. */
  add(sentMs: number, arrivalMs: number): void {
    if (this.#firstSentMs < 0) return this.#begin(sentMs, arrivalMs);
    if (sentMs < this.#firstSentMs) return;
    if (this.#belongs(sentMs, arrivalMs)) {
      this.#lastSentMs = Math.max(this.#lastSentMs, sentMs);
      this.#lastArrivalMs = Math.max(this.#lastArrivalMs, arrivalMs);
      return;
    }
    if (this.#beforeSentMs >= 0) this.#onGroup();
    this.#beforeSentMs = this.#lastSentMs;
    this.#beforeArrivalMs = this.#lastArrivalMs;
    this.#begin(sentMs, arrivalMs);
  }

  /** The way or a clock is another one. */
  reset(): void {
    this.#firstSentMs = -1;
    this.#beforeSentMs = -1;
    this.#count = 0;
    this.#accumulatedMs = 0;
    this.#smoothedMs = 0;
    this.#overMs = -1;
    this.signal = 'normal';
  }

  #begin(sentMs: number, arrivalMs: number): void {
    this.#firstSentMs = sentMs;
    this.#lastSentMs = sentMs;
    this.#firstArrivalMs = arrivalMs;
    this.#lastArrivalMs = arrivalMs;
  }

  #belongs(sentMs: number, arrivalMs: number): boolean {
    if (sentMs - this.#firstSentMs <= GROUP_MS) return true;
    const afterMs = arrivalMs - this.#lastArrivalMs;
    const isBurst = afterMs <= GROUP_MS && afterMs < sentMs - this.#lastSentMs;
    return isBurst && arrivalMs - this.#firstArrivalMs < MAX_BURST_MS;
  }

  #onGroup(): void {
    const sentDeltaMs = this.#lastSentMs - this.#beforeSentMs;
    const deltaMs = this.#lastArrivalMs - this.#beforeArrivalMs - sentDeltaMs;
    const atMs = this.#lastArrivalMs;
    if (this.#count === 0) this.#epochMs = atMs;
    this.#count++;
    this.#accumulatedMs += deltaMs;
    this.#smoothedMs = SMOOTHING * this.#smoothedMs + (1 - SMOOTHING) * this.#accumulatedMs;
    const at = this.#count % WINDOW;
    this.#line[at] = atMs - this.#epochMs;
    this.#line[WINDOW + at] = this.#smoothedMs;
    const trend = this.#count >= WINDOW ? this.#slope() : this.#trend;
    this.#detect(trend, sentDeltaMs, atMs);
  }

  #slope(): number {
    let meanTime = 0;
    let meanDelay = 0;
    for (let i = 0; i < WINDOW; i++) {
      meanTime += (this.#line[i] ?? 0) / WINDOW;
      meanDelay += (this.#line[WINDOW + i] ?? 0) / WINDOW;
    }
    let above = 0;
    let below = 0;
    for (let i = 0; i < WINDOW; i++) {
      const time = (this.#line[i] ?? 0) - meanTime;
      above += time * ((this.#line[WINDOW + i] ?? 0) - meanDelay);
      below += time * time;
    }
    return below === 0 ? 0 : above / below;
  }

  #detect(trend: number, sentDeltaMs: number, atMs: number): void {
    const weighted = Math.min(this.#count, MAX_WEIGHT) * trend * GAIN;
    if (weighted > this.#threshold) {
      this.#overMs = this.#overMs < 0 ? sentDeltaMs / 2 : this.#overMs + sentDeltaMs;
      this.#overs++;
      if (this.#overMs > OVERUSE_MS && this.#overs > 1 && trend >= this.#trend) {
        this.#overMs = 0;
        this.#overs = 0;
        this.signal = 'over';
      }
    } else {
      this.#overMs = -1;
      this.#overs = 0;
      this.signal = weighted < -this.#threshold ? 'under' : 'normal';
    }
    this.#trend = trend;
    this.#adapt(Math.abs(weighted), atMs);
  }

  #adapt(weighted: number, atMs: number): void {
    const stepMs = this.#thresholdMs < 0 ? 0 : Math.min(MAX_STEP_MS, Math.max(0, atMs - this.#thresholdMs));
    this.#thresholdMs = atMs;
    // A sudden peak, as when a route changes, says nothing about what is usual.
    if (weighted > this.#threshold + THRESHOLD.outlier) return;
    const speed = weighted < this.#threshold ? THRESHOLD.down : THRESHOLD.up;
    const next = this.#threshold + speed * (weighted - this.#threshold) * stepMs;
    this.#threshold = Math.min(THRESHOLD.max, Math.max(THRESHOLD.min, next));
  }
}
