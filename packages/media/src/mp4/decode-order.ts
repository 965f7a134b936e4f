import type { ByteSource } from '../file-plan.ts';
import { FragmentScanner } from './fragment-scanner.ts';
import type { FragmentSeeker } from './fragment-seeker.ts';
import { type Movie, type MovieTrack, mainTrack } from './movie.ts';
import type { RawSample } from './raw-sample.ts';
import { ReadAhead } from './read-ahead.ts';
import { TableCursor } from './table-cursor.ts';
import { mediaTimeAt, microseconds } from './track-time.ts';

/** Samples of a track that are taken from its tables at a time. */
const TABLE_BATCH = 256;
/** Samples that wait for other tracks to come up in the fragments that follow; about a minute of sound and picture. */
const MAX_WAITING = 8192;
/** Key frames that a search goes back over because they are shown after the time that is looked for. */
const MAX_KEYS_BACK = 64;

/** A sample with the track it belongs to, and its times in integer microseconds. */
export interface OrderedSample {
  /** Index in {@link Movie.tracks}. */
  readonly trackIndex: number;
  readonly raw: RawSample;
  readonly dtsUs: number;
  readonly ptsUs: number;
}

/** Where reading begins: presentation time of the key frame of the main track. */
interface Start {
  readonly trackIndex: number;
  readonly ptsUs: number;
}

/**
 * The samples of all tracks by ascending decoding time, from the tables in `moov` and from the fragments. Keeps
 * windows of the tables and the samples that wait for those of other tracks, nothing else.
 */
export class DecodeOrder {
  readonly #movie: Movie;
  readonly #lanes: Lane[];
  readonly #cursors: TableCursor[];
  readonly #scanner: FragmentScanner | undefined;
  #waiting = 0;

  constructor(source: ByteSource, movie: Movie) {
    this.#movie = movie;
    this.#lanes = movie.tracks.map((track, trackIndex) => new Lane(track, trackIndex));
    this.#cursors = movie.tracks.map(({ tables }) => new TableCursor(source, tables));
    this.#scanner = movie.isFragmented ? new FragmentScanner(new ReadAhead(source), movie) : undefined;
  }

  /**
   * Prepares reading from the last key frame that is shown at or before a time; from the very first samples when it is
   * not positive, or nothing is found. To be called once, first.
   */
  async start(fromUs: number, seeker: FragmentSeeker): Promise<void> {
    for (const [index, lane] of this.#lanes.entries()) lane.lead = (await this.#cursors[index]?.compositionLead()) ?? 0;
    const main = mainTrack(this.#movie);
    if (fromUs <= 0 || main < 0) return;
    const start = (await this.#seekFragments(fromUs, seeker)) ?? (await this.#seekTables(fromUs, main));
    if (start !== undefined) for (const lane of this.#lanes) lane.start = start;
  }

  /** The next sample, or undefined at the end. Synchronous most of the time. */
  next(): OrderedSample | undefined | Promise<OrderedSample | undefined> {
    for (const lane of this.#lanes) if (this.#isWanting(lane)) return this.#fillAndNext();
    return this.#take();
  }

  async #fillAndNext(): Promise<OrderedSample | undefined> {
    for (const lane of this.#lanes) while (this.#isWanting(lane)) await this.#fill(lane);
    return this.#take();
  }

  #isWanting(lane: Lane): boolean {
    return lane.isEmpty && !lane.isEnded && this.#waiting < MAX_WAITING;
  }

  #take(): OrderedSample | undefined {
    let earliest: Lane | undefined;
    let found: OrderedSample | undefined;
    for (const lane of this.#lanes) {
      const sample = lane.first;
      if (sample === undefined || (found !== undefined && found.dtsUs <= sample.dtsUs)) continue;
      earliest = lane;
      found = sample;
    }
    if (earliest === undefined) return undefined;
    this.#waiting -= 1;
    earliest.shift();
    return found;
  }

  async #fill(lane: Lane): Promise<void> {
    const samples = (await this.#cursors[lane.trackIndex]?.read(TABLE_BATCH)) ?? [];
    if (samples.length > 0) {
      this.#waiting += lane.push(samples);
      return;
    }
    const fragment = await this.#scanner?.next();
    if (fragment === undefined)
      for (const each of this.#lanes) each.isEnded ||= each === lane || this.#scanner !== undefined;
    for (const { trackIndex, samples: more } of fragment?.tracks ?? []) {
      this.#waiting += this.#lanes[trackIndex]?.push(more) ?? 0;
    }
  }

  async #seekTables(fromUs: number, main: number): Promise<Start | undefined> {
    const lane = this.#lanes[main];
    const cursor = this.#cursors[main];
    if (lane === undefined || cursor === undefined || cursor.count === 0) return undefined;
    const time = mediaTimeAt(lane.track.time, fromUs);
    let sample = await cursor.sampleAt(time + lane.lead);
    let start: Start | undefined;
    for (let back = 0; back < MAX_KEYS_BACK; back++) {
      const key = await cursor.keyAtOrBefore(sample);
      if (key === undefined) break;
      await cursor.seek(key);
      const [raw] = await cursor.read(1);
      if (raw === undefined) break;
      start = { trackIndex: main, ptsUs: microseconds(lane.track.time, raw.dts + raw.composition) };
      await cursor.seek(key);
      if (start.ptsUs <= fromUs || key === 0) break;
      sample = key - 1;
    }
    if (start === undefined) await cursor.seek(0);
    else await this.#seekOthers(start);
    return start;
  }

  async #seekOthers({ trackIndex, ptsUs }: Start): Promise<void> {
    for (const [index, cursor] of this.#cursors.entries()) {
      const lane = this.#lanes[index];
      if (index === trackIndex || lane === undefined || cursor.count === 0) continue;
      await cursor.seek(await cursor.sampleAt(mediaTimeAt(lane.track.time, ptsUs)));
    }
  }

  /** Samples in the tables of a fragmented file come before all fragments. */
  async #seekFragments(fromUs: number, seeker: FragmentSeeker): Promise<Start | undefined> {
    const main = mainTrack(this.#movie);
    const track = this.#movie.tracks[main];
    if (track === undefined || this.#scanner === undefined) return undefined;
    const found = await seeker.find(fromUs);
    if (found === undefined) return undefined;
    this.#scanner.seek(found.offset);
    for (const cursor of this.#cursors) cursor.skipAll();
    return { trackIndex: main, ptsUs: found.ptsUs };
  }
}

/** The samples of one track that wait for their turn. */
class Lane {
  readonly track: MovieTrack;
  readonly trackIndex: number;
  /** The most negative composition offset, as a positive number: so much earlier is everything decoded. */
  lead = 0;
  isEnded = false;
  /** Set while the track has not begun. */
  start: Start | undefined;
  #samples: OrderedSample[] = [];
  #head = 0;
  #lastDtsUs = Number.NEGATIVE_INFINITY;
  #isFirst = true;

  constructor(track: MovieTrack, trackIndex: number) {
    this.track = track;
    this.trackIndex = trackIndex;
  }

  get isEmpty(): boolean {
    return this.#head === this.#samples.length;
  }

  get first(): OrderedSample | undefined {
    return this.#samples[this.#head];
  }

  shift(): void {
    this.#head += 1;
    if (!this.isEmpty && this.#head < TABLE_BATCH) return;
    this.#samples.splice(0, this.#head);
    this.#head = 0;
  }

  /** Adds samples, without those before the start; returns how many. */
  push(samples: readonly RawSample[]): number {
    if (this.#isFirst) this.lead = samples.reduce((lead, { composition }) => Math.max(lead, -composition), this.lead);
    this.#isFirst = false;
    const before = this.#samples.length;
    for (const raw of samples) {
      const ptsUs = microseconds(this.track.time, raw.dts + raw.composition);
      if (!this.#hasBegun(raw, ptsUs)) continue;
      // Negative composition offsets would put presentation before decoding: decoding then starts earlier.
      const dtsUs = Math.max(this.#lastDtsUs, Math.min(ptsUs, microseconds(this.track.time, raw.dts - this.lead)));
      this.#lastDtsUs = dtsUs;
      this.#samples.push({ trackIndex: this.trackIndex, raw, dtsUs, ptsUs });
    }
    return this.#samples.length - before;
  }

  #hasBegun(raw: RawSample, ptsUs: number): boolean {
    const { start } = this;
    if (start === undefined) return true;
    const isVideo = this.track.main.track.kind === 'video';
    if (ptsUs < start.ptsUs || (isVideo && !raw.key)) return false;
    this.start = undefined;
    return true;
  }
}
