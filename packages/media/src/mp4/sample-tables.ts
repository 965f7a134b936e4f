import type { ByteSource } from '../file-plan.ts';
import type { BoxRange } from './box-range.ts';
import { badFile, FieldReader } from './box-reader.ts';
import { PagedTable } from './paged-table.ts';
import type { ReadAhead } from './read-ahead.ts';

const MAX_SAMPLES = 20_000_000;

/** Where the entries of a table are. */
export interface TableRef {
  readonly at: number;
  readonly count: number;
  readonly entryBytes: number;
  /** Of its box. */
  readonly version: number;
}

/** `stsz` (ISO 14496-12 §8.7.3.2) or `stz2` (§8.7.3.3). */
export interface SizesRef {
  readonly count: number;
  /** Size of every sample, or 0 when the table has them. */
  readonly constant: number;
  /** Bits of a size in the table. */
  readonly bits: number;
  readonly table: TableRef;
}

/** Where the sample tables of a track are (§8.5 to §8.7), before any of their entries has been read. */
export interface SampleTables {
  readonly sizes: SizesRef;
  readonly durations: TableRef;
  readonly compositions: TableRef | undefined;
  /** Absent when every sample is a sync sample. */
  readonly keys: TableRef | undefined;
  readonly chunkRuns: TableRef;
  /** 32 or 64 bits an entry. */
  readonly chunks: TableRef;
}

const NO_TABLE: TableRef = { at: 0, count: 0, entryBytes: 1, version: 0 };
/** Of a track whose samples are all in fragments. */
export const NO_SAMPLES: SampleTables = {
  sizes: { count: 0, constant: 0, bits: 32, table: NO_TABLE },
  durations: NO_TABLE,
  compositions: undefined,
  keys: undefined,
  chunkRuns: NO_TABLE,
  chunks: NO_TABLE,
};

/**
 * Finds the tables in the boxes of a `stbl`.
 * @throws ProtocolError MP4_BAD_FILE when one is missing, larger than its box, or there are more than 20 million samples
 */
export async function findTables(source: ReadAhead, boxes: readonly BoxRange[]): Promise<SampleTables> {
  const find = (type: string): BoxRange | undefined => boxes.find((box) => box.type === type);
  const required = (type: string): BoxRange => {
    const box = find(type);
    if (box === undefined) throw badFile(`box ${type} is missing`);
    return box;
  };
  const sizes = await findSizes(source, find('stsz') ?? required('stz2'));
  if (sizes.count === 0) return NO_SAMPLES;
  const wide = find('co64');
  const optional = async (type: string, entryBytes: number): Promise<TableRef | undefined> => {
    const box = find(type);
    return box && tableIn(source, box, entryBytes);
  };
  const tables = {
    sizes,
    durations: await tableIn(source, required('stts'), 8),
    compositions: await optional('ctts', 8),
    keys: await optional('stss', 4),
    chunkRuns: await tableIn(source, required('stsc'), 12),
    chunks: await tableIn(source, wide ?? required('stco'), wide === undefined ? 4 : 8),
  };
  if (tables.durations.count === 0) throw badFile('stts is empty');
  return tables;
}

/** Makes the entries of a table readable. */
export function pagedTable(source: ByteSource, { at, count, entryBytes }: TableRef): PagedTable {
  return new PagedTable(source, at, { count, entryBytes });
}

async function tableIn(source: ReadAhead, box: BoxRange, entryBytes: number): Promise<TableRef> {
  const fields = new FieldReader(await source.read(box.contentStart, Math.min(8, box.end - box.contentStart)));
  const version = fields.u8();
  fields.skip(3);
  const count = fields.u32();
  const at = box.contentStart + 8;
  if (at + count * entryBytes > box.end) throw badFile(`a table of ${count} entries is larger than its box`);
  return { at, count, entryBytes, version };
}

async function findSizes(source: ReadAhead, box: BoxRange): Promise<SizesRef> {
  const fields = new FieldReader(await source.read(box.contentStart, Math.min(12, box.end - box.contentStart)), 4);
  const second = fields.u32();
  const count = fields.u32();
  const isCompact = box.type === 'stz2';
  const constant = isCompact ? 0 : second;
  const bits = isCompact ? second & 0xff : 32;
  if (![4, 8, 16, 32].includes(bits) || (isCompact && bits === 32)) throw badFile(`stz2 has fields of ${bits} bits`);
  // A constant size makes the count free of charge; the file holds at least a byte per sample.
  if (count > MAX_SAMPLES || count > source.size) throw badFile(`${count} samples are too many`);
  if (constant * count > source.size) throw badFile('the samples are larger than the file');
  const at = box.contentStart + 12;
  const tableBytes = constant === 0 ? Math.ceil((count * bits) / 8) : 0;
  if (at + tableBytes > box.end) throw badFile(`a table of ${count} entries is larger than its box`);
  const entryBytes = Math.max(1, bits / 8);
  return { count, constant, bits, table: { at, count: Math.ceil(tableBytes / entryBytes), entryBytes, version: 0 } };
}
