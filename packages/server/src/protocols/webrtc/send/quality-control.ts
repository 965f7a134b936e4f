import {
  type Acceptance,
  type Counters,
  type Log,
  MediaServerError,
  type Renditions,
  type Stream,
} from '../../../core/index.ts';
import { BitrateMeter } from '../bitrate-meter.ts';
import type { Playback } from './playback.ts';
import {
  type QualityDirection,
  type QualityOption,
  QualityPolicy,
  type QualityPolicyOptions,
} from './quality-policy.ts';
import type { ViewerBandwidth } from './viewer-bandwidth.ts';

export interface QualityControlDeps {
  readonly stream: Stream;
  /** What the player takes of the stream as it is. */
  readonly acceptance: Acceptance;
  readonly renditions: Renditions;
  readonly bandwidth: ViewerBandwidth;
  readonly policy: QualityPolicyOptions;
  readonly counters: Counters;
  readonly log: Log;
}

/** A quality with what is leased for it. */
interface Quality extends QualityOption {
  readonly acceptance: Acceptance;
}

/** What is told of a viewer's quality. */
export interface QualityFacts {
  readonly quality: string | undefined;
  readonly qualityReason: string | undefined;
  readonly bandwidthBps: number | undefined;
}

const LOOK_INTERVAL_MS = 250;

/** Moves one viewer between the qualities of a stream, by what is estimated of the way to it. */
export class QualityControl {
  readonly #deps: QualityControlDeps;
  readonly #policy: QualityPolicy;
  readonly #sent = new BitrateMeter();
  #measuredBps = -1;
  #current: string | undefined;
  #coming: string | undefined;
  #reason: string | undefined;
  #lookedMs = 0;

  constructor(deps: QualityControlDeps) {
    this.#deps = deps;
    this.#policy = new QualityPolicy(deps.policy, performance.now());
  }

  /** What the picture begins with: the best that can be had. Call once, before the first `tick`. */
  begin(): Acceptance {
    const [best] = this.#qualities();
    this.#current = best?.name;
    return best?.acceptance ?? this.#deps.acceptance;
  }

  /** Changes what is due to be changed. Call every 20 ms or so. */
  tick(playback: Playback, nowMs: number): void {
    if (nowMs - this.#lookedMs < LOOK_INTERVAL_MS) return;
    this.#lookedMs = nowMs;
    const { bandwidth } = this.#deps;
    this.#sent.update(playback.sent('video').bytes, nowMs);
    if (this.#sent.bps !== this.#measuredBps) bandwidth.onSent(this.#sent.bps, nowMs);
    this.#measuredBps = this.#sent.bps;
    const estimate = bandwidth.estimate(nowMs);
    const due = this.#policy.due(estimate, nowMs);
    const lost = playback.pictureLost;
    if (lost !== undefined && this.#current !== undefined) this.#policy.onFailed(this.#current, nowMs);
    const direction = lost === undefined ? due : 'other';
    if (direction === undefined || (direction !== 'down' && this.#coming !== undefined)) return;
    const all = this.#qualities();
    this.#current ??= all.find(({ acceptance }) => acceptance === this.#deps.acceptance)?.name;
    if (this.#current === undefined) return;
    const wanted = this.#policy.choose(direction, { all, current: this.#current }, { estimate, nowMs });
    if (wanted === undefined || wanted.name === this.#coming) return;
    this.#reason = lost ?? (direction === 'down' ? estimate.reason : undefined);
    this.#change(playback, wanted, direction);
  }

  facts(nowMs: number): QualityFacts {
    const { bps } = this.#deps.bandwidth.estimate(nowMs);
    const coming = this.#coming === undefined ? undefined : `${this.#coming} is on the way`;
    return {
      quality: this.#current,
      qualityReason: [this.#reason, coming].filter((part) => part !== undefined).join('; ') || undefined,
      bandwidthBps: bps === undefined ? undefined : Math.round(bps),
    };
  }

  #change(playback: Playback, wanted: Quality, direction: QualityDirection): void {
    const { counters, bandwidth, log } = this.#deps;
    this.#coming = wanted.name;
    playback.changePicture(wanted, (failure) => {
      const nowMs = performance.now();
      this.#coming = undefined;
      if (failure !== undefined) {
        log.warn({ quality: wanted.name, reason: failure }, 'quality can not be had');
        return this.#policy.onFailed(wanted.name, nowMs);
      }
      log.info({ from: this.#current, to: wanted.name, reason: this.#reason }, 'quality changed');
      this.#current = wanted.name;
      this.#policy.onMoved(direction, nowMs);
      bandwidth.onChanged(nowMs);
      counters.count(direction === 'up' ? 'webrtc_qualities_raised' : 'webrtc_qualities_lowered');
    });
  }

  /** The qualities of this moment, best first; none while they are not known or the machine can't make any. */
  #qualities(): Quality[] {
    const { renditions, stream, acceptance } = this.#deps;
    try {
      const ladder = renditions.ladder(stream, 'webrtc');
      return (ladder?.renditions ?? []).map(({ name, bandwidthBps, original, acceptance: made }) => ({
        name,
        bandwidthBps,
        acceptance: original ? acceptance : made,
      }));
    } catch (error) {
      if (!(error instanceof MediaServerError)) throw error;
      return [];
    }
  }
}
