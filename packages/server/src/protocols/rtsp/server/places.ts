import type { Track } from '@sluice/media';
import {
  type Acceptance,
  type AdaptedStream,
  type FanOut,
  FanOuts,
  type ProtocolDeps,
  playerAcceptance,
  type Stream,
} from '../../../core/index.ts';
import { RtspFormat, type SentTrack } from './format.ts';
import type { RtspServerOptions } from './options.ts';
import { type StreamSource, StreamSources } from './stream-sources.ts';

/** A stream in a form that a player can take, with what it is told of it. */
export interface FoundStream {
  readonly lease: AdaptedStream;
  /** Video first. */
  readonly tracks: readonly Track[];
}

/** A viewer's place in what goes out of a stream; to be given back with `leave`. */
export interface RtspPlace {
  readonly fanOut: FanOut;
  readonly format: RtspFormat;
  readonly source: StreamSource;
  readonly lease: AdaptedStream;
}

/** All that goes out by RTSP: viewers of the same tracks on the same channels share the bytes. */
export class Places {
  readonly #deps: Pick<ProtocolDeps, 'adaptations' | 'counters'>;
  readonly #options: RtspServerOptions;
  readonly #acceptance: Acceptance;
  readonly #fanOuts: FanOuts;
  readonly #formats = new WeakMap<FanOut, RtspFormat>();
  readonly #sources = new StreamSources();

  constructor(deps: Pick<ProtocolDeps, 'adaptations' | 'counters'>, options: RtspServerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#acceptance = playerAcceptance({ video: options.videoCodecs, audio: options.audioCodecs });
    this.#fanOuts = new FanOuts({ flushIntervalMs: options.flushIntervalMs });
  }

  /** Lends a form of the stream that players take; steady, as they have a description that must go on to hold. */
  lease(stream: Stream): AdaptedStream {
    return this.#deps.adaptations.lease(stream, this.#acceptance, { steady: true });
  }

  /** True while something of the stream must be converted for players. */
  converts({ stream, source }: AdaptedStream): boolean {
    if (stream === source) return false;
    const { video, audio } = this.#deps.adaptations.needsConversion(source, this.#acceptance);
    return video === 'yes' || audio === 'yes';
  }

  /** The source that packets of that kind are from. */
  ssrcOf({ lease }: FoundStream, kind: Track['kind']): number {
    return this.#sources.of(lease.stream).ssrc[kind];
  }

  /** The place of a viewer who has set up these tracks. The lease stays the viewer's own. */
  enter({ lease }: FoundStream, tracks: readonly SentTrack[]): RtspPlace {
    const { stream } = lease;
    const source = this.#sources.of(stream);
    const made: { format?: RtspFormat } = {};
    const fanOut = this.#fanOuts.get(stream, variantOf(tracks), () => {
      made.format = this.#format(stream, tracks);
      return made.format;
    });
    const format = made.format ?? this.#formats.get(fanOut);
    if (format === undefined) throw new Error('a fan-out of another format');
    this.#formats.set(fanOut, format);
    return { fanOut, format, source, lease };
  }

  /** A viewer has left. */
  leave({ fanOut }: RtspPlace): void {
    this.#fanOuts.viewerLeft(fanOut);
  }

  /** Ends all. */
  close(): void {
    this.#fanOuts.close();
  }

  #format(stream: Stream, tracks: readonly SentTrack[]): RtspFormat {
    const { maxPayloadBytes, senderReportIntervalMs } = this.#options;
    return new RtspFormat({
      tracks,
      source: this.#sources.of(stream),
      maxPayloadBytes,
      senderReportIntervalMs,
      newestUs: () => stream.lastDtsUs,
      onBroken: () => this.#deps.counters.count('media_errors'),
    });
  }
}

/** Viewers with the same key share everything: they have the same tracks on the same channels. */
function variantOf(tracks: readonly SentTrack[]): string {
  const parts = tracks.map(({ track, channel }) => {
    const { kind, codec, clockRate, parameters } = track;
    const configuration = kind === 'audio' ? parameters.map((unit) => Buffer.from(unit).toString('hex')).join() : '';
    return `${kind} ${codec} ${clockRate} ${configuration} ${channel}`;
  });
  return parts.sort().join();
}
