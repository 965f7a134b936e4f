import { badFile, childBoxes, FieldReader } from './box-reader.ts';
import type { Movie, SampleDefaults } from './movie.ts';
import { checkSize, type RawSample } from './raw-sample.ts';

/** Samples of one `moof`; a fragment of a minute with eight tracks has 40,000. */
const MAX_SAMPLES = 1_000_000;
/** `sample_is_non_sync_sample` of the sample flags (ISO 14496-12 §8.8.3.1). */
const NON_SYNC = 0x1_0000;

/** The samples of one track in one `traf`. */
export interface TrackFragment {
  /** Index in {@link Movie.tracks}. */
  readonly trackIndex: number;
  readonly samples: readonly RawSample[];
}

/** Where a `moof` is, and what is known from the fragments before it. */
export interface FragmentContext {
  readonly movie: Movie;
  /** Position of the `moof` in the file. */
  readonly start: number;
  readonly fileSize: number;
  /** By track: where it goes on when a fragment has no `tfdt`. Updated. */
  readonly nextDts: number[];
}

/**
 * Reads the content of a `moof` box (ISO 14496-12 §8.8.4). Fragments of tracks that `movie` does not have are left out.
 * @throws ProtocolError MP4_BAD_FILE
 */
export function parseMovieFragment(moof: Uint8Array, context: FragmentContext): TrackFragment[] {
  const fragments: TrackFragment[] = [];
  const run: Run = { position: context.start, count: 0 };
  for (const box of childBoxes(moof)) {
    if (box.type !== 'traf') continue;
    const fragment = parseTrackFragment(box.content, context, run);
    if (fragment !== undefined && fragment.samples.length > 0) fragments.push(fragment);
  }
  return fragments;
}

interface Run {
  /** Where the data of the next run begins when it does not say. */
  position: number;
  /** Samples so far. */
  count: number;
}

function parseTrackFragment(traf: Uint8Array, context: FragmentContext, run: Run): TrackFragment | undefined {
  const boxes = childBoxes(traf);
  const tfhd = boxes.find((box) => box.type === 'tfhd');
  if (tfhd === undefined) throw badFile('box tfhd is missing');
  const { trackId, base, defaults } = parseHeader(tfhd.content, context);
  // Without a base of its own, data begins where that of the previous track ends (§8.8.7.1).
  if (base !== undefined) run.position = base;
  const dataStart = run.position;
  const trackIndex = context.movie.tracks.findIndex((track) => track.trackId === trackId);
  const tfdt = boxes.find((box) => box.type === 'tfdt');
  let dts = (tfdt && parseDecodeTime(tfdt.content)) ?? context.nextDts[trackIndex] ?? 0;
  if (Number.isNaN(dts)) throw badFile('a fragment does not tell its time');
  const samples: RawSample[] = [];
  for (const box of boxes) {
    if (box.type !== 'trun') continue;
    dts = parseRun(box.content, samples, { dts, dataStart, defaults, run, fileSize: context.fileSize });
  }
  if (trackIndex < 0) return undefined;
  context.nextDts[trackIndex] = dts;
  return { trackIndex, samples };
}

interface FragmentHeader {
  readonly trackId: number;
  readonly base: number | undefined;
  readonly defaults: SampleDefaults;
}

/** `tfhd` (§8.8.7). */
function parseHeader(tfhd: Uint8Array, { movie, start }: FragmentContext): FragmentHeader {
  const fields = new FieldReader(tfhd);
  const flags = fields.u32() & 0xff_ffff;
  const trackId = fields.u32();
  const known = movie.tracks.find((track) => track.trackId === trackId)?.defaults;
  const base = flags & 0x01 ? fields.u64() : undefined;
  const description = flags & 0x02 ? Math.max(0, fields.u32() - 1) : (known?.description ?? 0);
  const duration = flags & 0x08 ? fields.u32() : (known?.duration ?? 0);
  const size = flags & 0x10 ? fields.u32() : (known?.size ?? 0);
  const sampleFlags = flags & 0x20 ? fields.u32() : (known?.flags ?? 0);
  const isMoofBase = (flags & 0x02_0000) !== 0;
  return {
    trackId,
    base: base ?? (isMoofBase ? start : undefined),
    defaults: { description, duration, size, flags: sampleFlags },
  };
}

/** `tfdt` (§8.8.12). */
function parseDecodeTime(tfdt: Uint8Array): number {
  const fields = new FieldReader(tfdt);
  const isWide = fields.u8() === 1;
  fields.skip(3);
  return isWide ? fields.u64() : fields.u32();
}

interface RunContext {
  readonly dts: number;
  readonly dataStart: number;
  readonly defaults: SampleDefaults;
  readonly run: Run;
  readonly fileSize: number;
}

/** `trun` (§8.8.8): adds to `samples` and returns the decoding time after the last one. */
function parseRun(trun: Uint8Array, samples: RawSample[], context: RunContext): number {
  const { run, defaults, fileSize } = context;
  const fields = new FieldReader(trun);
  const flags = fields.u32() & 0xff_ffff;
  const fieldBytes = 4 * [0x100, 0x200, 0x400, 0x800].filter((flag) => flags & flag).length;
  const count = fields.tableCount(0);
  if (flags & 0x001) run.position = context.dataStart + fields.i32();
  const firstFlags = flags & 0x004 ? fields.u32() : undefined;
  if (count * fieldBytes > fields.remaining) throw badFile(`a run of ${count} samples is larger than its box`);
  run.count += count;
  if (run.count > MAX_SAMPLES) throw badFile('a fragment has too many samples');
  if (fieldBytes === 0 && defaults.size === 0 && count > 1) throw badFile('a run of empty samples');
  if (run.position < 0) throw badFile('a sample lies outside of the file');
  let { dts } = context;
  for (let i = 0; i < count; i++) {
    const duration = flags & 0x100 ? fields.u32() : defaults.duration;
    const size = flags & 0x200 ? fields.u32() : defaults.size;
    const ownFlags = flags & 0x400 ? fields.u32() : defaults.flags;
    const sampleFlags = i === 0 ? (firstFlags ?? ownFlags) : ownFlags;
    // Signed in version 0 too, as everybody reads it.
    const composition = flags & 0x800 ? fields.i32() : 0;
    const offset = run.position;
    checkSize(size, offset + size, fileSize);
    const key = (sampleFlags & NON_SYNC) === 0;
    samples.push({ offset, size, dts, composition, duration, key, description: defaults.description });
    run.position += size;
    dts += duration;
    if (!Number.isSafeInteger(dts)) throw badFile('a time is out of range');
  }
  return dts;
}
