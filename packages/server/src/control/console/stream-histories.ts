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
  /** Drops of each session at the last sample; goes with the session. */
  readonly #sessionDrops = new WeakMap<MediaSession, number>();
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
    const drops = this.#newDrops(sessions);
    for (const [stream, entry] of this.#entries) {
      const dropped = drops.get(stream.name) ?? 0;
      entry.drops += dropped;
      const video = advance(entry.video, stream.videoRate);
      const audio = advance(entry.audio, stream.audioRate);
      entry.history.push(wallMs, {
        videoBitsPerSecond: (video.bytes * 8000) / elapsedMs,
        audioBitsPerSecond: (audio.bytes * 8000) / elapsedMs,
        framesPerSecond: (video.packets * 1000) / elapsedMs,
        drops: dropped,
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

  /** Drops since the last sample by stream name. */
  #newDrops(sessions: readonly Described[]): ReadonlyMap<string, number> {
    const byStream = new Map<string, number>();
    for (const { session, description } of sessions) {
      const { streamName, drops } = description;
      const sum = droppedPackets(drops);
      if (sum === 0) continue;
      const added = sum - (this.#sessionDrops.get(session) ?? 0);
      if (added <= 0) continue;
      this.#sessionDrops.set(session, sum);
      byStream.set(streamName, (byStream.get(streamName) ?? 0) + added);
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
