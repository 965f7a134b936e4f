import { type BoxRange, boxesBetween, boxesUntil, contentOf } from './box-range.ts';
import { badFile, childBoxes, FieldReader } from './box-reader.ts';
import { BoxWriter } from './box-writer.ts';
import type { ReadAhead } from './read-ahead.ts';
import { parseSampleDescriptions, type SampleDescription } from './sample-entry.ts';
import { findTables, NO_SAMPLES, type SampleTables } from './sample-tables.ts';
import { parseTime, type TrackTime } from './track-time.ts';

const MAX_TRACKS = 64;
/** Matrix, width and height: the end of `tkhd`. */
const GEOMETRY_BYTES = 36 + 8;
/** Of `tkhd` with times of 32 bits. */
const MIN_HEADER_BYTES = 84;

/** What samples of fragments have when their fragment does not say otherwise: `trex` (ISO 14496-12 §8.8.3). */
export interface SampleDefaults {
  readonly description: number;
  readonly duration: number;
  readonly size: number;
  readonly flags: number;
}

/** A track of a file, as far as `moov` describes it without its samples. */
export interface MovieTrack {
  readonly trackId: number;
  readonly time: TrackTime;
  /** By index; undefined for those that the hub can't carry. The first of the others stands for the track. */
  readonly descriptions: readonly (SampleDescription | undefined)[];
  readonly main: SampleDescription;
  /** The boxes in `stsd`. */
  readonly entries: readonly Uint8Array[];
  /** Matrix, width and height of `tkhd`, as they are. */
  readonly geometry: Uint8Array;
  readonly tables: SampleTables;
  readonly defaults: SampleDefaults;
}

/** `moov` (§8.2.1) without the sample tables. */
export interface Movie {
  /** All boxes of the file from its start to `moov`, which is the last of them. */
  readonly head: readonly BoxRange[];
  readonly timescale: number;
  /** Seconds since 1904; 0 where it is not told. */
  readonly createdSeconds: number;
  /** Tracks that the hub can carry. */
  readonly tracks: readonly MovieTrack[];
  /** Names of what it can't. */
  readonly skipped: readonly string[];
  /** There may be fragments after `moov`. */
  readonly isFragmented: boolean;
  /** Duration with all fragments from `mehd`, in units of the timescale; 0 where it is not told. */
  readonly fragmentsDuration: number;
}

/**
 * Finds and reads `moov`.
 * @throws ProtocolError MP4_BAD_FILE when it is missing, damaged or has too much of anything
 */
export async function readMovie(source: ReadAhead): Promise<Movie> {
  const head = await boxesUntil(source, 'moov');
  const moov = head.at(-1);
  if (moov?.type !== 'moov') throw badFile('box moov is missing');
  const boxes = await boxesBetween(source, moov.contentStart, moov.end);
  const traks = boxes.filter((box) => box.type === 'trak');
  if (traks.length > MAX_TRACKS) throw badFile(`${traks.length} tracks are too many`);
  const header = parseMovieHeader(await required(source, boxes, 'mvhd'));
  const mvex = boxes.find((box) => box.type === 'mvex');
  const extension = mvex && (await readExtension(source, mvex));

  const tracks: MovieTrack[] = [];
  const skipped: string[] = [];
  for (const trak of traks) {
    const parts = await partsOfTrack(source, trak);
    const descriptions = parseSampleDescriptions(await required(source, parts, 'stsd'), tracks.length);
    const main = descriptions.find((description) => typeof description !== 'string');
    if (main === undefined) skipped.push(...descriptions.slice(0, 1).map(String));
    if (main === undefined) continue;
    const { track, others } = await readTrack(source, parts, { main, descriptions, ...header, extension });
    tracks.push(track);
    skipped.push(...others);
  }
  const fragmentsDuration = extension?.duration ?? 0;
  return { head, ...header, tracks, skipped, isFragmented: extension !== undefined, fragmentsDuration };
}

interface Extension {
  readonly duration: number;
  readonly defaults: ReadonlyMap<number, SampleDefaults>;
}

interface TrackContext {
  readonly timescale: number;
  readonly main: SampleDescription;
  readonly descriptions: readonly (SampleDescription | string)[];
  readonly extension: Extension | undefined;
}

async function readTrack(
  source: ReadAhead,
  parts: readonly BoxRange[],
  context: TrackContext,
): Promise<{ track: MovieTrack; others: string[] }> {
  const { main, descriptions, extension } = context;
  const tkhd = await required(source, parts, 'tkhd');
  if (tkhd.length < MIN_HEADER_BYTES) throw badFile('box tkhd is too short');
  const trackId = parseTrackId(tkhd);
  const mdhd = await required(source, parts, 'mdhd');
  const edits = parts.find((box) => box.type === 'elst');
  const elst = edits && (await contentOf(source, edits));
  const hasTables = extension === undefined || parts.some((box) => box.type === 'stsz' || box.type === 'stz2');
  const usable = descriptions.map((one) =>
    typeof one !== 'string' && one.track.codec === main.track.codec ? one : undefined,
  );
  const track: MovieTrack = {
    trackId,
    time: parseTime(mdhd, elst, context.timescale),
    descriptions: usable,
    main,
    entries: entriesOf(await required(source, parts, 'stsd')),
    geometry: new Uint8Array(tkhd.subarray(Math.max(0, tkhd.length - GEOMETRY_BYTES))),
    tables: hasTables ? await findTables(source, parts) : NO_SAMPLES,
    defaults: extension?.defaults.get(trackId) ?? NO_DEFAULTS,
  };
  const others = descriptions.flatMap((one, index) => {
    if (usable[index] !== undefined) return [];
    return [typeof one === 'string' ? one : `${one.track.codec} in a track of ${main.track.codec}`];
  });
  return { track, others };
}

const NO_DEFAULTS: SampleDefaults = { description: 0, duration: 0, size: 0, flags: 0 };

/** The boxes of `trak` that matter, from all its levels. */
async function partsOfTrack(source: ReadAhead, trak: BoxRange): Promise<BoxRange[]> {
  const parts: BoxRange[] = [];
  const containers = [trak];
  for (let container = containers.pop(); container !== undefined; container = containers.pop()) {
    for (const box of await boxesBetween(source, container.contentStart, container.end)) {
      if (PATH_OF_TRACK.has(box.type)) containers.push(box);
      else parts.push(box);
    }
  }
  return parts;
}

const PATH_OF_TRACK: ReadonlySet<string> = new Set(['edts', 'mdia', 'minf', 'stbl']);

async function required(source: ReadAhead, boxes: readonly BoxRange[], type: string): Promise<Uint8Array> {
  const box = boxes.find((candidate) => candidate.type === type);
  if (box === undefined) throw badFile(`box ${type} is missing`);
  return contentOf(source, box);
}

/** The sample entries as boxes. */
function entriesOf(stsd: Uint8Array): Uint8Array[] {
  return childBoxes(stsd, 8).map(({ type, content }) => {
    const writer = new BoxWriter(8 + content.length);
    writer.box(type, () => writer.bytes(content));
    return writer.finish();
  });
}

/** `mvhd` (§8.2.2). */
function parseMovieHeader(mvhd: Uint8Array): { timescale: number; createdSeconds: number } {
  const fields = new FieldReader(mvhd);
  const isWide = fields.u8() === 1;
  fields.skip(3);
  const createdSeconds = isWide ? fields.u64() : fields.u32();
  fields.skip(isWide ? 8 : 4);
  const timescale = fields.u32();
  if (timescale === 0) throw badFile('a timescale is zero');
  return { timescale, createdSeconds };
}

/** `tkhd` (§8.3.2). */
function parseTrackId(tkhd: Uint8Array): number {
  const fields = new FieldReader(tkhd);
  const isWide = fields.u8() === 1;
  fields.skip(3 + (isWide ? 16 : 8));
  return fields.u32();
}

/** `mvex` (§8.8.1). */
async function readExtension(source: ReadAhead, mvex: BoxRange): Promise<Extension> {
  const defaults = new Map<number, SampleDefaults>();
  let duration = 0;
  for (const box of await boxesBetween(source, mvex.contentStart, mvex.end)) {
    if (box.type !== 'trex' && box.type !== 'mehd') continue;
    const fields = new FieldReader(await contentOf(source, box));
    const version = fields.u8();
    fields.skip(3);
    if (box.type === 'mehd') {
      duration = version === 1 ? fields.u64() : fields.u32();
      continue;
    }
    const trackId = fields.u32();
    const description = Math.max(0, fields.u32() - 1);
    defaults.set(trackId, { description, duration: fields.u32(), size: fields.u32(), flags: fields.u32() });
  }
  return { duration, defaults };
}

/** Index of the track whose key frames decide where reading begins: the first picture, else the first track, else -1. */
export function mainTrack({ tracks }: Movie): number {
  const video = tracks.findIndex(({ main }) => main.track.kind === 'video');
  return video >= 0 ? video : Math.min(0, tracks.length - 1);
}
