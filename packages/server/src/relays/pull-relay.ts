import {
  type Publisher,
  publisherFacts,
  type RelayEnd,
  type RelayEvents,
  type RelayLink,
  type SessionFacts,
  type Stream,
} from '../core/index.ts';
import { Relay, type RelayEnv, type RelaySpec } from './relay.ts';
import { sourceError, sourceWords } from './source-errors.ts';

/** A viewer that asked by an address may take so long to begin, milliseconds. */
const FIRST_VIEWER_MS = 30_000;

/** The publisher of a stream whose media comes from another server, for as long as it is wanted here. */
export class PullRelay extends Relay {
  readonly stream: Stream;
  readonly muted = false;
  readonly sound = undefined;
  readonly #publisher: Publisher;
  readonly #first: Promise<Stream>;
  #onFirst: (result: Stream | Error) => void = () => {};
  #watchedMs = performance.now();
  #wasWatched = false;

  /** @throws MediaServerError STREAM_NAME_BUSY, STREAM_NAME_INVALID or STREAM_LIMIT */
  constructor(env: RelayEnv, spec: RelaySpec) {
    super(env, spec);
    const { protocol, appKey, record } = spec;
    this.#publisher = {
      sessionId: this.sessionId,
      recording: { mediaSessionId: this.mediaSessionId, login: protocol.protocol, appKey, wanted: record },
      close: (reason) => this.close(reason),
    };
    this.#first = new Promise((resolve, reject) => {
      this.#onFirst = (result) => (result instanceof Error ? reject(result) : resolve(result));
    });
    // Nobody need wait for it.
    this.#first.catch(() => {});
    this.stream = env.deps.streams.publish(spec.streamName, this.#publisher);
  }

  /** The stream once it has media for the first time. Rejects with a MediaServerError SOURCE_… when that can't be had. */
  get first(): Promise<Stream> {
    return this.#first;
  }

  /** True while it may turn out that there is nothing to be had. */
  get starting(): boolean {
    return !this.over && !this.supervision.hasWorked;
  }

  override tick(nowMs: number): void {
    super.tick(nowMs);
    if (this.spec.origin === 'viewer' && !this.over) this.#checkViewers(nowMs);
  }

  explain(): SessionFacts {
    return { media: publisherFacts(this.stream) };
  }

  protected get has() {
    const { video, audio } = this.stream.state;
    return { video: video !== undefined, audio: audio !== undefined };
  }

  protected connect(events: RelayEvents): RelayLink {
    const { pull } = this.spec.protocol;
    if (pull === undefined) throw new Error(`${this.spec.protocol.protocol} can not be pulled`);
    return pull.call(this.spec.protocol, { ...this.attempt(events), stream: this.stream });
  }

  protected onLink(): void {
    this.#takeKeyFrameRequests();
  }

  protected onConnected(again: boolean): void {
    // Some links know only now whether the other side can be asked.
    this.#takeKeyFrameRequests();
    if (again) this.stream.beginAnew();
  }

  protected onMedia(): void {
    this.#onFirst(this.stream);
  }

  protected givenUp(end: RelayEnd): string {
    this.#onFirst(sourceError(this.spec.target, end));
    return sourceWords(this.spec.target, end.code);
  }

  protected onOver(reason: string): void {
    this.#onFirst(sourceError(this.spec.target, { code: 'closed', message: reason }));
    this.env.deps.streams.end(this.stream, reason);
  }

  /** Viewers look whether there is a means for it at all. */
  #takeKeyFrameRequests(): void {
    if (this.link?.requestKeyFrame === undefined) delete this.#publisher.requestKeyFrame;
    else this.#publisher.requestKeyFrame = () => this.link?.requestKeyFrame?.();
  }

  /**
   * Recorders that somebody started count, although they have no viewers. One that the settings start for every camera
   * does not: it would keep each camera that was ever looked at for good.
   */
  #checkViewers(nowMs: number): void {
    if (this.starting) {
      this.#watchedMs = nowMs;
      return;
    }
    if (this.stream.viewers > 0 || (!this.spec.record && this.stream.readerCount > 0)) {
      this.#wasWatched = true;
      this.#watchedMs = nowMs;
      return;
    }
    const { byNameIdleTimeoutMs } = this.env.options;
    const patienceMs = this.#wasWatched ? byNameIdleTimeoutMs : Math.max(byNameIdleTimeoutMs, FIRST_VIEWER_MS);
    if (nowMs - this.#watchedMs > patienceMs) this.close('nobody watches');
  }
}
