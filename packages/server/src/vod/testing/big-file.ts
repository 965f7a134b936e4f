import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';

const TIMESCALE = 25;
const SAMPLE_BYTES = 4444;
const GOP = 50;
const MDAT_HEADER = 16;

export interface BigFile {
  readonly hours: number;
  /** Seconds of the file that have pictures; the rest is a hole. */
  readonly filled: readonly { readonly fromSeconds: number; readonly seconds: number }[];
}

/**
 * Writes an MP4 of hours that takes hardly any room: 25 pictures a second of 4444 bytes, one to a chunk, so that its
 * index is as large as can be, at the end of the file. `clip` gives the codec's configuration (H.264).
 */
export function writeBigFile(path: string, clip: string, { hours, filled }: BigFile): void {
  const samples = hours * 3600 * TIMESCALE;
  const file = openSync(path, 'w');
  const ftyp = box('ftyp', Buffer.from('isom\0\0\x02\0isomavc1', 'latin1'));
  const mdatBytes = MDAT_HEADER + samples * SAMPLE_BYTES;
  const mdat = Buffer.alloc(MDAT_HEADER);
  mdat.writeUInt32BE(1);
  mdat.write('mdat', 4, 'latin1');
  mdat.writeBigUInt64BE(BigInt(mdatBytes), 8);
  writeSync(file, Buffer.concat([ftyp, mdat]), 0, undefined, 0);
  const begin = ftyp.length + MDAT_HEADER;
  for (const { fromSeconds, seconds } of filled) {
    for (let i = fromSeconds * TIMESCALE; i < (fromSeconds + seconds) * TIMESCALE; i++)
      writeSync(file, picture(i % GOP === 0), 0, undefined, begin + i * SAMPLE_BYTES);
  }
  const end = ftyp.length + mdatBytes;
  ftruncateSync(file, end);
  writeSync(file, moov(samples, begin, readFileSync(clip)), 0, undefined, end);
  closeSync(file);
}

/** One NAL unit with its length before it. */
function picture(key: boolean): Buffer {
  const bytes = Buffer.alloc(SAMPLE_BYTES, 0x5a);
  bytes.writeUInt32BE(SAMPLE_BYTES - 4);
  bytes[4] = key ? 0x65 : 0x41;
  return bytes;
}

function moov(samples: number, begin: number, clip: Buffer): Buffer {
  const at = clip.indexOf('stsd', 0, 'latin1') - 4;
  const stsd = clip.subarray(at, at + clip.readUInt32BE(at));
  const sizes = Buffer.alloc(12 + 4 * samples);
  sizes.writeUInt32BE(samples, 8);
  const offsets = Buffer.alloc(8 + 8 * samples);
  offsets.writeUInt32BE(samples, 4);
  for (let i = 0; i < samples; i++) {
    sizes.writeUInt32BE(SAMPLE_BYTES, 12 + 4 * i);
    offsets.writeBigUInt64BE(BigInt(begin + i * SAMPLE_BYTES), 8 + 8 * i);
  }
  const keys = Array.from({ length: samples / GOP }, (_, i) => i * GOP + 1);
  const tables = [
    stsd,
    box('stts', words(0, 1, samples, 1)),
    box('stss', words(0, keys.length, ...keys)),
    box('stsc', words(0, 1, 1, 1, 1)),
    box('stsz', sizes),
    box('co64', offsets),
  ];
  const header = words(0, 0, 0, TIMESCALE, samples);
  const handler = Buffer.concat([words(0, 0), Buffer.from('vide', 'latin1'), words(0, 0, 0), Buffer.alloc(1)]);
  const media = box(
    'mdia',
    Buffer.concat([box('mdhd', Buffer.concat([header, words(0)])), box('hdlr', handler), minf(tables)]),
  );
  const trackHeader = Buffer.concat([words(7, 0, 0, 1, 0, samples), Buffer.alloc(60)]);
  const trak = box('trak', Buffer.concat([box('tkhd', trackHeader), media]));
  return box('moov', Buffer.concat([box('mvhd', Buffer.concat([header, Buffer.alloc(80)])), trak]));
}

function minf(tables: readonly Buffer[]): Buffer {
  return box('minf', Buffer.concat([box('vmhd', words(1, 0, 0)), box('stbl', Buffer.concat(tables))]));
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, 4 * i);
  return bytes;
}

function box(type: string, content: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32BE(8 + content.length);
  header.write(type, 4, 'latin1');
  return Buffer.concat([header, content]);
}
