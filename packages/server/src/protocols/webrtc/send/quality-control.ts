import type { Acceptance, Counters, Log, Renditions, Stream } from '../../../core/index.ts';
import { BitrateMeter } from '../bitrate-meter.ts';
import type { SendingOptions } from '../options.ts';
import type { AskedPicture } from './asked-layer.ts';
import type { PictureTarget } from './layer-source.ts';
import { MeasuredPolicy } from './measured-policy.ts';
import type { PlayedCodec } from './played-media.ts';
import { type Quality, QualityOptions } from './quality-options.ts';
import { QualityPolicy, type QualityPolicyOptions } from './quality-policy.ts';
import { Shortage } from './shortage.ts';
import { hasKeyFramesAtMost, ThinNeed } from './thin-need.ts';
import { type PictureLimit, type PictureRates, ThinningPolicy } from './thinning.ts';
import type { BandwidthEstimate, ViewerBandwidth } from './viewer-bandwidth.ts';

export interface QualityControlDeps {
  readonly stream: Stream;
  /** What the player takes of the stream as it is, or the form that it asks for. */
  readonly acceptance: Acceptance;
  /** Codecs of the picture that it takes. */
  readonly codecs: readonly PlayedCodec[];
  /** What is made for viewers by their bandwidth: a ladder, or what is for thin lines; undefined for nothing. */
  readonly renditions: Renditions | undefined;
  /** The size that it asks for, among the encodings of the publisher, and the most that it wants, bits a second. */
  readonly asked?: AskedPicture | undefined;
  readonly maxBitrateBps?: number | undefined;
  readonly bandwidth: ViewerBandwidth;
  readonly policy: QualityPolicyOptions;
  readonly sending: Pick<SendingOptions, 'startBitrateBps' | 'thinning'>;
  readonly counters: Counters;
  readonly log: Log;
  onNotEnoughBandwidth(streamBps: number, availableBps: number): void;
}

/** What a viewer's picture can be changed by. */
export interface ChangeablePicture {
  /** Why it is missing; undefined while it is not. */
  readonly pictureLost: string | undefined;
  sent(kind: 'video'): { readonly bytes: number };
  /** What the picture takes that comes for it, and how much of that is to be sent. */
  readonly pictureRates: PictureRates;
  thin(limit: PictureLimit): void;
  changePicture(target: PictureTarget, onDone: (failure: string | undefined) => void): void;
  giveUpChange(): void;
}

/** What is told of a viewer's quality. */
export interface QualityFacts {
  readonly quality: string | undefined;
  readonly qualityReason: string | undefined;
  readonly bandwidthBps: number | undefined;
  readonly queueMs: number | undefined;
  readonly delayMs: number | undefined;
}

type Direction = 'down' | 'up';

const LOOK_INTERVAL_MS = 100;
/** A key frame of a lower encoding is there within this time, usually. */
const SOON_MS = 600;

/** Moves one viewer between what its picture can be taken from, by what is estimated of the way to it. */
export class QualityControl {
  readonly #deps: QualityControlDeps;
  readonly #options: QualityOptions;
  readonly #reported: QualityPolicy;
  readonly #measured = new MeasuredPolicy();
  readonly #shortage: Shortage;
  readonly #sent = new BitrateMeter();
  #measuredBps = -1;
  #current: string | undefined;
  #coming: string | undefined;
  #reason: string | undefined;
  /** What it gets is an encoding of the publisher's. */
  #isLayer = false;
  /** It has been given less for want of bandwidth, and not all of it back. */
  #isLowered = false;
  #lookedMs = 0;
  /** When what is waited for was asked for. */
  #askedMs = 0;
  readonly #thinning = new ThinningPolicy();
  readonly #thinNeed = new ThinNeed();

  constructor(deps: QualityControlDeps) {
    this.#deps = deps;
    this.#options = new QualityOptions(deps);
    this.#reported = new QualityPolicy(deps.policy, performance.now());
    this.#shortage = new Shortage((streamBps, availableBps) => deps.onNotEnoughBandwidth(streamBps, availableBps));
  }

  /**
   * What the picture begins with: of the publisher's encodings the best that the way is believed to carry, of renditions
   * the best. Undefined: the stream as it is. Call once, before the first `tick`.
   */
  begin(): PictureTarget | undefined {
    this.#options.refresh(performance.now());
    const { all } = this.#options;
    const first = all[0]?.kind === 'layer' ? this.#startOf(all) : (all.find(({ open }) => open) ?? all.at(-1));
    if (first === undefined || first.kind === 'stream') return undefined;
    this.#current = first.name;
    this.#isLayer = first.kind === 'layer';
    return first.target;
  }

  // Called for each viewer on each tick: one with nothing to decide costs a comparison.
  /** Changes what is due to be changed. Call every 20 ms or so. */
  tick(picture: ChangeablePicture, nowMs: number): void {
    if (nowMs - this.#lookedMs < LOOK_INTERVAL_MS) return;
    this.#lookedMs = nowMs;
    const { bandwidth } = this.#deps;
    if (this.#sent.isDue(nowMs)) this.#sent.update(picture.sent('video').bytes, nowMs);
    if (this.#sent.bps !== this.#measuredBps) bandwidth.onSent(this.#sent.bps, nowMs);
    this.#measuredBps = this.#sent.bps;
    const estimate = bandwidth.estimate(nowMs);
    this.#options.offerThinner(this.#needsThinner(nowMs));
    this.#options.refresh(nowMs);
    const at = this.#present();
    if (this.#options.isChoice || this.#current !== undefined) this.#look(picture, { at, estimate, nowMs });
    if (estimate.measured === true) this.#thin(picture, { at, estimate, nowMs });
    this.#tellShortage(estimate, nowMs);
  }

  facts(nowMs: number): QualityFacts {
    const { bps } = this.#deps.bandwidth.estimate(nowMs);
    const coming = this.#coming === undefined ? undefined : `${this.#coming} is on the way`;
    const measured = this.#deps.bandwidth.facts?.(nowMs);
    return {
      queueMs: measured?.queueMs,
      delayMs: measured && Math.round(measured.delayMs),
      quality: this.#current,
      qualityReason: [this.#reason, coming].filter((part) => part !== undefined).join('; ') || undefined,
      bandwidthBps: bps === undefined ? undefined : Math.round(bps),
    };
  }

  /** Place of what the viewer gets; -1 when it is not among them any more. */
  #present(): number {
    const { all } = this.#options;
    if (this.#current === undefined) {
      for (let i = 0; i < all.length; i++) {
        const option = all[i];
        if (option === undefined || !isAsItIs(option.target, this.#deps.acceptance)) continue;
        if (option.kind === 'rendition') this.#current = option.name;
        return i;
      }
    }
    return this.#placeOf(this.#current);
  }

  #placeOf(name: string | undefined): number {
    const { all } = this.#options;
    for (let i = 0; name !== undefined && i < all.length; i++) if (all[i]?.name === name) return i;
    return -1;
  }

  #look(picture: ChangeablePicture, now: { at: number; estimate: BandwidthEstimate; nowMs: number }): void {
    const { estimate, at, nowMs } = now;
    const lost = picture.pictureLost;
    if (lost !== undefined && this.#current !== undefined) {
      this.#reported.onFailed(this.#current, nowMs);
      this.#measured.onFailed(this.#current, nowMs);
    }
    const present = this.#options.all[at];
    const isGone = lost !== undefined || (present !== undefined && !present.open) || this.#hasOtherKind(at);
    if (isGone) this.#replace(picture, { ...now, lost });
    else if (estimate.measured === true) this.#lookMeasured(picture, now);
    else this.#lookReported(picture, now);
  }

  /** What is sent can't be, or is not to be: something else has to take its place. */
  #replace(
    picture: ChangeablePicture,
    now: { at: number; estimate: BandwidthEstimate; nowMs: number; lost: string | undefined },
  ): void {
    const { at, estimate, lost } = now;
    const { all } = this.#options;
    const coming = all[this.#placeOf(this.#coming)];
    if (coming?.open === true && coming.layer?.active !== false) return;
    const isLayer = all[at]?.kind === 'layer';
    const wanted =
      isLayer || all[0]?.kind === 'layer'
        ? (nearestActive(all, at) ?? (at < 0 ? this.#startOf(all) : undefined))
        : this.#reported.choose('other', { all, current: this.#current }, now);
    if (wanted === undefined || wanted.name === this.#coming) return;
    this.#reason =
      lost ?? (isLayer ? 'what it got does not come any more, or is more than it may have' : estimate.reason);
    this.#change(picture, wanted, this.#placeOf(wanted.name) < at ? 'up' : 'down');
  }

  #lookMeasured(picture: ChangeablePicture, { at, estimate, nowMs }: LookedAt): void {
    const { all } = this.#options;
    const policy = this.#measured;
    const coming = this.#placeOf(this.#coming);
    const isShort = hasKeyFramesAtMost(this.#thinning.limit) && this.#hasLower(at, nowMs);
    const wanted = policy.decide({ all, at, coming, estimate, isShort }, nowMs);
    if (policy.probeBps !== undefined) this.#deps.bandwidth.probe?.(policy.probeBps, nowMs);
    if (wanted === (coming < 0 ? at : coming)) return;
    if (wanted === at) {
      picture.giveUpChange();
      this.#coming = undefined;
      this.#reason = estimate.reason ?? this.#reason;
      return;
    }
    const quality = all[wanted];
    if (quality === undefined) return;
    const direction = at >= 0 && wanted > at ? 'down' : 'up';
    if (direction === 'down') {
      this.#isLowered = true;
      policy.onMoved('down', nowMs);
    }
    this.#reason = direction === 'down' ? (estimate.reason ?? wayCarries(estimate)) : this.#reason;
    this.#change(picture, quality, direction);
  }

  /** By what the viewer reports, there is no telling how much more could be sent: better ones are tried now and then. */
  #lookReported(picture: ChangeablePicture, { estimate, nowMs }: LookedAt): void {
    const due = this.#reported.due(estimate, nowMs);
    if (due === undefined || (due === 'up' && this.#coming !== undefined)) return;
    const all = this.#options.all.filter(({ open }) => open);
    const wanted = this.#reported.choose(due, { all, current: this.#current }, { estimate, nowMs });
    if (wanted === undefined || wanted.name === this.#coming) return;
    if (due === 'down') this.#isLowered = true;
    this.#reason = due === 'down' ? estimate.reason : undefined;
    this.#change(picture, wanted, due);
  }

  /**
   * The last resort: where nothing takes less, or while that is waited for, less of the picture is sent. While a lower
   * encoding is on its way, only what nobody sees at first is left out.
   */
  #thin(picture: ChangeablePicture, { at, estimate, nowMs }: LookedAt): void {
    if (!this.#deps.sending.thinning) return;
    const coming = this.#placeOf(this.#coming);
    const waits = coming > at;
    // What is lower is waited for as soon as it may be.
    if (!waits && this.#hasLower(at, nowMs) && !hasKeyFramesAtMost(this.#thinning.limit)) {
      if (this.#thinning.limit === 'all') return;
      this.#thinning.reset(nowMs);
      picture.thin('all');
      return;
    }
    const audioBps = this.#deps.stream.audioRate.bitsPerSecond;
    const { limit, probeBps } = this.#thinning.decide({ estimate, rates: picture.pictureRates, audioBps }, nowMs);
    // What has to be made first comes later than that.
    const isSoon = waits && this.#options.all[coming]?.kind === 'layer' && nowMs - this.#askedMs < SOON_MS;
    picture.thin(isSoon && hasKeyFramesAtMost(limit) ? 'layer_0' : limit);
    if (probeBps !== undefined && !waits) this.#deps.bandwidth.probe?.(probeBps, nowMs);
  }

  /** Something else is to be made for it; not while what there is already is on its way. */
  #needsThinner(nowMs: number): boolean {
    const waits = this.#coming !== undefined;
    const limit = waits ? 'all' : this.#thinning.limit;
    return this.#thinNeed.update({ limit, isWhole: !waits && this.#isBest() }, nowMs);
  }

  /** There is something that takes less than what is sent. */
  #hasLower(at: number, nowMs: number): boolean {
    const { all } = this.#options;
    const presentBps = all[at]?.bandwidthBps ?? 0;
    for (let i = at + 1; i < all.length; i++) {
      const option = all[i];
      if (option?.open && option.bandwidthBps < presentBps && !this.#measured.isBlocked(option.name, nowMs))
        return true;
    }
    return false;
  }

  #change(picture: ChangeablePicture, wanted: Quality, direction: Direction): void {
    const { counters, bandwidth, log } = this.#deps;
    this.#coming = wanted.name;
    this.#askedMs = this.#lookedMs;
    picture.changePicture(wanted.target, (failure) => {
      const nowMs = performance.now();
      this.#coming = undefined;
      if (failure !== undefined) {
        log.warn({ quality: wanted.name, reason: failure }, 'quality can not be had');
        this.#options.expire();
        this.#measured.onFailed(wanted.name, nowMs);
        return this.#reported.onFailed(wanted.name, nowMs);
      }
      const reason = direction === 'down' ? this.#reason : undefined;
      log.info({ from: this.#current, to: wanted.name, reason }, 'quality changed');
      this.#current = wanted.kind === 'stream' ? undefined : wanted.name;
      this.#isLayer = wanted.kind === 'layer';
      this.#reported.onMoved(direction, nowMs);
      this.#measured.onMoved(direction, nowMs);
      this.#thinning.reset(nowMs);
      picture.thin('all');
      bandwidth.onChanged(nowMs);
      if (this.#isBest()) this.#reason = undefined;
      counters.count(direction === 'up' ? 'webrtc_qualities_raised' : 'webrtc_qualities_lowered');
    });
  }

  /** Nothing better can be had at this moment. */
  #isBest(): boolean {
    const { all } = this.#options;
    for (let i = 0; i < all.length; i++) {
      const option = all[i];
      if (option?.open)
        return option.name === this.#current || (option.kind === 'stream' && this.#current === undefined);
    }
    return true;
  }

  /** The publisher has begun, or ceased, to send several encodings. */
  #hasOtherKind(at: number): boolean {
    if (at >= 0) return false;
    return this.#options.all[0]?.kind === 'layer' || this.#isLayer;
  }

  #startOf(all: readonly Quality[]): Quality | undefined {
    const { startBitrateBps } = this.#deps.sending;
    const coming = all.filter(({ open, layer }) => open && layer?.active !== false);
    const from = coming.length > 0 ? coming : all;
    return (
      from.find(({ bandwidthBps }) => bandwidthBps <= startBitrateBps) ?? from.findLast(({ layer }) => layer) ?? from[0]
    );
  }

  #tellShortage(estimate: BandwidthEstimate, nowMs: number): void {
    const { bps } = estimate;
    if (this.#coming === undefined && this.#isBest()) this.#isLowered = false;
    const isThinned = this.#thinning.limit !== 'all';
    const isShort = this.#isLowered || isThinned || (estimate.congested && !this.#options.isChoice);
    if (bps === undefined && isShort) return;
    const { all } = this.#options;
    let streamBps = 0;
    for (let i = 0; i < all.length && streamBps === 0; i++) if (all[i]?.open) streamBps = all[i]?.bandwidthBps ?? 0;
    this.#shortage.update({ isShort, streamBps, availableBps: bps ?? 0 }, nowMs);
  }
}

interface LookedAt {
  readonly at: number;
  readonly estimate: BandwidthEstimate;
  readonly nowMs: number;
}

/** The next lower encoding that comes, else the next better one. */
function nearestActive(all: readonly Quality[], at: number): Quality | undefined {
  const comes = ({ open, layer }: Quality): boolean => open && layer?.active === true;
  return at < 0 ? undefined : (all.slice(at + 1).find(comes) ?? all.slice(0, at).findLast(comes));
}

function isAsItIs(target: PictureTarget, acceptance: Acceptance): boolean {
  return 'acceptance' in target && target.acceptance === acceptance;
}

function wayCarries({ bps = 0 }: BandwidthEstimate): string {
  return `the way carries about ${Math.round(bps / 1000)} kbit/s`;
}
