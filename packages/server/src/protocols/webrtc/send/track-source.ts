import type { Track } from '@sluice/media';
import type {
  Acceptance,
  Adaptations,
  AdaptedStream,
  RtpLane,
  RtpLaneFormat,
  Stream,
  StreamLayer,
} from '../../../core/index.ts';
import type { LaneLease, LanePackagers } from '../../../rtp/index.ts';
import type { PlayedCodec } from './played-media.ts';
import type { SendFormat } from './send-format.ts';

/** A stream in a form that a player takes: the source while it takes all of that, a derived one from then on. */
export class SourceLease implements Disposable {
  readonly source: Stream;
  readonly acceptance: Acceptance;
  /** Called when it has gone over to another stream. */
  onChanged: () => void = () => {};
  readonly #adaptations: Adaptations;
  #adapted: AdaptedStream;
  #over = false;

  constructor(source: Stream, acceptance: Acceptance, adaptations: Adaptations) {
    this.source = source;
    this.acceptance = acceptance;
    this.#adaptations = adaptations;
    this.#adapted = this.#lease();
  }

  get adapted(): AdaptedStream {
    return this.#adapted;
  }

  /** Pictures that the player takes as they are do not wait for sound that is converted: they have the same times. */
  streamFor(kind: Track['kind']): Stream {
    const asItIs = kind === 'video' && this.#adaptations.needsConversion(this.source, this.acceptance).video === 'no';
    return asItIs ? this.source : this.#adapted.stream;
  }

  [Symbol.dispose](): void {
    this.#over = true;
    this.#adapted[Symbol.dispose]();
  }

  #lease(): AdaptedStream {
    return this.#adaptations.lease(this.source, this.acceptance, {
      onUnfit: () => {
        if (this.#over) return;
        const before = this.#adapted;
        this.#adapted = this.#lease();
        before[Symbol.dispose]();
        this.onChanged();
      },
    });
  }
}

/** Where one track of a player comes from. */
export interface PlayedSource extends Disposable {
  /** Who is asked for key frames of it; undefined before there is a lane. */
  readonly origin: KeyFrameOrigin | undefined;
  /** The stream that it is of. */
  readonly stream: Stream;
  /** Why it can't be had; undefined while it can. */
  readonly lost: string | undefined;
  /** The encoding of the publisher's that it is, when it is one of several. */
  readonly layer?: StreamLayer | undefined;
  /** The lane to follow at this moment; `current` is the one that is followed. */
  laneFor(current: RtpLane | undefined): RtpLane | undefined;
  /** In what form a player gets it who follows that lane. */
  formOf(lane: RtpLane | undefined): Omit<AdaptedStream, typeof Symbol.dispose>;
}

/** Who can be asked for a key frame. */
export interface KeyFrameOrigin {
  readonly canRequestKeyFrame: boolean;
  requestKeyFrame(): void;
}

/** The publisher's own packets, or packets made of frames. */
export class TrackSource implements PlayedSource {
  readonly lease: SourceLease;
  readonly #kind: Track['kind'];
  readonly #ownsLease: boolean;
  readonly #codecs: readonly PlayedCodec[];
  readonly #packagers: LanePackagers;
  /** The way to packetize that is used, when it is one of ours. */
  #packager: { readonly stream: Stream; readonly mode: 0 | 1; readonly lane: LaneLease } | undefined;
  #origin: Stream | undefined;

  constructor(
    lease: SourceLease,
    media: { readonly kind: Track['kind']; readonly codecs: readonly PlayedCodec[] },
    { packagers, sharesLease = false }: { readonly packagers: LanePackagers; readonly sharesLease?: boolean },
  ) {
    this.lease = lease;
    this.#ownsLease = !sharesLease;
    this.#kind = media.kind;
    this.#codecs = media.codecs;
    this.#packagers = packagers;
  }

  get origin(): Stream | undefined {
    return this.#origin;
  }

  get stream(): Stream {
    return this.lease.streamFor(this.#kind);
  }

  get lost(): string | undefined {
    return this.lease.adapted.leftOut[this.#kind];
  }

  /** The publisher's own packets where the player takes them; else packets made of frames, converted if need be. */
  laneFor(current: RtpLane | undefined): RtpLane | undefined {
    const { source, acceptance } = this.lease;
    const own = source.rtp[this.#kind];
    const isMade = this.#kind === 'video' && acceptance.videoOutput !== undefined;
    if (!isMade && own.format !== undefined && formatFor(this.#codecs, own.format) !== undefined) {
      this.#release();
      this.#origin = source;
      return own;
    }
    const stream = this.lease.streamFor(this.#kind);
    const codec = stream.state[this.#kind]?.codec;
    const played = this.#codecs.find((candidate) => candidate.codec === codec);
    if (played === undefined || (isMade && stream === source)) {
      // Until there is what can be played, nothing is better than what can't.
      if (this.#packager === undefined || this.#packager.stream === stream) return current;
      this.#release();
      return undefined;
    }
    const mode = played.packetizationMode ?? 1;
    if (this.#packager?.stream !== stream || this.#packager.mode !== mode) {
      this.#release();
      this.#packager = { stream, mode, lane: this.#packagers.lease(stream, this.#kind, mode) };
    }
    this.#origin = stream;
    return this.#packager.lane.lane;
  }

  /** Gives packets back that are of a stream which is not the right one any more. */
  releaseStale(): void {
    if (this.#packager !== undefined && this.#packager.stream !== this.lease.streamFor(this.#kind)) this.#release();
  }

  formOf(lane: RtpLane | undefined): Omit<AdaptedStream, typeof Symbol.dispose> {
    const { acceptance, adapted, source } = this.lease;
    const isOwn = lane !== undefined && lane === source.rtp[this.#kind];
    return isOwn || this.stream === source ? { stream: source, source, acceptance, leftOut: {} } : adapted;
  }

  /** Gives back its packets, and its lease unless others have that too. */
  [Symbol.dispose](): void {
    this.#release();
    if (this.#ownsLease) this.lease[Symbol.dispose]();
  }

  #release(): void {
    this.#packager?.lane[Symbol.dispose]();
    this.#packager = undefined;
  }
}

/** How packets of a lane are sent to a player that takes those codecs; undefined when it does not take them. */
export function formatFor(codecs: readonly PlayedCodec[], format: RtpLaneFormat): SendFormat | undefined {
  const { codec } = format.track;
  const mode = format.packetizationMode;
  // Who takes fragments and aggregates takes single units as well, but not the other way round.
  return (
    codecs.find((played) => played.codec === codec && (mode === undefined || played.packetizationMode === mode)) ??
    codecs.find((played) => played.codec === codec && (mode !== 1 || played.packetizationMode !== 0))
  );
}
