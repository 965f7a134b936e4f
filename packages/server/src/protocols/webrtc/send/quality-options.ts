import {
  type Acceptance,
  MediaServerError,
  type Rendition,
  type Renditions,
  type Stream,
  type StreamLayer,
} from '../../../core/index.ts';
import { type AskedPicture, fittingLayer } from './asked-layer.ts';
import type { PictureTarget } from './layer-source.ts';
import type { OpenOption } from './measured-policy.ts';
import type { PlayedCodec } from './played-media.ts';
import { formatFor } from './track-source.ts';

/** What one viewer can be given the picture of. */
export interface QualityOptionsDeps {
  readonly stream: Stream;
  /** What the player takes of the stream as it is, or the form that it asks for. */
  readonly acceptance: Acceptance;
  readonly codecs: readonly PlayedCodec[];
  /** Undefined: nothing is made for its bandwidth. */
  readonly renditions: Renditions | undefined;
  /** The size that it asks for, among the encodings of the publisher. */
  readonly asked?: AskedPicture | undefined;
  /** Most that it wants, bits a second; undefined for no limit. */
  readonly maxBitrateBps?: number | undefined;
}

/** One of them. */
export interface Quality extends OpenOption {
  readonly kind: 'layer' | 'rendition' | 'stream';
  readonly target: PictureTarget;
  readonly layer: StreamLayer | undefined;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Bits of a lower encoding are to those of the next as one to this, where nothing is known of that yet. */
const USUAL_STEP = 3;
const USUAL_LOWEST_BPS = 150_000;
/** A rendition below all encodings takes no more than this share of the lowest. */
const BELOW_SHARE = 0.8;
/** What is over the limit that was asked for is out; it is back when it is below that by this share. */
const BACK_SHARE = 0.9;
const RENDITIONS_INTERVAL_MS = 1000;

/**
 * The qualities that one viewer can be given, best first: the encodings of the publisher, then renditions that take less; or
 * the renditions alone; or the stream as it is, then, where that proved too much, what is made for thin lines. Brought up to
 * date in place, so that looking costs next to nothing.
 */
export class QualityOptions {
  /** Best first; never empty after `refresh`. */
  all: readonly Quality[] = [];
  readonly #deps: QualityOptionsDeps;
  #layers: readonly StreamLayer[] | undefined;
  #encodings: readonly Mutable<Quality>[] = [];
  #renditions: readonly Quality[] = [];
  #renditionsMs = Number.NEGATIVE_INFINITY;
  readonly #hasLadder: boolean;
  #offersThinner = false;
  readonly #asItIs: Mutable<Quality>;
  /** Names of what is over the limit. */
  readonly #over = new Set<string>();

  constructor(deps: QualityOptionsDeps) {
    this.#deps = deps;
    this.#hasLadder = deps.renditions?.enabled('webrtc') === true;
    this.#asItIs = {
      name: 'original',
      kind: 'stream',
      layer: undefined,
      open: true,
      bandwidthBps: 0,
      target: { acceptance: deps.acceptance },
    };
  }

  /** True when there is something to choose. */
  get isChoice(): boolean {
    return this.all.length > 1 || this.all[0]?.kind !== 'stream';
  }

  /** What is made for thin lines is among them from now on, or no more: where nothing else is made, and no size asked for. */
  offerThinner(offers: boolean): void {
    if (offers === this.#offersThinner) return;
    const { renditions, asked } = this.#deps;
    if (offers && (this.#hasLadder || asked !== undefined || renditions?.enabled('thin') !== true)) return;
    this.#offersThinner = offers;
    this.#renditions = [];
    this.expire();
    this.#arrange();
  }

  /** Brings all up to date. */
  refresh(nowMs: number): void {
    const { layers } = this.#deps.stream;
    const isNew = layers !== this.#layers;
    if (isNew) this.#takeLayers(layers);
    const takesTime = nowMs - this.#renditionsMs >= RENDITIONS_INTERVAL_MS;
    if (isNew || ((this.#hasLadder || this.#offersThinner) && takesTime)) {
      this.#renditionsMs = nowMs;
      this.#renditions = this.#readRenditions();
      this.#arrange();
    }
    this.#measure();
  }

  /** Renditions are asked for anew on the next look: one of them may have become possible, or impossible. */
  expire(): void {
    this.#renditionsMs = Number.NEGATIVE_INFINITY;
  }

  #takeLayers(layers: readonly StreamLayer[]): void {
    this.#layers = layers;
    const { codecs, acceptance } = this.#deps;
    // One alone is the stream as it is.
    const isUsable = layers.length > 1 && acceptance.videoOutput === undefined;
    const usable = isUsable && layers.every((layer) => plays(layer, codecs)) ? layers : [];
    this.#encodings = usable.map((layer) => ({
      ...{ name: `layer ${layer.rid}`, kind: 'layer', layer, open: true, bandwidthBps: 0 },
      target: { layer },
    }));
  }

  #arrange(): void {
    const lowest = this.#encodings.at(-1);
    if (lowest === undefined) {
      const isLadder = this.#hasLadder && this.#renditions.length > 0;
      this.all = isLadder ? this.#renditions : [this.#asItIs, ...this.#renditions];
      return;
    }
    this.#measure();
    const below = lowest.bandwidthBps * BELOW_SHARE;
    const lower = this.#renditions.filter(({ bandwidthBps, target }) => isMade(target) && bandwidthBps < below);
    this.all = [...this.#encodings, ...lower];
  }

  #measure(): void {
    const { stream, asked, acceptance } = this.#deps;
    const audioBps = stream.audioRate.bitsPerSecond;
    const { videoOutput } = acceptance;
    const videoBps = videoOutput === undefined ? stream.videoRate.bitsPerSecond : (videoOutput.bitrateBps ?? 0);
    this.#asItIs.bandwidthBps = videoBps + audioBps;
    const encodings = this.#encodings;
    const cap = asked === undefined || this.#layers === undefined ? undefined : fittingLayer(this.#layers, asked);
    let isBelowCap = cap === undefined;
    let lowerBps = 0;
    for (let i = encodings.length - 1; i >= 0; i--) {
      const option = encodings[i];
      if (option?.layer === undefined) continue;
      lowerBps = layerBps(option.layer, lowerBps);
      option.bandwidthBps = lowerBps + audioBps;
    }
    for (let i = 0; i < encodings.length; i++) {
      const option = encodings[i];
      if (option?.layer === undefined) continue;
      isBelowCap ||= option.layer === cap;
      const { active, paused } = option.layer;
      const isLeast = i === encodings.length - 1;
      option.open = isBelowCap && (active || paused) && (isLeast || !this.#isOver(option));
    }
  }

  #isOver({ name, bandwidthBps }: Quality): boolean {
    const { maxBitrateBps = Number.POSITIVE_INFINITY } = this.#deps;
    const most = this.#over.has(name) ? maxBitrateBps * BACK_SHARE : maxBitrateBps;
    if (bandwidthBps > most) this.#over.add(name);
    else this.#over.delete(name);
    return bandwidthBps > most;
  }

  /** None while they are not known or the machine can't make any. */
  #readRenditions(): Quality[] {
    const { acceptance } = this.#deps;
    try {
      const all = this.#offered();
      const { maxBitrateBps = Number.POSITIVE_INFINITY } = this.#deps;
      return all.map(({ name, bandwidthBps, original, acceptance: made }, i) => ({
        ...{ name, kind: 'rendition', layer: undefined, bandwidthBps },
        open: bandwidthBps <= maxBitrateBps || i === all.length - 1,
        target: { acceptance: original ? acceptance : made },
      }));
    } catch (error) {
      if (!(error instanceof MediaServerError)) throw error;
      return [];
    }
  }

  #offered(): readonly Rendition[] {
    const { renditions, stream } = this.#deps;
    if (this.#hasLadder) return renditions?.ladder(stream, 'webrtc')?.renditions ?? [];
    return this.#offersThinner ? (renditions?.thinner(stream) ?? []) : [];
  }
}

/** What an encoding takes, or is expected to, `lowerBps` being what the next lower one takes. */
function layerBps({ expectedBps, bitrateBps }: StreamLayer, lowerBps: number): number {
  const knownBps = expectedBps ?? bitrateBps;
  if (knownBps > 0) return knownBps;
  return lowerBps > 0 ? lowerBps * USUAL_STEP : USUAL_LOWEST_BPS;
}

function plays({ lane }: StreamLayer, codecs: readonly PlayedCodec[]): boolean {
  return lane.format === undefined || formatFor(codecs, lane.format) !== undefined;
}

function isMade(target: PictureTarget): boolean {
  return 'acceptance' in target && target.acceptance.videoOutput !== undefined;
}
