import {
  type Adaptations,
  type ConversionTarget,
  type Converter,
  type Ladder,
  type LadderUse,
  MediaServerError,
  playerAcceptance,
  type Rendition,
  type Renditions,
  type Stream,
  sizeInForm,
  type VideoForm,
  withPicture,
} from '../core/index.ts';
import { chooseProfiles } from './choose-profiles.ts';
import { DEFAULT_PROFILES, type RenditionProfile } from './profile.ts';
import { type Quality, type QualityChoices, qualityOf } from './quality.ts';
import { SourcePictures } from './source-picture.ts';
import { ThinProfiles } from './thin-profiles.ts';

export interface RenditionsDeps {
  readonly adaptations: Adaptations;
  /** Undefined: nothing is converted here. */
  readonly converter: Converter | undefined;
  /** The machine has nothing to spare: lines may seem thin for that alone, and nothing is begun for them. Default: never. */
  machineIsBusy?(): boolean;
}

export interface RenditionsOptions extends QualityChoices {
  /** Profiles of each file, see `loadProfiles`. */
  readonly hls: readonly RenditionProfile[];
  readonly webrtc: readonly RenditionProfile[];
  /** `hls_abr_enabled` and `wcs_sfu_bridge_enabled`. */
  readonly hlsEnabled: boolean;
  readonly webrtcEnabled: boolean;
  /** `webrtc_thin_renditions` */
  readonly thinEnabled: boolean;
}

export const DEFAULT_RENDITIONS_OPTIONS: RenditionsOptions = Object.freeze({
  hls: DEFAULT_PROFILES.hls,
  webrtc: DEFAULT_PROFILES.webrtc,
  hlsEnabled: true,
  webrtcEnabled: false,
  thinEnabled: true,
  gopFrames: 60,
  preserveAspectRatio: true,
  bFramesForceTranscoding: false,
});

/** Cores below that are a matter of rounding. */
const TOLERANCE_CORES = 0.005;
/** Of all cores for pictures, so much is left to those who ask for something. */
const ASKED_SHARE = 0.25;

/** A quality with what it costs to begin it now. */
interface Offer extends Quality {
  /** By itself, and besides others: the source is decoded once for all. */
  readonly estimatedCores: number;
  readonly besidesOthers: number;
  /** It goes through, or is made already: its cost is among what is used. */
  readonly isPaid: boolean;
}

/** The qualities of streams by profiles, as far as the machine can make them. Holds nothing but what it knows of sizes. */
export class StreamRenditions implements Renditions {
  readonly #deps: RenditionsDeps;
  readonly #options: RenditionsOptions;
  readonly #pictures = new SourcePictures();
  readonly #thin = new ThinProfiles();

  constructor(deps: RenditionsDeps, options: Partial<RenditionsOptions> = {}) {
    this.#deps = deps;
    this.#options = Object.freeze({ ...DEFAULT_RENDITIONS_OPTIONS, ...options });
  }

  enabled(use: LadderUse | 'thin'): boolean {
    const { hlsEnabled: hls, webrtcEnabled: webrtc, thinEnabled: thin } = this.#options;
    return this.#deps.converter !== undefined && { hls, webrtc, thin }[use];
  }

  ladder(stream: Stream, use: LadderUse): Ladder | undefined {
    const source = this.enabled(use) ? this.#pictures.of(stream) : undefined;
    if (source === undefined) return undefined;
    const { profiles, notes } = chooseProfiles(this.#options[use], source);
    const context = { use, choices: this.#options };
    const offers = profiles.map((profile) => this.#offer(stream, qualityOf(profile, source, context)));
    const { kept, dropped } = this.#affordable(offers);
    if (kept.length === 0) throw limit(`the qualities of "${stream.name}" take more`, offers.at(-1), this.#freeCores);
    return {
      renditions: kept.sort(bestFirst).map(renditionOf),
      estimatedCores: together(kept),
      freeCores: this.#freeCores,
      notes: [
        ...notes,
        ...dropped.map((one) => `${one.name} is left out: ${cost(one.estimatedCores, this.#freeCores)}`),
      ],
    };
  }

  thinner(stream: Stream): readonly Rendition[] {
    const { converter } = this.#deps;
    const source = this.enabled('thin') ? this.#pictures.of(stream) : undefined;
    if (source === undefined || converter?.canConvert(source.track.codec, 'h264') !== true) return [];
    const context = { use: 'webrtc', choices: this.#options } as const;
    const offersOf = (profiles: readonly RenditionProfile[]) =>
      profiles.map((profile) => this.#offer(stream, qualityOf(profile, source, context)));
    const kept = this.#thin.kept(stream);
    const isMade = kept !== undefined && offersOf(kept).some(({ isPaid }) => isPaid);
    const offers = offersOf(isMade ? kept : this.#thin.renew(stream, source));
    const { formsLeft, limitCores } = converter.budget?.() ?? { limitCores: 0 };
    const mayBegin = formsLeft !== 0 && this.#deps.machineIsBusy?.() !== true;
    const possible = mayBegin ? offers : offers.filter(({ isPaid }) => isPaid);
    const { kept: afforded } = this.#affordable(possible, this.#freeCores - limitCores * ASKED_SHARE);
    return afforded.sort(bestFirst).map(renditionOf);
  }

  admit(stream: Stream, form: VideoForm): void {
    const { converter } = this.#deps;
    const track = stream.state.video;
    if (converter === undefined)
      throw new MediaServerError(
        'TRANSCODING_DISABLED',
        'width, height or bitrate are asked for, and transcoding_disabled forbids to make them: ask for none of them',
      );
    if (track === undefined) return;
    if (!converter.canConvert(track.codec, 'h264'))
      throw new MediaServerError('TRANSCODING_DISABLED', `pictures of ${track.codec} can not be converted here`);
    const source = this.#pictures.of(stream);
    const anyone = playerAcceptance({ video: new Set(['h264']), audio: new Set() });
    if (this.#runs(stream, withPicture(anyone, form))) return;
    // What takes codecs as they come, and asks for nothing more, goes on being served while there is any room at all.
    const isPlain = Object.values(form).every((value) => value === undefined);
    if (!isPlain && converter.budget?.().formsLeft === 0) throw manyForms();
    const estimatedCores = this.#estimate(stream, { codec: 'h264', picture: isPlain ? undefined : form });
    if (isPlain ? this.#freeCores > 0 : estimatedCores <= this.#freeCores + TOLERANCE_CORES) return;
    const size = source && sizeInForm(source.size, form);
    const what = size === undefined ? 'the picture' : `a picture of ${size.width}x${size.height}`;
    throw limit(`${what} can not be made now`, { estimatedCores }, this.#freeCores);
  }

  get #freeCores(): number {
    const budget = this.#deps.converter?.budget?.();
    return budget === undefined ? Number.POSITIVE_INFINITY : Math.max(0, budget.limitCores - budget.usedCores);
  }

  #offer(stream: Stream, quality: Quality): Offer {
    const { form, acceptance } = quality;
    if (form === undefined) return { ...quality, estimatedCores: 0, besidesOthers: 0, isPaid: true };
    const target = { codec: 'h264', picture: form } as const;
    return {
      ...quality,
      estimatedCores: this.#estimate(stream, target),
      besidesOthers: this.#estimate(stream, target, true),
      isPaid: this.#runs(stream, acceptance),
    };
  }

  /** The stream stands for itself towards the converter: what it is decoded for already need not be paid again. */
  #estimate(stream: Stream, target: ConversionTarget, feed: object | true = stream): number {
    const { video } = stream.state;
    return video === undefined ? 0 : (this.#deps.converter?.estimate?.(video, target, feed) ?? 0);
  }

  /** True while that picture is being made: its cost is among what is used. */
  #runs(stream: Stream, acceptance: Quality['acceptance']): boolean {
    const running = this.#deps.adaptations.conversionFor(stream, 'video', acceptance);
    return running !== undefined && running.failure === undefined;
  }

  /** What all of it together leaves room for: the costliest goes first. */
  #affordable(offers: readonly Offer[], freeCores = this.#freeCores): { kept: Offer[]; dropped: Offer[] } {
    const { converter } = this.#deps;
    const kept = [...offers];
    const dropped: Offer[] = [];
    const free = Math.max(0, freeCores) + TOLERANCE_CORES;
    for (;;) {
      const open = kept.filter(({ isPaid }) => !isPaid);
      if (together(open) <= free || converter === undefined) return { kept, dropped };
      const costliest = open.reduce((most, one) => (one.estimatedCores > most.estimatedCores ? one : most));
      kept.splice(kept.indexOf(costliest), 1);
      dropped.push(costliest);
    }
  }
}

/** Processor cores that qualities take together. */
function together(offers: readonly Offer[]): number {
  const decoding = Math.max(0, ...offers.map(({ estimatedCores, besidesOthers }) => estimatedCores - besidesOthers));
  return offers.reduce((sum, { besidesOthers }) => sum + besidesOthers, decoding);
}

function renditionOf(offer: Offer): Rendition {
  const { name, acceptance, original, size, bandwidthBps, fps, estimatedCores } = offer;
  return { name, acceptance, original, size, bandwidthBps, fps, estimatedCores };
}

/** By size; of the same size what goes through, then what has more bits. */
function bestFirst(one: Offer, other: Offer): number {
  const pixels = other.size.width * other.size.height - one.size.width * one.size.height;
  return pixels || Number(other.original) - Number(one.original) || other.bandwidthBps - one.bandwidthBps;
}

function limit(what: string, offer: { readonly estimatedCores: number } | undefined, freeCores: number) {
  const advice = 'ask for a smaller picture, for the stream as it is, or raise transcoder_max_cores';
  return new MediaServerError(
    'TRANSCODING_LIMIT',
    `${what}: ${cost(offer?.estimatedCores ?? 0, freeCores)}; ${advice}`,
  );
}

function manyForms() {
  const advice =
    'ask for a size and bitrate that others have too, for the stream as it is, or raise transcoder_max_cores';
  return new MediaServerError('TRANSCODING_LIMIT', `pictures are made in as many forms as can be; ${advice}`);
}

function cost(estimatedCores: number, freeCores: number): string {
  return `it takes about ${estimatedCores.toFixed(2)} processor cores, and ${freeCores.toFixed(2)} are free`;
}
