import { streamPayloadType, type Track } from '@sluice/media';
import {
  type Acceptance,
  type Adaptations,
  type AdaptedStream,
  type PushAttempt,
  playerAcceptance,
  type Stream,
} from '../../../core/index.ts';
import type { RtspRelayOptions } from './options.ts';

/** A stream with one track is believed to have no other after so much of it, or so long. */
const SECOND_TRACK_WAIT_MS = 500;
/** Conversions take a while to begin. */
const CONVERSION_WAIT_MS = 3000;

const KINDS = ['video', 'audio'] as const;

/** The form of a stream that is pushed, and which tracks it has. */
export class PushSource {
  readonly #lease: AdaptedStream;
  readonly #acceptance: Acceptance;
  readonly #startedMs = performance.now();
  #firstTrackMs = Number.NaN;

  constructor(
    attempt: Pick<PushAttempt, 'source' | 'options'>,
    deps: { readonly adaptations: Adaptations; readonly relay: RtspRelayOptions },
  ) {
    const { pushVideoCodecs, pushAudioCodecs } = deps.relay;
    const { without } = attempt.options;
    this.#acceptance = playerAcceptance({
      video: new Set(without === 'video' ? [] : pushVideoCodecs),
      audio: new Set(without === 'audio' ? [] : pushAudioCodecs),
    });
    this.#lease = deps.adaptations.lease(attempt.source, this.#acceptance);
  }

  /** What is read and sent. */
  get stream(): Stream {
    return this.#lease.stream;
  }

  /** The tracks to announce, picture first; undefined while it is too early to tell. */
  tracks(nowMs: number): readonly Track[] | undefined {
    const { stream, source, leftOut } = this.#lease;
    const tracks = KINDS.map((kind) => stream.state[kind]).filter((track) => track !== undefined);
    if (tracks.length === 0) return undefined;
    if (Number.isNaN(this.#firstTrackMs)) this.#firstTrackMs = nowMs;
    const missing = KINDS.filter((kind) => this.#wants(kind) && stream.state[kind] === undefined);
    const coming = missing.some((kind) => source.state[kind] !== undefined && leftOut[kind] === undefined);
    const settled = nowMs - this.#firstTrackMs > SECOND_TRACK_WAIT_MS || stream.publisher?.tracksComplete === true;
    const patient = coming ? nowMs - this.#startedMs < CONVERSION_WAIT_MS : !settled && missing.length > 0;
    return patient && !this.#hasRun(stream, coming) ? undefined : tracks.filter((track) => this.takes(track));
  }

  /** True for a track that can be sent. */
  takes(track: Track): boolean {
    const { video, audio } = this.#acceptance;
    const wanted: ReadonlySet<string> = track.kind === 'video' ? video : audio;
    return wanted.has(track.codec) && streamPayloadType(track) !== undefined;
  }

  /** What is left out and why, for people. */
  notes(): readonly string[] {
    const { stream, leftOut } = this.#lease;
    const converted = Object.entries(leftOut).map(([kind, reason]) => `${kind} is left out: ${reason}`);
    const unfit = KINDS.map((kind) => stream.state[kind])
      .filter((track) => track !== undefined && this.#wants(track.kind) && !this.takes(track))
      .map((track) => `${track?.kind} "${track?.codec}" is left out: it can not be converted`);
    return [...converted, ...unfit];
  }

  /** Lets the stream go. Idempotent. */
  close(): void {
    this.#lease[Symbol.dispose]();
  }

  #wants(kind: Track['kind']): boolean {
    return this.#acceptance[kind].size > 0;
  }

  /** A stream whose one track has run for a while by itself need not be waited for. */
  #hasRun({ log }: Stream, coming: boolean): boolean {
    const first = log.at(log.start);
    const last = log.at(log.end - 1);
    if (coming || first === undefined || last === undefined) return false;
    return last.dtsUs - first.dtsUs > SECOND_TRACK_WAIT_MS * 1000;
  }
}
