import type { SenderReport } from '@sluice/media';
import { Timeline } from '../../core/index.ts';

/** RTP time that runs ahead of the arrival by more than this is a jump of the source's clock. */
const MAX_JUMP_US = 3_000_000;
/** Back it runs only as far as pictures are out of order. */
const MAX_BACK_US = 1_000_000;
/** Sender reports of two tracks that put them further apart than this lie. */
const MAX_OFFSET_US = 5_000_000;
/** A sender report this far from what the one before it predicts is from another clock. */
const MAX_REPORT_STEP_US = 1_000_000;
/** Of so many sender reports of a track the one in the middle counts. */
const RECENT_REPORTS = 3;
/** Up to this much apart, sound and picture are brought together slowly, because nobody sees it. */
const SMALL_OFFSET_US = 20_000;
const SMALL_OFFSET_PACE = 0.01;
/** Beyond that, time runs at half or one and a half times its pace until they are together. */
const OFFSET_PACE = 0.5;
/** Pictures that are too early by more than this are moved at once. */
const LARGE_OFFSET_US = 1_000_000;

/** So many steps of a correction are remembered, for packets that come late. */
const MAX_STEPS = 128;

/** What a sender report ties together: a time of its sender's wall clock and the track's ticks then. */
interface WallClockPoint {
  readonly ntpUs: number;
  readonly ticks: number;
}

/** A sender report from before the first packet of its track, as FFmpeg and many cameras send one. */
interface EarlyReport {
  readonly ntpUs: number;
  readonly rtpTimestamp: number;
}

/**
 * Puts the RTP clocks of a publisher on one timeline, that of the stream: one of sound, one of the picture, and one more
 * for each further encoding of it, as these may count from other numbers.
 *
 * At first a track begins where its first packet arrives; from then on it follows its own timestamps. Once there are
 * sender reports for both, what they tell of the distance of sound and picture counts (RFC 3550 §6.4.1): at once, when
 * they came before the second track's first packet. Later the sound stays as it is, because every step in it is heard;
 * the picture is moved, slower or faster by at most half, so that its time never runs backwards. Without sound the
 * encodings of a picture are brought together in the same way.
 */
export class PublicationClock {
  /** Sender reports that were left alone because they can't be right. */
  ignoredReports = 0;
  readonly video: TrackClock;
  readonly audio: TrackClock;
  readonly #baseUs: () => number;
  readonly #onBreak: () => void;
  readonly #tracks: TrackClock[] = [];
  readonly #begin: (track: TrackClock, arrivalMs: number, timestamp: number) => number;
  #timeline: Timeline | undefined;
  #startUs = 0;
  #newestUs = Number.NEGATIVE_INFINITY;
  #offsetUs = 0;

  /**
   * @param rates Ticks a second of both RTP clocks.
   * @param o.baseUs Where the stream's time stands; asked at the first packet.
   * @param o.onBreak The source's clock has jumped.
   */
  constructor(
    rates: { readonly video: number; readonly audio: number },
    o: { readonly baseUs: () => number; readonly onBreak: () => void },
  ) {
    this.#baseUs = o.baseUs;
    this.#onBreak = o.onBreak;
    this.#begin = (track, arrivalMs, timestamp) =>
      this.#startOf(track, this.#companionOf(track), { arrivalMs, timestamp });
    this.video = this.addVideo(rates.video);
    this.audio = this.#add(rates.audio);
  }

  /** A clock for another encoding of the picture. */
  addVideo(rate: number): TrackClock {
    return this.#add(rate);
  }

  #add(rate: number): TrackClock {
    const track = new TrackClock(rate, this.#begin, this.#onBreak);
    this.#tracks.push(track);
    return track;
  }

  /** The track that tells best where another one begins: one with reports, else any that has begun. */
  #companionOf(track: TrackClock): TrackClock | undefined {
    const others = this.#tracks.filter((other) => other !== track && !Number.isNaN(other.newestTicks));
    return others.find((other) => other.report !== undefined) ?? others[0];
  }

  /** How far the picture is from where the sender reports want it, microseconds; undefined while they tell nothing. */
  get pendingCorrectionUs(): number | undefined {
    if (this.video.report === undefined || this.audio.report === undefined) return undefined;
    return this.video.targetUs - this.video.correctionUs;
  }

  /** Time on the stream of a packet that arrives now, integer microseconds. Hot path. */
  streamUs(track: TrackClock, ticks: number): number {
    const sourceUs = track.sourceUs(ticks);
    if (sourceUs > this.#newestUs) {
      this.#timeline ??= new Timeline(this.#baseUs());
      const breaks = this.#timeline.breaks;
      const mapped = this.#timeline.map(sourceUs);
      if (this.#newestUs === Number.NEGATIVE_INFINITY) this.#startUs = mapped;
      if (this.#timeline.breaks > breaks) this.#onBreak();
      this.#newestUs = sourceUs;
      this.#offsetUs = mapped - sourceUs;
    }
    return Math.max(this.#startUs, Math.round(sourceUs + this.#offsetUs));
  }

  /** Takes a sender report of a track; one from before its packets counts from the first one on. */
  senderReport(track: TrackClock, report: SenderReport): void {
    if (report.ntpSeconds === 0) return void this.ignoredReports++;
    const ntpUs = report.ntpSeconds * 1e6 + (report.ntpFraction / 2 ** 32) * 1e6;
    const ticks = track.ticksNear(report.rtpTimestamp);
    if (ticks === undefined) {
      track.early = { ntpUs, rtpTimestamp: report.rtpTimestamp };
      return;
    }
    const before = track.report;
    if (before !== undefined) {
      const predictedUs = before.ntpUs + ((ticks - before.ticks) / track.clockRate) * 1e6;
      if (Math.abs(predictedUs - ntpUs) > MAX_REPORT_STEP_US) {
        // The reports so far are from before the jump, or this one lies: all must say it anew.
        this.ignoredReports++;
        for (const other of this.#tracks) other.forgetReports();
        track.noteReport({ ntpUs, ticks });
        return;
      }
    }
    track.noteReport({ ntpUs, ticks });
    this.#align();
  }

  #align(): void {
    const reference = this.audio.report === undefined ? this.#firstReported() : this.audio;
    const known = reference?.report;
    if (reference === undefined || known === undefined) return;
    for (const track of this.#tracks) {
      if (track === this.audio || track === reference || track.report === undefined) continue;
      const { ntpUs, ticks } = track.report;
      const wantedUs = reference.rawUs(known.ticks) + reference.targetUs + (ntpUs - known.ntpUs);
      const correctionUs = wantedUs - track.rawUs(ticks);
      if (Math.abs(correctionUs) > MAX_OFFSET_US) this.ignoredReports++;
      else track.targetUs = correctionUs;
    }
  }

  /** Without reports for sound, the pictures are aligned with the first of them that has one. */
  #firstReported(): TrackClock | undefined {
    return this.#tracks.find((track) => track !== this.audio && track.report !== undefined);
  }

  /** Time of the source's clock for a track's first packet, as the other track tells it: by reports, or by the arrival. */
  #startOf(track: TrackClock, other: TrackClock | undefined, first: { arrivalMs: number; timestamp: number }): number {
    const arrivalUs = other?.estimateUs(first.arrivalMs) ?? 0;
    const { early, clockRate } = track;
    if (early === undefined || other?.report === undefined) return arrivalUs;
    const ntpUs = early.ntpUs + (((first.timestamp - early.rtpTimestamp) | 0) / clockRate) * 1e6;
    const reportedUs = other.sourceUs(other.report.ticks) + (ntpUs - other.report.ntpUs);
    return Math.abs(reportedUs - arrivalUs) > MAX_OFFSET_US ? arrivalUs : reportedUs;
  }
}

/** The RTP clock of one track: its timestamps unwrapped into ticks that go on evenly whatever the source does. */
export class TrackClock {
  readonly clockRate: number;
  /** The newest sender report while no packet has come. */
  early: EarlyReport | undefined;
  /** Where the sender reports want the track, and where it is: microseconds added to the time by arrival. */
  targetUs = 0;
  correctionUs = 0;
  readonly #beginUs: (track: TrackClock, arrivalMs: number, timestamp: number) => number;
  readonly #onBreak: () => void;
  #report: WallClockPoint | undefined;
  /** The last sender reports since the clock began or jumped, oldest first. */
  readonly #reports: WallClockPoint[] = [];
  #anchorTicks = 0;
  #anchorUs = 0;
  #newestTicks = Number.NaN;
  #newestTimestamp = 0;
  #newestMs = 0;
  /** A correction that was large when it began goes on at its pace to the end. */
  #hurries = false;
  /** The newest steps of corrections, oldest first: at those ticks the track was so far from its time by arrival. */
  readonly #steps: { readonly ticks: number; readonly correctionUs: number }[] = [];

  /**
   * @param beginUs Source time of the track's first packet.
   * @param onBreak The clock has jumped.
   */
  constructor(
    clockRate: number,
    beginUs: (track: TrackClock, arrivalMs: number, timestamp: number) => number,
    onBreak: () => void,
  ) {
    this.clockRate = clockRate;
    this.#beginUs = beginUs;
    this.#onBreak = onBreak;
  }

  /** What the sender reports tell; undefined while there is none since the clock began or jumped. */
  get report(): WallClockPoint | undefined {
    return this.#report;
  }

  /**
   * Takes a sender report. Browsers tie the moment at which sound is handed on to its ticks, which on a busy machine is
   * some 100 ms late at times, and never early: so of two the earlier counts, and of three the one in the middle.
   */
  noteReport(point: WallClockPoint): void {
    this.#reports.push(point);
    if (this.#reports.length > RECENT_REPORTS) this.#reports.shift();
    const inOrder = this.#reports.toSorted((a, b) => this.#wallClockUs(a) - this.#wallClockUs(b));
    this.#report = inOrder[Math.floor((inOrder.length - 1) / 2)];
  }

  /** What was reported so far holds no longer. */
  forgetReports(): void {
    this.#reports.length = 0;
    this.#report = undefined;
  }

  /** Ticks of the newest packet; NaN before the first. */
  get newestTicks(): number {
    return this.#newestTicks;
  }

  /** Unwraps the timestamp of a packet, in order of arrival. Hot path. */
  ticks(timestamp: number, arrivalMs: number): number {
    if (Number.isNaN(this.#newestTicks)) {
      this.#anchorTicks = timestamp;
      this.#anchorUs = this.#beginUs(this, arrivalMs, timestamp);
      this.#useEarlyReport(timestamp);
      return this.#advance(timestamp, timestamp, arrivalMs);
    }
    const delta = (timestamp - this.#newestTimestamp) | 0;
    const deltaUs = (delta / this.clockRate) * 1e6;
    const elapsedUs = Math.max(0, arrivalMs - this.#newestMs) * 1000;
    if (deltaUs < -MAX_BACK_US || deltaUs - elapsedUs > MAX_JUMP_US) {
      this.#onBreak();
      return this.rebase(timestamp, arrivalMs);
    }
    if (delta <= 0) return this.#newestTicks + delta;
    this.#slew(deltaUs, this.#newestTicks + delta);
    return this.#advance(timestamp, this.#newestTicks + delta, arrivalMs);
  }

  /** The source's timestamps go on from another number: ticks go on by the time that has passed. */
  rebase(timestamp: number, arrivalMs: number): number {
    if (Number.isNaN(this.#newestTicks)) return this.ticks(timestamp, arrivalMs);
    const elapsed = ((arrivalMs - this.#newestMs) / 1000) * this.clockRate;
    this.forgetReports();
    return this.#advance(timestamp, this.#newestTicks + Math.max(1, Math.round(elapsed)), arrivalMs);
  }

  /** Ticks of a timestamp that is near the newest one; undefined before the first packet. */
  ticksNear(timestamp: number): number | undefined {
    if (Number.isNaN(this.#newestTicks)) return undefined;
    return this.#newestTicks + ((timestamp - this.#newestTimestamp) | 0);
  }

  /** Time by arrival of the track's first packet and its ticks since, microseconds. */
  rawUs(ticks: number): number {
    return this.#anchorUs + ((ticks - this.#anchorTicks) / this.clockRate) * 1e6;
  }

  /** The same, brought together with the other track: always the same for what has come, however late. */
  sourceUs(ticks: number): number {
    return this.rawUs(ticks) + this.#correctionAt(ticks);
  }

  /** Time that a packet would have which was sampled just before it arrives now; undefined before the first packet. */
  estimateUs(arrivalMs: number): number | undefined {
    if (Number.isNaN(this.#newestTicks)) return undefined;
    return this.sourceUs(this.#newestTicks) + Math.max(0, arrivalMs - this.#newestMs) * 1000;
  }

  #useEarlyReport(timestamp: number): void {
    const { early } = this;
    if (early === undefined) return;
    this.noteReport({ ntpUs: early.ntpUs, ticks: timestamp + ((early.rtpTimestamp - timestamp) | 0) });
    this.early = undefined;
  }

  /** The sender's wall clock at the track's anchor, as a report tells it. */
  #wallClockUs({ ntpUs, ticks }: WallClockPoint): number {
    return ntpUs - this.rawUs(ticks);
  }

  #advance(timestamp: number, ticks: number, arrivalMs: number): number {
    this.#newestTimestamp = timestamp;
    this.#newestTicks = ticks;
    this.#newestMs = arrivalMs;
    return ticks;
  }

  /** A picture that was sent again has the correction of its time: with that of now it could come to be after the next. */
  #correctionAt(ticks: number): number {
    const steps = this.#steps;
    for (let i = steps.length - 1; i >= 0; i--) {
      const step = steps[i];
      if (step === undefined || (ticks < step.ticks && i > 0)) continue;
      const next = steps[i + 1];
      if (next === undefined || ticks <= step.ticks) return step.correctionUs;
      const part = (ticks - step.ticks) / (next.ticks - step.ticks);
      return step.correctionUs + part * (next.correctionUs - step.correctionUs);
    }
    return this.correctionUs;
  }

  /** Moves the track on its way to its target by one step of its time, which ends at those ticks. */
  #slew(stepUs: number, ticks: number): void {
    const distanceUs = this.targetUs - this.correctionUs;
    if (distanceUs === 0) return;
    if (this.#steps.at(-1)?.ticks !== this.#newestTicks) this.#remember(this.#newestTicks);
    if (Math.abs(distanceUs) > SMALL_OFFSET_US) this.#hurries = true;
    const paceUs = stepUs * (this.#hurries ? OFFSET_PACE : SMALL_OFFSET_PACE);
    const limitUs = distanceUs > LARGE_OFFSET_US ? distanceUs : paceUs;
    this.correctionUs += Math.max(-limitUs, Math.min(limitUs, distanceUs));
    if (this.correctionUs === this.targetUs) this.#hurries = false;
    this.#remember(ticks);
  }

  #remember(ticks: number): void {
    if (this.#steps.length >= MAX_STEPS) this.#steps.shift();
    this.#steps.push({ ticks, correctionUs: this.correctionUs });
  }
}
