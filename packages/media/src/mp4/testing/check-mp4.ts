import { BoxView, boxesIn } from './box-view.ts';

/** What one track of a file comes to, in units of its timescale. */
interface TrackSums {
  readonly samples: number;
  readonly duration: number;
}

/** A stretch of a file that samples take. */
interface Extent {
  readonly start: number;
  readonly end: number;
}

/**
 * Checks an MP4 file box by box, as a strict player would: every box fills its container, the tables of each track agree
 * with each other and with the headers, every sample lies in an `mdat` and shares its bytes with no other. Knows files
 * with an index, with fragments, and with both. Returns what is wrong in plain words; nothing when all is well.
 */
export function checkMp4(file: Uint8Array): string[] {
  const problems: string[] = [];
  try {
    checkBoxes(file, problems);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    problems.push(`a box is too short for its fields: ${error.message}`);
  }
  return problems;
}

function checkBoxes(file: Uint8Array, problems: string[]): void {
  const boxes = boxesIn(new BoxView('file', file, { start: 0, end: file.length, headerBytes: 0 }), problems);
  const names = boxes.map(({ type }) => type);
  if (names[0] !== 'ftyp') problems.push(`the first box is ${names[0]}, not ftyp`);
  if (names.filter((name) => name === 'moov').length !== 1) problems.push(`boxes: ${names.join(' ')}`);
  const moov = boxes.find(({ type }) => type === 'moov');
  if (moov === undefined) return;
  const media = boxes
    .filter(({ type }) => type === 'mdat')
    .map(({ contentStart, end }) => ({ start: contentStart, end }));
  const extents: Extent[] = [];
  const parts = boxesIn(moov, problems);
  const mvhd = parts.find(({ type }) => type === 'mvhd');
  if (mvhd === undefined) {
    problems.push('mvhd is missing');
    return;
  }
  const movie = timesOf(mvhd);
  const isFragmented = parts.some(({ type }) => type === 'mvex');
  let longest = 0;
  const ids = new Set<number>();
  for (const trak of parts.filter(({ type }) => type === 'trak')) {
    const track = new TrackCheck(trak, problems);
    if (ids.has(track.id)) problems.push(`track ${track.id} is there twice`);
    ids.add(track.id);
    track.check(movie.timescale, { isFragmented, extents });
    longest = Math.max(longest, track.headerDuration);
  }
  if (ids.size === 0) problems.push('there is no track');
  if (movie.duration !== longest) problems.push(`mvhd lasts ${movie.duration}, the longest track ${longest}`);
  for (const box of boxes) if (box.type === 'moof') checkFragment(box, { ids, extents, problems });
  if (!isFragmented && names.includes('moof')) problems.push('there are fragments without mvex');
  checkExtents(extents, media, problems);
}

/** `mvhd` or `mdhd`: timescale and duration. */
function timesOf(box: BoxView): { timescale: number; duration: number } {
  const wide = box.u8(0) === 1;
  const at = wide ? 20 : 12;
  return { timescale: box.u32(at), duration: wide ? box.u64(at + 4) : box.u32(at + 4) };
}

class TrackCheck {
  readonly id: number;
  /** From `tkhd`, in units of the movie. */
  readonly headerDuration: number;
  readonly #parts = new Map<string, BoxView>();
  readonly #problems: string[];

  constructor(trak: BoxView, problems: string[]) {
    this.#problems = problems;
    this.#collect(trak);
    const tkhd = this.#parts.get('tkhd');
    const wide = tkhd?.u8(0) === 1;
    this.id = tkhd?.u32(wide ? 20 : 12) ?? 0;
    this.headerDuration = (wide ? tkhd?.u64(28) : tkhd?.u32(20)) ?? 0;
    if (this.id === 0) problems.push('a track has no id');
  }

  check(movieTimescale: number, { isFragmented, extents }: { isFragmented: boolean; extents: Extent[] }): void {
    for (const name of ['tkhd', 'mdhd', 'hdlr', 'dref', 'stsd', 'stts', 'stsc', 'stsz']) {
      if (!this.#parts.has(name)) this.#fail(`${name} is missing`);
    }
    const mdhd = this.#parts.get('mdhd');
    const sums = this.#sums();
    if (mdhd === undefined || sums === undefined || (isFragmented && sums.samples === 0)) return;
    const media = timesOf(mdhd);
    if (media.duration !== sums.duration) this.#fail(`mdhd lasts ${media.duration}, its samples ${sums.duration}`);
    this.#checkTables(sums);
    this.#checkOffsets(sums.samples, extents);
    this.#checkEdits(movieTimescale, media);
  }

  #collect(container: BoxView): void {
    for (const box of boxesIn(container, this.#problems)) {
      if (['mdia', 'minf', 'dinf', 'stbl', 'edts'].includes(box.type)) this.#collect(box);
      else if (this.#parts.has(box.type) && box.type !== 'free') this.#fail(`${box.type} is there twice`);
      else this.#parts.set(box.type, box);
    }
  }

  #fail(problem: string): void {
    this.#problems.push(`track ${this.id}: ${problem}`);
  }

  /** Entries of a table, checked against the size of its box. */
  #entries(name: string, entryBytes: number): { box: BoxView; count: number } | undefined {
    const box = this.#parts.get(name);
    if (box === undefined) return undefined;
    const count = box.u32(4);
    if (8 + count * entryBytes !== box.length) this.#fail(`${name} has ${count} entries in ${box.length} bytes`);
    return { box, count };
  }

  #sums(): TrackSums | undefined {
    const stts = this.#entries('stts', 8);
    if (stts === undefined) return undefined;
    let samples = 0;
    let duration = 0;
    for (let i = 0; i < stts.count; i++) {
      samples += stts.box.u32(8 + 8 * i);
      duration += stts.box.u32(8 + 8 * i) * stts.box.u32(12 + 8 * i);
    }
    return { samples, duration };
  }

  #checkTables({ samples }: TrackSums): void {
    const sizes = this.#parts.get('stsz');
    if (sizes !== undefined) {
      if (sizes.u32(8) !== samples) this.#fail(`stsz has ${sizes.u32(8)} samples, stts ${samples}`);
      const bytes = 12 + (sizes.u32(4) === 0 ? 4 * sizes.u32(8) : 0);
      if (bytes !== sizes.length) this.#fail(`stsz has ${sizes.length} bytes, not ${bytes}`);
    }
    const ctts = this.#entries('ctts', 8);
    let covered = 0;
    for (let i = 0; ctts && i < ctts.count; i++) {
      covered += ctts.box.u32(8 + 8 * i);
      if (ctts.box.u8(0) === 0 && ctts.box.u32(12 + 8 * i) > 0x7fff_ffff) this.#fail('ctts of version 0 is negative');
    }
    if (ctts && covered !== samples) this.#fail(`ctts covers ${covered} samples of ${samples}`);
    const stss = this.#entries('stss', 4);
    let last = 0;
    for (let i = 0; stss && i < stss.count; i++) {
      const number = stss.box.u32(8 + 4 * i);
      if (number <= last || number > samples) this.#fail(`stss lists ${number} after ${last}`);
      last = number;
    }
    const stsd = this.#parts.get('stsd');
    if (stsd !== undefined && boxesIn(stsd, this.#problems, 8).length !== stsd.u32(4)) this.#fail('stsd lies');
  }

  #checkOffsets(samples: number, extents: Extent[]): void {
    const wide = this.#parts.has('co64');
    const chunks = this.#entries(wide ? 'co64' : 'stco', wide ? 8 : 4);
    const runs = this.#entries('stsc', 12);
    const sizes = this.#parts.get('stsz');
    if (chunks === undefined || runs === undefined || sizes === undefined) return this.#fail('a table is missing');
    const descriptions = this.#parts.get('stsd')?.u32(4) ?? 0;
    let sample = 0;
    let run = -1;
    for (let chunk = 1; chunk <= chunks.count; chunk++) {
      if (run + 1 < runs.count && runs.box.u32(8 + 12 * (run + 1)) === chunk) run += 1;
      const count = runs.box.u32(12 + 12 * run);
      const description = runs.box.u32(16 + 12 * run);
      if (count === 0) this.#fail(`chunk ${chunk} is empty`);
      if (description === 0 || description > descriptions) this.#fail(`there is no description ${description}`);
      const start = wide ? chunks.box.u64(8 + 8 * (chunk - 1)) : chunks.box.u32(8 + 4 * (chunk - 1));
      let end = start;
      for (let i = 0; i < count && sample < samples; i++, sample++) {
        end += sizes.u32(4) === 0 ? sizes.u32(12 + 4 * sample) : sizes.u32(4);
      }
      extents.push({ start, end });
    }
    if (run !== runs.count - 1) this.#fail(`stsc has ${runs.count} runs, ${run + 1} are used`);
    if (sample !== samples) this.#fail(`chunks hold ${sample} samples of ${samples}`);
  }

  /** The track lasts as long as its edits; what they show exists. */
  #checkEdits(movieTimescale: number, media: { timescale: number; duration: number }): void {
    const elst = this.#parts.get('elst');
    const scale = media.timescale / movieTimescale;
    if (elst === undefined) {
      // Pictures that are shown later than they are decoded may make it longer by some frames.
      const slack = this.#parts.has('ctts') ? media.timescale : scale;
      if (Math.abs(this.headerDuration * scale - media.duration) > slack) {
        this.#fail(`tkhd lasts ${this.headerDuration}, the media ${media.duration / scale}`);
      }
      return;
    }
    const wide = elst.u8(0) === 1;
    let total = 0;
    for (let i = 0; i < elst.u32(4); i++) {
      const at = 8 + i * (wide ? 20 : 12);
      total += wide ? elst.u64(at) : elst.u32(at);
      const isEmpty = elst.u32(at + (wide ? 8 : 4)) === 0xffff_ffff;
      const start = wide ? elst.u32(at + 12) + elst.u32(at + 8) * 2 ** 32 : elst.u32(at + 4);
      if (!isEmpty && start > media.duration) this.#fail(`an edit begins at ${start} of ${media.duration}`);
    }
    if (total !== this.headerDuration) this.#fail(`tkhd lasts ${this.headerDuration}, its edits ${total}`);
  }
}

interface FragmentContext {
  readonly ids: ReadonlySet<number>;
  readonly extents: Extent[];
  readonly problems: string[];
}

/** A `moof` as `writeMediaSegment` writes it: data offsets from its start, sizes of all samples. */
function checkFragment(moof: BoxView, { ids, extents, problems }: FragmentContext): void {
  for (const traf of boxesIn(moof, problems).filter(({ type }) => type === 'traf')) {
    const parts = boxesIn(traf, problems);
    const tfhd = parts.find(({ type }) => type === 'tfhd');
    if (tfhd === undefined || !ids.has(tfhd.u32(4))) problems.push(`a fragment has track ${tfhd?.u32(4)}`);
    if (!parts.some(({ type }) => type === 'tfdt')) problems.push('a fragment has no tfdt');
    for (const trun of parts.filter(({ type }) => type === 'trun')) {
      const flags = trun.u32(0) & 0xff_ffff;
      const fieldBytes = 4 * [0x100, 0x200, 0x400, 0x800].filter((flag) => flags & flag).length;
      let at = 12 + (flags & 4 ? 4 : 0);
      if (!(flags & 1) || !(flags & 0x200)) problems.push('a run has no offset or no sizes');
      if (at + trun.u32(4) * fieldBytes !== trun.length) problems.push('a run does not fill its box');
      const start = moof.start + trun.u32(8);
      let end = start;
      for (; at < trun.length; at += fieldBytes) end += trun.u32(at + (flags & 0x100 ? 4 : 0));
      extents.push({ start, end });
    }
  }
}

function checkExtents(extents: readonly Extent[], media: readonly Extent[], problems: string[]): void {
  let previousEnd = 0;
  for (const { start, end } of extents.toSorted((a, b) => a.start - b.start)) {
    if (start < previousEnd) problems.push(`samples at ${start} share bytes with others`);
    if (!media.some((one) => one.start <= start && end <= one.end)) problems.push(`samples at ${start} are in no mdat`);
    previousEnd = end;
  }
}
