import type { Acceptance, AdaptedStream, RtpLane, Stream, StreamLayer } from '../../../core/index.ts';
import type { PlayedMedia } from './played-media.ts';
import { formatFor, type KeyFrameOrigin, type PlayedSource } from './track-source.ts';

/** What a picture is taken from: a stream in a form that the player takes, or one of the publisher's own encodings. */
export type PictureTarget = { readonly acceptance: Acceptance } | { readonly layer: StreamLayer };

/** One of the encodings of a publisher (simulcast): it is wanted of the publisher until this is disposed of. */
export class LayerSource implements PlayedSource {
  readonly layer: StreamLayer;
  readonly origin: KeyFrameOrigin;
  readonly stream: Stream;
  readonly #acceptance: Acceptance;
  readonly #codecs: PlayedMedia['codecs'];
  readonly #watch: Disposable;

  constructor(
    layer: StreamLayer,
    of: { readonly stream: Stream; readonly acceptance: Acceptance },
    media: PlayedMedia,
  ) {
    this.layer = layer;
    this.stream = of.stream;
    this.#acceptance = of.acceptance;
    this.#codecs = media.codecs;
    this.origin = { canRequestKeyFrame: true, requestKeyFrame: () => layer.requestKeyFrame() };
    this.#watch = layer.watch();
  }

  get lost(): string | undefined {
    if (!this.stream.layers.includes(this.layer)) return 'the publisher does not send it any more';
    const { format } = this.layer.lane;
    if (format === undefined || formatFor(this.#codecs, format) !== undefined) return undefined;
    return 'the player does not take its codec';
  }

  laneFor(): RtpLane {
    return this.layer.lane;
  }

  formOf(): Omit<AdaptedStream, typeof Symbol.dispose> {
    return { stream: this.stream, source: this.stream, acceptance: this.#acceptance, leftOut: {} };
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }
}
