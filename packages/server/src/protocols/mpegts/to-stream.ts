import { type MediaPacket, type Track, TsDemuxer, type TsDemuxerCounts } from '@sluice/media';
import { type Counters, type Stream, Timeline } from '../../core/index.ts';

/** Where a source's first time comes to be in a new stream: a track that begins a little earlier has room. */
const FIRST_TIME_US = 1_000_000;

export interface TsToStreamOptions {
  readonly counters: Counters;
  /** Times that jump forward by more than this, or back, go on from where the stream stands. */
  readonly maxTimestampDiffS: number;
  /** False for what is to be left out. */
  readonly hasVideo?: boolean | undefined;
  readonly hasAudio?: boolean | undefined;
  /** The first packet went into the stream; again after `beginAnew`. */
  onMedia?(): void;
  /** For people: what is left out, and why. The same text may come again after `beginAnew`. */
  onNote?(text: string): void;
}

/** Sums over all senders. */
export interface TsToStreamCounts extends Readonly<TsDemuxerCounts> {
  readonly bytes: number;
  /** Access units that went into the stream. */
  readonly published: number;
  /** Bytes that belong to no transport packet. */
  readonly junkBytes: number;
}

/**
 * Feeds a stream with the bytes of an MPEG transport stream. Belongs to the stream's publisher; the stream goes on where
 * its time stands. Never throws for what the bytes hold; keeps no view of them.
 */
export class TsToStream {
  readonly #stream: Stream;
  readonly #options: TsToStreamOptions;
  #demuxer: TsDemuxer;
  #timeline: Timeline;
  /** Taken off all times of the source. */
  #originUs: number | undefined;
  #lastDtsUs: Partial<Record<Track['kind'], number>> = {};
  #bytes = 0;
  #published = 0;
  /** Sums over the demuxers before this one. */
  #before: (TsDemuxerCounts & { junkBytes: number }) | undefined;
  #told = { bad: 0, broken: 0, breaks: 0 };
  #hasMedia = false;

  constructor(stream: Stream, options: TsToStreamOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#demuxer = this.#newDemuxer();
    this.#timeline = this.#newTimeline();
  }

  /** True once packets went into the stream since the last `beginAnew`. */
  get hasMedia(): boolean {
    return this.#hasMedia;
  }

  /** True while the bytes look like a transport stream. */
  get synchronised(): boolean {
    return this.#demuxer.synchronised;
  }

  get counts(): TsToStreamCounts {
    const sums = { ...this.#demuxer.counts, junkBytes: this.#demuxer.junkBytes };
    const before = this.#before;
    if (before !== undefined) for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += before[key];
    return { ...sums, bytes: this.#bytes, published: this.#published };
  }

  /** Takes bytes in order, cut anywhere. */
  push(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    this.#demuxer.push(bytes);
    this.#tell();
  }

  /** Bytes are missing before those that come next, and are known to be: what was begun is dropped. */
  lost(): void {
    this.#demuxer.lost();
  }

  /** Another sender follows, or the same one after it began anew: nothing of the old one concerns the new one. */
  beginAnew(): void {
    const { counts } = this;
    const { bytes: _, published: __, ...before } = counts;
    this.#before = before;
    this.#demuxer = this.#newDemuxer();
    this.#told = { bad: 0, broken: 0, breaks: 0 };
    this.#stream.beginAnew();
    this.#timeline = this.#newTimeline();
    this.#originUs = undefined;
    this.#lastDtsUs = {};
    this.#hasMedia = false;
  }

  /** Gives out the last access units: nothing follows. */
  end(): void {
    this.#demuxer.flush();
    this.#tell();
  }

  #newDemuxer(): TsDemuxer {
    const { hasVideo, hasAudio } = this.#options;
    return new TsDemuxer(
      {
        onTrack: (track) => this.#stream.setTrack(track),
        onPacket: (packet) => this.#publish(packet),
        onNote: (text) => this.#options.onNote?.(text),
      },
      { video: hasVideo, audio: hasAudio },
    );
  }

  #newTimeline(): Timeline {
    return new Timeline(this.#stream.lastDtsUs, Math.round(this.#options.maxTimestampDiffS * 1e6));
  }

  #publish(packet: MediaPacket): void {
    const { track } = packet;
    this.#originUs ??= packet.dtsUs - FIRST_TIME_US;
    const mappedUs = this.#timeline.map(packet.dtsUs - this.#originUs, track.id);
    const dtsUs = Math.max(mappedUs, this.#lastDtsUs[track.kind] ?? 0);
    const ptsUs = Math.max(0, mappedUs + packet.ptsUs - packet.dtsUs);
    this.#lastDtsUs[track.kind] = dtsUs;
    this.#published++;
    this.#stream.publish({ ...packet, ptsUs, dtsUs });
    if (this.#hasMedia) return;
    this.#hasMedia = true;
    this.#options.onMedia?.();
  }

  #tell(): void {
    const { counters } = this.#options;
    const { gaps, broken, brokenUnits } = this.#demuxer.counts;
    const { breaks } = this.#timeline;
    const told = this.#told;
    if (gaps + broken > told.bad) counters.count('mpegts_bad_packets', gaps + broken - told.bad);
    if (brokenUnits > told.broken) counters.count('media_errors', brokenUnits - told.broken);
    if (breaks > told.breaks) counters.count('source_clock_breaks', breaks - told.breaks);
    this.#told = { bad: gaps + broken, broken: brokenUnits, breaks };
  }
}
