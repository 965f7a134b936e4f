import type { ReceivedLayer } from './received-layer.ts';

/** So long it may stay while the stream's own picture is still made of it. */
const CHANGE_MS = 3000;
/** What the layers that stay may grow by. */
const HEADROOM = 1.15;
const OTHER_BPS = 20_000;
/** What the cap is computed from falls by so much a second at most. */
const DECAY = 0.97;
/** So long a publisher has to obey; one that still sends a layer too many is allowed less each second. */
const OBEY_MS = 8000;
const REDUCTION = 0.9;
const MIN_FACTOR = 0.5;
/** Below this senders have no picture at all. */
const MIN_CAP_BPS = 60_000;
const STEP_MS = 1000;
/**
 * The cap comes down in steps: what a sender has in its queue when it is cut at once makes it believe that the way has become
 * thin, and it takes half a minute to believe otherwise.
 */
const FALL_STEP_MS = 200;
const FALL = 0.88;
/**
 * It goes up in steps too, quicker: a layer that is let come all at once begins with a key frame of its full bitrate, on a
 * way that has carried little for long. Where that makes a queue, senders fall back for ten seconds and more.
 */
const RISE_STEP_MS = 100;
const RISE = 1.5;

/** What is needed at a moment. */
export interface LayerNeeds {
  /** The layers, best first, with those of unknown size before all others; none before one is known. */
  readonly layers: readonly ReceivedLayer[];
  /** The picture of the stream itself is watched: so the best layer is. */
  readonly picture: boolean;
  /** The layer that the picture is made of. */
  readonly shown: ReceivedLayer | undefined;
  /** What the publisher's sound takes. */
  readonly audioBps: number;
}

/**
 * Keeps layers that nobody watches back: by a cap on what the publisher may send, as that leaves out the best of them
 * first. The lowest layer always stays.
 */
export class LayerPausing {
  readonly #unwatchedMs: number;
  readonly #watchedMs = new Map<ReceivedLayer, number>();
  #startMs = Number.NaN;
  #best: ReceivedLayer | undefined;
  #capBps: number | undefined;
  #targetBps: number | undefined;
  #movedMs = 0;
  #baseBps = 0;
  #factor = HEADROOM;
  #pausedMs = 0;
  #steppedMs = Number.NEGATIVE_INFINITY;

  /** @param unwatchedMs A layer that nobody has watched for so long is kept back */
  constructor(unwatchedMs: number) {
    this.#unwatchedMs = unwatchedMs;
  }

  /** The best layer that is needed; undefined before the first tick. */
  get best(): ReceivedLayer | undefined {
    return this.#best;
  }

  /** Most that the publisher is to send, bits a second; undefined when all layers may come. */
  get capBps(): number | undefined {
    return this.#capBps;
  }

  /** Called about every 20 ms. @returns the layers that have been let come again */
  tick(nowMs: number, needs: LayerNeeds): readonly ReceivedLayer[] {
    const { layers } = needs;
    if (layers.length === 0) return [];
    if (Number.isNaN(this.#startMs)) this.#startMs = nowMs;
    const needed = this.#keptOf(nowMs, needs, this.#unwatchedMs);
    this.#best = layers[needed];
    const shown = needs.shown === undefined ? -1 : layers.indexOf(needs.shown);
    const kept = shown >= 0 && shown < needed ? this.#keptOf(nowMs, needs, this.#unwatchedMs + CHANGE_MS) : needed;
    const resumed: ReceivedLayer[] = [];
    for (const [index, layer] of layers.entries()) {
      const paused = index < kept;
      if (layer.paused === paused) continue;
      layer.paused = paused;
      this.#steppedMs = Number.NEGATIVE_INFINITY;
      if (paused) this.#pausedMs = nowMs;
      else resumed.push(layer);
    }
    if (nowMs - this.#steppedMs >= STEP_MS) this.#step(nowMs, needs, kept);
    this.#moveCap(nowMs, needs);
    return resumed;
  }

  #moveCap(nowMs: number, { layers, audioBps }: LayerNeeds): void {
    const targetBps = this.#targetBps ?? Number.POSITIVE_INFINITY;
    const capBps = this.#capBps ?? Number.POSITIVE_INFINITY;
    if (targetBps === capBps) return;
    const rises = targetBps > capBps;
    if (nowMs - this.#movedMs < (rises ? RISE_STEP_MS : FALL_STEP_MS)) return;
    this.#movedMs = nowMs;
    if (!rises) {
      const sentBps = layers.reduce((sum, layer) => sum + layer.bitrateBps, audioBps + OTHER_BPS);
      this.#capBps = Math.max(targetBps, Math.round((this.#capBps ?? sentBps) * FALL));
      return;
    }
    const nextBps = Math.min(targetBps, Math.round(capBps * RISE));
    const wholeBps = layers.reduce((sum, layer) => sum + (layer.expectedBps ?? 0), audioBps + OTHER_BPS) * HEADROOM;
    this.#capBps = this.#targetBps === undefined && nextBps >= wholeBps ? undefined : nextBps;
  }

  /** Position of the best layer that was watched within that time. */
  #keptOf(nowMs: number, { layers, picture }: LayerNeeds, withinMs: number): number {
    let kept = layers.length - 1;
    for (let index = kept; index >= 0; index--) {
      const layer = layers[index];
      if (layer === undefined) continue;
      if (layer.watched || (picture && index === 0)) this.#watchedMs.set(layer, nowMs);
      if (nowMs - (this.#watchedMs.get(layer) ?? this.#startMs) < withinMs) kept = index;
    }
    return kept;
  }

  /** Computes the cap anew, about once a second. */
  #step(nowMs: number, { layers, audioBps }: LayerNeeds, kept: number): void {
    this.#steppedMs = nowMs;
    if (kept === 0) {
      this.#targetBps = undefined;
      this.#baseBps = 0;
      this.#factor = HEADROOM;
      return;
    }
    const staying = layers.slice(kept);
    const takenBps = staying.reduce((sum, layer) => sum + Math.max(layer.bitrateBps, layer.expectedBps ?? 0), 0);
    this.#baseBps = Math.max(takenBps, this.#baseBps * DECAY);
    const surplus = layers.slice(0, kept).some((layer) => layer.active);
    if (surplus && nowMs - this.#pausedMs >= OBEY_MS) this.#factor = Math.max(MIN_FACTOR, this.#factor * REDUCTION);
    this.#targetBps = Math.max(MIN_CAP_BPS, Math.round(this.#baseBps * this.#factor + audioBps + OTHER_BPS));
  }
}
