import { byQuality, type ReceivedLayer } from './received-layer.ts';

/** A layer has stopped when it is silent for so long while another one goes on with so many frames. */
const STOPPED_MS = 600;
const STOPPED_FRAMES = 3;
/** Or when of so many frames in so long a time none was whole. */
const UNUSABLE_MS = 3000;
const UNUSABLE_FRAMES = 5;
/** So long a layer that was unusable is passed over. */
const SHUNNED_MS = 10_000;
/** A better layer has to come for so long before it is changed to; each time that it has stopped soon, twice as long. */
const STABLE_MS = 2000;
const MAX_STABLE_MS = 32_000;
const SOON_MS = 10_000;
/** Layers that begin together with the first one are taken at once. */
const TOGETHER_MS = 500;

interface Record {
  readonly layer: ReceivedLayer;
  /** Its count of frames when the newest packet of the main layer came. */
  mark: number;
  stableMs: number;
  shunnedUntilMs: number;
  /** It was kept back by us, or begins with the others: nothing speaks against it. */
  trusted: boolean;
  chosenMs: number;
  /** When it last stopped while it was the main layer. */
  stoppedMs: number;
}

/**
 * Decides which of a publisher's layers the stream's picture is made of: the best one that comes. Publishers leave layers
 * out when their own way is thin, the best first, and begin again when it is not.
 */
export class MainChoice {
  readonly #records: readonly Record[];
  #main: Record | undefined;
  #startMs = Number.NaN;
  /** Since when the main layer could have given frames. */
  #hopeMs = 0;

  constructor(layers: readonly ReceivedLayer[]) {
    this.#records = layers.map((layer) => ({
      layer,
      mark: 0,
      stableMs: STABLE_MS,
      shunnedUntilMs: Number.NEGATIVE_INFINITY,
      trusted: false,
      chosenMs: Number.NEGATIVE_INFINITY,
      stoppedMs: Number.NEGATIVE_INFINITY,
    }));
  }

  /** The layer that is wanted: the picture is another one's until a key frame of it comes. */
  get main(): ReceivedLayer | undefined {
    return this.#main?.layer;
  }

  /** A packet has come of that layer. Hot path. @param starts A key frame begins with it: the first one is taken */
  heard(layer: ReceivedLayer, starts: boolean, nowMs: number): void {
    if (this.#main === undefined) {
      if (!starts) return;
      this.#startMs = nowMs;
      const record = this.#records.find((candidate) => candidate.layer === layer);
      if (record !== undefined) this.#choose(record, nowMs);
    }
    if (layer !== this.#main?.layer) return;
    const records = this.#records;
    for (let i = 0; i < records.length; i++) {
      const record = records[i];
      if (record !== undefined) record.mark = record.layer.markers;
    }
  }

  /** A layer that was kept back is let come again: it is taken as soon as it does. */
  trust(layer: ReceivedLayer): void {
    for (const record of this.#records) if (record.layer === layer) record.trusted = true;
  }

  /**
   * Chooses. Called about every 20 ms.
   * @param best No better layer than this one is needed
   */
  tick(nowMs: number, best: ReceivedLayer): void {
    const main = this.#main;
    if (main === undefined) return;
    for (const record of this.#records)
      if (record !== main && record.layer.active && record.layer.activeSinceMs - this.#startMs < TOGETHER_MS)
        record.trusted ||= nowMs - this.#startMs < STABLE_MS;
    const unusable = this.#isUnusable(main, nowMs);
    if (unusable) main.shunnedUntilMs = nowMs + SHUNNED_MS;
    if (unusable || this.#hasStopped(main, nowMs)) {
      main.trusted = false;
      main.stoppedMs = nowMs;
      if (nowMs - main.chosenMs < SOON_MS) main.stableMs = Math.min(MAX_STABLE_MS, main.stableMs * 2);
      const other = this.#best(main, best, (record) => record.layer.active && nowMs >= record.shunnedUntilMs);
      if (other !== undefined) this.#choose(other, nowMs);
      return;
    }
    if (nowMs - main.chosenMs > SOON_MS * 6) main.stableMs = STABLE_MS;
    const better = this.#best(main, best, (record) => this.#isStable(record, nowMs));
    if (better === undefined) return;
    const rank = byQuality(better.layer, main.layer);
    if (rank < 0 || byQuality(main.layer, best) < 0) this.#choose(better, nowMs);
  }

  #choose(record: Record, nowMs: number): void {
    this.#main = record;
    record.chosenMs = nowMs;
    this.#hopeMs = nowMs;
    for (const other of this.#records) other.mark = other.layer.markers;
  }

  #isStable({ layer, stableMs, trusted, shunnedUntilMs, stoppedMs }: Record, nowMs: number): boolean {
    if (!layer.active || layer.pixels === 0 || nowMs < shunnedUntilMs || layer.newestMs < stoppedMs) return false;
    return trusted || nowMs - Math.max(layer.activeSinceMs, stoppedMs) >= stableMs;
  }

  #hasStopped(main: Record, nowMs: number): boolean {
    if (nowMs - main.layer.newestMs < STOPPED_MS) return false;
    return this.#records.some((other) => other !== main && other.layer.markers - other.mark >= STOPPED_FRAMES);
  }

  #isUnusable({ layer }: Record, nowMs: number): boolean {
    if (!layer.active || nowMs - Math.max(layer.newestFrameMs, this.#hopeMs) < UNUSABLE_MS) return false;
    if (layer.markers - layer.markersAtFrame < UNUSABLE_FRAMES) return false;
    return this.#records.some((other) => other.layer !== layer && other.layer.active);
  }

  /** The best of the others that is good enough and no better than needed. */
  #best(main: Record, best: ReceivedLayer, isFit: (record: Record) => boolean): Record | undefined {
    let found: Record | undefined;
    for (const record of this.#records) {
      if (record === main || !isFit(record)) continue;
      if (byQuality(record.layer, best) < 0) continue;
      if (found === undefined || byQuality(record.layer, found.layer) < 0) found = record;
    }
    return found;
  }
}
