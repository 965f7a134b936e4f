import type { MediaSession, RateMeter, SessionRegistry, Stream, StreamRegistry } from '../../core/index.ts';
import { HISTORY_INTERVAL_MS } from './sample-ring.ts';
import { type Described, describeAll, droppedPackets } from './session-samples.ts';
import { StreamHistory } from './stream-history.ts';

/** Streams that are published while this many have a history get none; bounds all histories together to 25 MB. */
const MAX_HISTORIES = 2000;

interface Entry {
  readonly history: StreamHistory;
  readonly video: Mark;
  readonly audio: Mark;
  /** Packets that did not go through since the publication began. */
  drops: number;
}

/** Packets that did not go through: kept back in the server, or lost by the network. */
interface Failures {
  readonly drops: number;
  readonly lost: number;
}

const NO_FAILURES: Failures = { drops: 0, lost: 0 };

/** Where a meter stood at the last sample. */
interface Mark {
  packets: number;
  bytes: number;
}

/** Notes once a second how each live stream goes, for the console's charts; forgets it when the publication is over. */
export class StreamHistories {
  readonly #streams: StreamRegistry;
  readonly #sessions: SessionRegistry;
  readonly #maxHistories: number;
  readonly #entries = new Map<Stream, Entry>();
  /** What of each session had not gone through at the last sample; goes with the session. */
  readonly #noted = new WeakMap<MediaSession, Failures>();
  #listeners: readonly Disposable[] = [];
  #sampledMs = 0;

  constructor(streams: StreamRegistry, sessions: SessionRegistry, maxHistories = MAX_HISTORIES) {
    this.#streams = streams;
    this.#sessions = sessions;
    this.#maxHistories = maxHistories;
  }

  /** Begins with the streams that are live and follows those that come and go. Once. */
  start(): void {
    this.#listeners = [
      this.#streams.events.on('published', (stream) => this.#begin(stream)),
      this.#streams.events.on('unpublished', (stream) => void this.#entries.delete(stream)),
    ];
    for (const stream of this.#streams.all()) if (stream.live) this.#begin(stream);
  }

  /** Streams that have a history. */
  get size(): number {
    return this.#entries.size;
  }

  of(stream: Stream): StreamHistory | undefined {
    return this.#entries.get(stream)?.history;
  }

  /** Packets that did not go through since the publication began, over publisher and viewers. */
  dropsOf(stream: Stream): number {
    return this.#entries.get(stream)?.drops ?? 0;
  }

  /** Takes one sample of each stream. `nowMs` is monotonic, `wallMs` the time of day. */
  sample(nowMs: number, wallMs: number, sessions: readonly Described[] = describeAll(this.#sessions)): void {
    const elapsedMs = this.#sampledMs === 0 ? HISTORY_INTERVAL_MS : nowMs - this.#sampledMs;
    if (elapsedMs <= 0) return;
    this.#sampledMs = nowMs;
    const failures = this.#newFailures(sessions);
    for (const [stream, entry] of this.#entries) {
      const { drops, lost } = failures.get(stream.name) ?? NO_FAILURES;
      entry.drops += drops;
      const video = advance(entry.video, stream.videoRate);
      const audio = advance(entry.audio, stream.audioRate);
      entry.history.push(wallMs, {
        videoBitsPerSecond: (video.bytes * 8000) / elapsedMs,
        audioBitsPerSecond: (audio.bytes * 8000) / elapsedMs,
        framesPerSecond: (video.packets * 1000) / elapsedMs,
        drops,
        lost,
        viewers: stream.viewers,
        gopMs: stream.videoRate.sinceKeyFrameUs / 1000,
        keyFrameIntervalMs: stream.videoRate.keyFrameIntervalUs / 1000,
        longestGapMs: stream.arrivals.takeLongestGapMs(nowMs),
      });
    }
  }

  /** Forgets all. Idempotent. */
  close(): void {
    for (const listener of this.#listeners) listener[Symbol.dispose]();
    this.#entries.clear();
  }

  #begin(stream: Stream): void {
    if (this.#entries.size >= this.#maxHistories) return;
    const { videoRate, audioRate } = stream;
    this.#entries.set(stream, {
      history: new StreamHistory(Date.now()),
      video: { packets: videoRate.packets, bytes: videoRate.bytes },
      audio: { packets: audioRate.packets, bytes: audioRate.bytes },
      drops: 0,
    });
  }

  /** What did not go through since the last sample, by stream name. */
  #newFailures(sessions: readonly Described[]): ReadonlyMap<string, Failures> {
    const byStream = new Map<string, Failures>();
    for (const { session, description } of sessions) {
      const { streamName, drops, lostPackets = 0 } = description;
      const now = { drops: droppedPackets(drops), lost: lostPackets };
      if (now.drops === 0 && now.lost === 0) continue;
      const before = this.#noted.get(session) ?? NO_FAILURES;
      // A loss that came late after all makes a number smaller.
      const added = { drops: Math.max(0, now.drops - before.drops), lost: Math.max(0, now.lost - before.lost) };
      this.#noted.set(session, { drops: Math.max(now.drops, before.drops), lost: Math.max(now.lost, before.lost) });
      const sum = byStream.get(streamName) ?? NO_FAILURES;
      byStream.set(streamName, { drops: sum.drops + added.drops, lost: sum.lost + added.lost });
    }
    return byStream;
  }
}

/** What a meter has counted since the mark, which is moved. */
function advance(mark: Mark, { packets, bytes }: RateMeter): Mark {
  const moved = { packets: packets - mark.packets, bytes: bytes - mark.bytes };
  mark.packets = packets;
  mark.bytes = bytes;
  return moved;
}
