import { badFile, FieldReader, findBox, requireBox } from './box-reader.ts';

/** One sample larger than this is taken for damage; a lossless 8K picture stays below. */
const MAX_SAMPLE_BYTES = 64 * 1024 * 1024;

/** Bounds that the file as a whole sets for the tables of one track. */
export interface TableLimits {
  /** Size of the file in bytes, which no sample may exceed. */
  readonly fileSize: number;
  /** Samples that may still be indexed. */
  readonly maxSamples: number;
}

/**
 * Run-length table that answers for any sample: run `r` covers the samples from `firsts[r]` up to the next run.
 * Neighbouring lookups are constant time, others binary searches.
 */
class RunTable {
  readonly firsts: Uint32Array;
  readonly values: Float64Array;
  /** Samples that the runs cover. */
  readonly total: number;
  #recent = 0;

  /** Reads `count` pairs of a run length and, by `readValue`, a value; stops when `sampleCount` samples are covered. */
  constructor(fields: FieldReader, count: number, sampleCount: number, readValue: () => number) {
    const firsts = new Uint32Array(count);
    const values = new Float64Array(count);
    let used = 0;
    let total = 0;
    for (let i = 0; i < count && total < sampleCount; i++) {
      const length = fields.u32();
      const value = readValue();
      if (length === 0) continue;
      firsts[used] = total;
      values[used] = value;
      used++;
      total += length;
    }
    this.firsts = firsts.subarray(0, used);
    this.values = values.subarray(0, used);
    this.total = total;
  }

  /** Index of the run with `sample`; the last run for samples beyond the end. */
  find(sample: number): number {
    const { firsts } = this;
    for (let run = this.#recent; run < this.#recent + 2 && run < firsts.length; run++) {
      if ((firsts[run] ?? 0) <= sample && sample < (firsts[run + 1] ?? Number.POSITIVE_INFINITY)) {
        this.#recent = run;
        return run;
      }
    }
    this.#recent = Math.max(0, countNotAbove(firsts, sample) - 1);
    return this.#recent;
  }
}

/** How many elements of the ascending `sorted` are less than or equal to `value`. */
function countNotAbove(sorted: Uint32Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The sample tables of one track (ISO 14496-12 §8.6 and §8.7) as typed arrays: about 12 bytes per sample plus the
 * runs of equal durations and composition offsets. Times are in units of the media timescale.
 */
export class SampleTable {
  /** Number of samples. */
  readonly count: number;
  /** The most negative composition offset, as a positive number, or 0: how much too late the stts times are. */
  readonly compositionLead: number;
  readonly #durations: RunTable;
  readonly #runStarts: Float64Array;
  readonly #compositions: RunTable | undefined;
  readonly #sizes: SampleSizes;
  readonly #offsets: Float64Array;
  readonly #keys: Uint32Array | undefined;

  /**
   * @param stbl content of the `stbl` box.
   * @throws ProtocolError `MP4_BAD_FILE` when a table is missing, contradicts another one, or leaves the file.
   */
  constructor(stbl: Uint8Array, limits: TableLimits) {
    this.#sizes = parseSizes(stbl, limits);
    this.count = this.#sizes.count;
    this.#offsets = parseOffsets(stbl, this.#sizes, limits.fileSize);
    this.#durations = parseDurations(stbl, this.count);
    this.#runStarts = startsOfRuns(this.#durations);
    this.#compositions = parseCompositions(stbl, this.count);
    this.compositionLead = this.#compositions?.values.reduce((lead, value) => Math.max(lead, -value), 0) ?? 0;
    this.#keys = parseKeys(stbl);
  }

  /** Decoding time of sample `index`. */
  decodeTime(index: number): number {
    const run = this.#durations.find(index);
    const inRun = index - (this.#durations.firsts[run] ?? 0);
    return (this.#runStarts[run] ?? 0) + inRun * (this.#durations.values[run] ?? 0);
  }

  /** Time from the decoding of sample `index` to the next one's. */
  duration(index: number): number {
    return this.#durations.values[this.#durations.find(index)] ?? 0;
  }

  /** Presentation time minus decoding time of sample `index`; may be negative. */
  compositionOffset(index: number): number {
    const table = this.#compositions;
    if (table === undefined || index >= table.total) return 0;
    return table.values[table.find(index)] ?? 0;
  }

  /** Size of sample `index` in bytes. */
  size(index: number): number {
    return this.#sizes.constant || (this.#sizes.each[index] ?? 0);
  }

  /** Position of sample `index` in the file. */
  offset(index: number): number {
    return this.#offsets[index] ?? 0;
  }

  /** Whether sample `index` is a sync sample; every sample is one when the file has no `stss`. */
  isKey(index: number): boolean {
    if (this.#keys === undefined) return true;
    const position = countNotAbove(this.#keys, index + 1);
    return position > 0 && this.#keys[position - 1] === index + 1;
  }
}

interface SampleSizes {
  readonly count: number;
  /** Size of every sample, or 0 when `each` has them. */
  readonly constant: number;
  readonly each: Uint32Array;
}

/** `stsz` (§8.7.3.2) or `stz2` (§8.7.3.3). */
function parseSizes(stbl: Uint8Array, limits: TableLimits): SampleSizes {
  const stsz = findBox(stbl, 'stsz');
  const sizes = stsz === undefined ? parseCompactSizes(stbl, limits) : parsePlainSizes(stsz, limits);
  let total = sizes.constant * sizes.count;
  let largest = sizes.constant;
  for (const size of sizes.each) {
    total += size;
    if (size > largest) largest = size;
  }
  // Samples never share bytes, so this also keeps a small file from asking for endless reads of the same bytes.
  if (total > limits.fileSize) throw badFile('the samples are larger than the file');
  if (largest > MAX_SAMPLE_BYTES) throw badFile(`a sample has ${largest} bytes`);
  return sizes;
}

function parsePlainSizes(stsz: Uint8Array, limits: TableLimits): SampleSizes {
  const fields = new FieldReader(stsz, 4);
  const constant = fields.u32();
  if (constant !== 0) return { count: checkCount(fields.u32(), limits), constant, each: new Uint32Array() };
  const count = checkCount(fields.tableCount(4), limits);
  const each = new Uint32Array(count);
  for (let i = 0; i < count; i++) each[i] = fields.u32();
  return { count, constant, each };
}

function parseCompactSizes(stbl: Uint8Array, limits: TableLimits): SampleSizes {
  const fields = new FieldReader(requireBox(stbl, 'stz2'), 4 + 3);
  const bits = fields.u8();
  if (bits !== 4 && bits !== 8 && bits !== 16) throw badFile(`stz2 has fields of ${bits} bits`);
  const count = checkCount(fields.tableCount(bits / 8), limits);
  const each = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    if (bits === 16) each[i] = fields.u16();
    else if (bits === 8) each[i] = fields.u8();
    else {
      const pair = fields.u8();
      each[i] = pair >> 4;
      if (++i < count) each[i] = pair & 15;
    }
  }
  return { count, constant: 0, each };
}

function checkCount(count: number, limits: TableLimits): number {
  // A constant size makes the count free of charge; bound it by the file, which holds at least a byte per sample.
  if (count > limits.maxSamples || count > limits.fileSize) throw badFile(`${count} samples are too many`);
  return count;
}

/** Positions of all samples from `stsc` (§8.7.4) and `stco` or `co64` (§8.7.5). */
function parseOffsets(stbl: Uint8Array, sizes: SampleSizes, fileSize: number): Float64Array {
  const offsets = new Float64Array(sizes.count);
  if (sizes.count === 0) return offsets;
  const wide = findBox(stbl, 'co64');
  const chunks = new FieldReader(wide ?? requireBox(stbl, 'stco'), 4);
  const chunkCount = chunks.tableCount(wide ? 8 : 4);
  const runs = new FieldReader(requireBox(stbl, 'stsc'), 4);
  let runsLeft = runs.tableCount(12);
  let nextRunChunk = runsLeft > 0 ? runs.u32() : 0;
  if (nextRunChunk !== 1) throw badFile('stsc does not begin with chunk 1');

  let samplesPerChunk = 0;
  let sample = 0;
  for (let chunk = 1; chunk <= chunkCount && sample < sizes.count; chunk++) {
    if (runsLeft > 0 && chunk === nextRunChunk) {
      samplesPerChunk = runs.u32();
      runs.skip(4); // sample description index: tracks with several descriptions are left out earlier
      runsLeft--;
      if (runsLeft > 0) nextRunChunk = runs.u32();
      if (runsLeft > 0 && nextRunChunk <= chunk) throw badFile('stsc is not in ascending order');
    }
    let position = wide ? chunks.u64() : chunks.u32();
    const end = Math.min(sizes.count, sample + samplesPerChunk);
    for (; sample < end; sample++) {
      offsets[sample] = position;
      position += sizes.constant || (sizes.each[sample] ?? 0);
    }
    if (position > fileSize) throw badFile(`chunk ${chunk} lies outside of the file`);
  }
  if (sample < sizes.count) throw badFile('there are fewer chunks than samples need');
  return offsets;
}

/** `stts` (§8.6.1.2). Samples that it fails to cover repeat the last duration, as players do. */
function parseDurations(stbl: Uint8Array, sampleCount: number): RunTable {
  const fields = new FieldReader(requireBox(stbl, 'stts'), 4);
  const table = new RunTable(fields, fields.tableCount(8), sampleCount, () => fields.u32());
  if (table.firsts.length === 0 && sampleCount > 0) throw badFile('stts is empty');
  return table;
}

function startsOfRuns(table: RunTable): Float64Array {
  const starts = new Float64Array(table.firsts.length);
  for (let run = 1; run < starts.length; run++) {
    const length = (table.firsts[run] ?? 0) - (table.firsts[run - 1] ?? 0);
    starts[run] = (starts[run - 1] ?? 0) + length * (table.values[run - 1] ?? 0);
  }
  return starts;
}

/** `ctts` (§8.6.1.3), read as signed in version 0 too because QuickTime writes negative offsets there. */
function parseCompositions(stbl: Uint8Array, sampleCount: number): RunTable | undefined {
  const ctts = findBox(stbl, 'ctts');
  if (ctts === undefined) return undefined;
  const fields = new FieldReader(ctts, 4);
  return new RunTable(fields, fields.tableCount(8), sampleCount, () => fields.i32());
}

/** `stss` (§8.6.2): numbers of the sync samples, from 1, ascending. */
function parseKeys(stbl: Uint8Array): Uint32Array | undefined {
  const stss = findBox(stbl, 'stss');
  if (stss === undefined) return undefined;
  const fields = new FieldReader(stss, 4);
  const keys = new Uint32Array(fields.tableCount(4));
  for (let i = 0; i < keys.length; i++) keys[i] = fields.u32();
  return keys.sort();
}
