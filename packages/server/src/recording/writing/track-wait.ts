import type { MediaPacket, Track } from '@sluice/media';
import { KeyFrameRetry, type Reader, type Stream } from '../../core/index.ts';
import type { Cursor } from './intake.ts';

/** What a stream turned out to have, and where its recording begins. */
export interface FoundTracks {
  readonly kinds: ReadonlySet<Track['kind']>;
  readonly from: Cursor;
}

export interface TrackWaitParts {
  readonly source: Stream;
  /** `oldest`: with all that the stream keeps. `gop`: at its newest key frame. */
  readonly startAt: 'oldest' | 'gop';
  /** So many packets of sound are kept that come before the first picture. */
  readonly audioPackets: number;
  onFound(found: FoundTracks): void;
}

/** So long the second kind of track is waited for, of media or of time. */
const WAIT_MS = 2000;
/** So long a key frame is waited for when there are pictures. */
const KEY_FRAME_WAIT_MS = 30_000;

/**
 * Looks at the first packets of a stream, which stay in its log, until it is known whether it has picture and sound: at
 * once when it has both, else after a while.
 */
export class TrackWait {
  readonly #parts: TrackWaitParts;
  readonly #reader: Reader;
  readonly #keyFrames = new KeyFrameRetry();
  /** Times of sound, of as many packets as are kept of what came before the first picture. */
  #audioUs: number[] = [];
  #firstAudioUs: number | undefined;
  #keyUs: number | undefined;
  #hasPictures = false;
  #firstUs = Number.NaN;
  #newestUs = 0;
  #firstMs = 0;
  #closed = false;

  constructor(parts: TrackWaitParts) {
    const { source, startAt } = parts;
    this.#parts = parts;
    const { start, end, lastStartPoint } = source.log;
    const gop = lastStartPoint >= 0 ? lastStartPoint : end;
    this.#reader = source.attach({
      startAt: startAt === 'oldest' ? start : gop,
      onReadable: () => this.#drain(),
      onEnd: () => this.close(),
    });
  }

  /** Looks at what is there already. To be called once, when the owner knows this object. */
  begin(): void {
    this.#drain();
  }

  /** To be called a few times a second. */
  tick(nowMs: number): void {
    if (!Number.isNaN(this.#firstUs)) this.#judge(nowMs);
  }

  /** What is known at this moment; undefined when nothing can be recorded yet. */
  found(): FoundTracks | undefined {
    const kinds = new Set<Track['kind']>();
    if (this.#keyUs !== undefined) kinds.add('video');
    if (this.#firstAudioUs !== undefined) kinds.add('audio');
    if (kinds.size === 0) return undefined;
    // Without a picture there is nothing that the sound came too early for.
    const [oldestKeptUs] = this.#keyUs === undefined ? [this.#firstAudioUs] : this.#audioUs;
    const audioUs = oldestKeptUs ?? Number.NEGATIVE_INFINITY;
    return { kinds, from: { videoUs: this.#keyUs ?? Number.NEGATIVE_INFINITY, audioUs } };
  }

  /** Looks no more. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#reader.close();
  }

  #drain(): void {
    while (!this.#closed) {
      const entry = this.#reader.read();
      if (entry === undefined) return;
      this.#look(entry.packet);
      this.#judge(performance.now());
    }
  }

  #look({ track, key, dtsUs }: MediaPacket): void {
    if (Number.isNaN(this.#firstUs)) {
      this.#firstUs = dtsUs;
      this.#firstMs = performance.now();
    }
    this.#newestUs = dtsUs;
    if (track.kind === 'audio') {
      this.#firstAudioUs ??= dtsUs;
      if (this.#keyUs !== undefined && this.#audioUs.length > 0) return;
      this.#audioUs.push(dtsUs);
      if (this.#audioUs.length > this.#parts.audioPackets) this.#audioUs.shift();
      return;
    }
    if (this.#keyUs !== undefined) return;
    this.#hasPictures = true;
    if (key) this.#keyUs = dtsUs;
    else this.#keyFrames.ask(this.#parts.source);
  }

  #judge(nowMs: number): void {
    const found = this.found();
    if (this.#closed || found === undefined) return;
    const waitedMs = Math.max(nowMs - this.#firstMs, (this.#newestUs - this.#firstUs) / 1000);
    const patienceMs = this.#hasPictures && this.#keyUs === undefined ? KEY_FRAME_WAIT_MS : WAIT_MS;
    if (found.kinds.size < 2 && waitedMs < patienceMs) return;
    this.close();
    this.#parts.onFound(found);
  }
}
