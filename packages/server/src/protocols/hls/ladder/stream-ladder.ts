import {
  type Acceptance,
  type Adaptations,
  type AdaptedStream,
  type Counters,
  type Ladder,
  type Log,
  MediaServerError,
  type Rendition,
  type Renditions,
  type Stream,
} from '../../../core/index.ts';
import type { HlsOptions } from '../options.ts';
import { HlsPackager } from '../packager.ts';
import type { HlsTrack, RenditionReport } from '../position.ts';
import type { HlsLadder, HlsVariant } from './ladder.ts';
import { AUDIO_NAME, renderLadderMaster, variantUri } from './master.ts';
import { SegmentTimeline } from './segment-timeline.ts';

export interface StreamLadderDeps {
  readonly adaptations: Adaptations;
  readonly renditions: Renditions;
  readonly log: Log;
  readonly counters: Counters;
}

/** A quality that nobody has asked for, for this long, is not made any more, milliseconds. */
const IDLE_MS = 15_000;
/** One that was given up, as the machine did not keep up with it, is not begun again before that, milliseconds. */
const RETRY_MS = 10_000;

interface Running {
  readonly rendition: Rendition;
  readonly lease: AdaptedStream;
  readonly packager: HlsPackager;
  requestedMs: number;
}

/** The ladder of one stream; see {@link HlsLadder}. */
export class StreamLadder implements HlsLadder {
  readonly streamName: string;
  readonly source: Stream;
  readonly ladder: Ladder;
  readonly leader: HlsPackager;
  readonly #deps: StreamLadderDeps;
  readonly #options: HlsOptions;
  readonly #timeline = new SegmentTimeline();
  readonly #leading: Running;
  readonly #followers = new Map<string, Running>();
  /** Qualities that were given up: until when, and why. */
  readonly #givenUp = new Map<string, { readonly untilMs: number; readonly reason: string }>();
  #requestedMs = performance.now();
  /** When its end was noticed, monotonic milliseconds. */
  #endedMs: number | undefined;

  constructor(source: Stream, ladder: Ladder, deps: StreamLadderDeps, options: HlsOptions) {
    this.source = source;
    this.streamName = source.name;
    this.ladder = ladder;
    this.#deps = deps;
    // Nobody goes back in a ladder: its qualities begin when they are asked for.
    this.#options = { ...options, dvrWindowMs: 0 };
    const first = ladder.renditions.find(({ original }) => original) ?? ladder.renditions[0];
    if (first === undefined) throw new RangeError('a ladder without qualities');
    const lease = this.#lease(first.acceptance);
    const packager = new HlsPackager(
      { ...deps, stream: lease.stream, form: 'split', timeline: this.#timeline, leftOut: () => lease.leftOut },
      this.#options,
    );
    this.#leading = { rendition: first, lease, packager, requestedMs: this.#requestedMs };
    this.leader = packager;
  }

  /** Begins with the quality that says where segments end. */
  start(): void {
    this.leader.start();
    const renditions = this.ladder.renditions.map(({ name }) => name);
    this.#deps.log.info(
      { stream: this.streamName, renditions, leader: this.#leading.rendition.name },
      'ladder started',
    );
    for (const note of this.ladder.notes) this.#deps.log.info({ stream: this.streamName }, note);
  }

  /** The packager that leads, with what it packages. */
  get leading(): { readonly packager: HlsPackager; readonly lease: AdaptedStream } {
    return this.#leading;
  }

  /** Names of the qualities that run. */
  get running(): readonly string[] {
    return [this.#leading.rendition.name, ...this.#followers.keys()];
  }

  /** True when every viewer had the time to see the end. */
  get isOver(): boolean {
    return this.#endedMs !== undefined && performance.now() - this.#endedMs > this.leader.targetSeconds * 3000;
  }

  touch(nowMs: number): void {
    this.#requestedMs = nowMs;
  }

  masterPlaylist(query: string): string {
    const { content } = this.leader;
    return renderLadderMaster({
      variants: this.ladder.renditions.map((rendition) => ({
        rendition,
        content: this.#runningOf(rendition.name)?.packager.content,
      })),
      audioCodec: content.audio,
      audioChannels: undefined,
      query,
    });
  }

  open(name: string, nowMs: number): HlsVariant | undefined {
    const present = this.find(name, nowMs);
    if (present !== undefined) return present;
    const rendition = this.ladder.renditions.find((one) => one.name === name);
    if (rendition === undefined || this.leader.ended) return undefined;
    this.#admit(rendition, nowMs);
    const lease = this.#lease(rendition.acceptance);
    const leader = { packager: this.leader, timeline: this.#timeline };
    const packager = new HlsPackager(
      { ...this.#deps, stream: lease.stream, form: 'split', follows: leader, leftOut: () => lease.leftOut },
      this.#options,
    );
    this.#followers.set(name, { rendition, lease, packager, requestedMs: nowMs });
    packager.start();
    this.#deps.log.info({ stream: this.streamName, rendition: name }, 'quality started');
    return this.find(name, nowMs);
  }

  find(name: string, nowMs: number): HlsVariant | undefined {
    this.#requestedMs = nowMs;
    if (name === AUDIO_NAME) return this.#variant(name, this.leader, 'audio');
    const running = this.#runningOf(name);
    if (running === undefined) return undefined;
    running.requestedMs = nowMs;
    return this.#variant(name, running.packager, 'video');
  }

  /** Ends qualities that nobody asks for; true when the ladder is over itself. */
  sweep(nowMs: number): boolean {
    this.leader.checkRefusal();
    if (this.leader.ended) this.#endedMs ??= nowMs;
    for (const [name, running] of this.#followers) {
      running.packager.checkRefusal();
      if (lossOf(running) !== undefined) {
        this.#giveUp(name, running, nowMs);
        continue;
      }
      if (nowMs - running.requestedMs <= Math.max(IDLE_MS, running.packager.targetSeconds * 3000)) continue;
      this.#followers.delete(name);
      close(running);
      this.#deps.log.info({ stream: this.streamName, rendition: name }, 'quality stopped');
    }
    // Nothing can be cut without it: another ladder is made of what can be had.
    if (lossOf(this.#leading) !== undefined && !this.#leading.rendition.original) return true;
    const patienceMs = this.#leading.rendition.original ? this.#options.providerTimeoutMs : IDLE_MS;
    return nowMs - this.#requestedMs > (this.leader.ended ? this.#options.endedKeepMs : patienceMs);
  }

  /** Ends all of it. Idempotent. */
  close(): void {
    for (const running of this.#followers.values()) close(running);
    this.#followers.clear();
    close(this.#leading);
  }

  #lease(acceptance: Acceptance): AdaptedStream {
    return this.#deps.adaptations.lease(this.source, acceptance, { steady: true });
  }

  /** Others may have begun since the ladder was made: what can't be made beside them is refused at once. */
  #admit({ name, acceptance, original }: Rendition, nowMs: number): void {
    const given = this.#givenUp.get(name);
    if (given !== undefined && nowMs < given.untilMs) {
      const seconds = Math.ceil((given.untilMs - nowMs) / 1000);
      const message = `quality ${name} was given up: ${given.reason}; ask for another one, or again in ${seconds} s`;
      throw new MediaServerError('TRANSCODING_LIMIT', message);
    }
    this.#givenUp.delete(name);
    const form = acceptance.videoOutput;
    if (!original && form !== undefined) this.#deps.renditions.admit(this.source, form);
  }

  /** Players would wait for its next segment for ever; who asks anew is told, or gets it when there is room again. */
  #giveUp(name: string, running: Running, nowMs: number): void {
    const reason = lossOf(running) ?? '';
    this.#followers.delete(name);
    this.#givenUp.set(name, { untilMs: nowMs + RETRY_MS, reason });
    close(running);
    this.#deps.log.warn({ stream: this.streamName, rendition: name, reason }, 'quality given up');
  }

  #runningOf(name: string): Running | undefined {
    return name === this.#leading.rendition.name ? this.#leading : this.#followers.get(name);
  }

  #variant(name: string, packager: HlsPackager, track: HlsTrack): HlsVariant {
    return { name, packager, track, reports: () => this.#reportsFor(name) };
  }

  /** What the others have come to (RFC 8216bis §4.4.5.4). */
  #reportsFor(name: string): RenditionReport[] {
    const packagers = new Map<string, HlsPackager>();
    for (const other of this.running) {
      const running = this.#runningOf(other);
      if (running !== undefined) packagers.set(other, running.packager);
    }
    if (this.leader.content.audio !== undefined) packagers.set(AUDIO_NAME, this.leader);
    packagers.delete(name);
    const reports: RenditionReport[] = [];
    for (const [other, packager] of packagers) {
      const place = packager.reported();
      if (place !== undefined) reports.push({ uri: `../${variantUri(other)}`, ...place });
    }
    return reports;
  }
}

/** Why there is no picture in it; undefined when there is or may be. */
function lossOf({ lease }: Running): string | undefined {
  return lease.leftOut.video;
}

function close({ packager, lease }: Running): void {
  packager.close();
  lease[Symbol.dispose]();
}
