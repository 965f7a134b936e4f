import type { ByteSource } from '../file-plan.ts';
import { ProtocolError } from '../packet.ts';

/** How samples are stored, or a format's number in hexadecimal for those that can't be read here. */
export type WavCoding = 'int' | 'float' | 'pcma' | 'pcmu' | `0x${string}`;

/** What a WAVE file says of its samples, and where they are. */
export interface WavHead {
  readonly coding: WavCoding;
  readonly channels: number;
  readonly sampleRate: number;
  /** Of one sample of one channel as it is stored, with padding. */
  readonly bytesPerSample: number;
  /** Of the samples in the file, whole ones of all channels only. */
  readonly dataOffset: number;
  readonly dataBytes: number;
}

const CHUNK_HEADER_BYTES = 8;
const FORMAT_BYTES = 16;
/** With cbSize, valid bits, mask of channels and GUID (WAVEFORMATEXTENSIBLE). */
const EXTENSIBLE_BYTES = 40;
/** Other chunks than these are stepped over; a file that consists of them is not read to its end. */
const MAX_CHUNKS = 1024;
/** A size that is unknown, or in `ds64` (EBU Tech 3306 §2). */
const ELSEWHERE = 0xffff_ffff;
const EXTENSIBLE = 0xfffe;
const CODINGS: Readonly<Record<number, WavCoding>> = { 1: 'int', 3: 'float', 6: 'pcma', 7: 'pcmu' };
const MAX_CHANNELS = 64;
const MAX_SAMPLE_RATE = 768_000;

/** What a file breaks. */
export function badWav(why: string): ProtocolError {
  return new ProtocolError('WAV_BAD_FILE', `broken WAV file: ${why}`);
}

/**
 * Reads what stands before the samples: RIFF, and RF64 or BW64 for files over 4 GiB. A size that the writer never filled
 * in means the rest of the file, and so does one beyond its end.
 * @throws ProtocolError WAV_BAD_FILE, and what the source rejects with
 */
export async function readWavHead(source: ByteSource): Promise<WavHead> {
  const riff = await piece(source, 0, 12);
  if (!['RIFF', 'RF64', 'BW64'].includes(name(riff, 0)) || name(riff, 8) !== 'WAVE') throw badWav('it is no WAVE');
  let format: Omit<WavHead, 'dataOffset' | 'dataBytes'> | undefined;
  let longDataBytes: number | undefined;
  let offset = 12;
  for (let count = 0; count < MAX_CHUNKS && offset + CHUNK_HEADER_BYTES <= source.size; count++) {
    const header = await piece(source, offset, CHUNK_HEADER_BYTES);
    const bytes = header.getUint32(4, true);
    const at = offset + CHUNK_HEADER_BYTES;
    const id = name(header, 0);
    if (id === 'ds64' && bytes >= 16) longDataBytes = Number((await piece(source, at + 8, 8)).getBigUint64(0, true));
    else if (id === 'fmt ') format = await readFormat(source, at, bytes);
    else if (id === 'data') {
      if (format === undefined) throw badWav('its samples come before their format');
      // A recorder that was cut off has left both sizes as they were before the first sample.
      const unfinished = bytes === 0 && riff.getUint32(4, true) + CHUNK_HEADER_BYTES <= at;
      const said = bytes === ELSEWHERE || unfinished ? (longDataBytes ?? Number.POSITIVE_INFINITY) : bytes;
      const frameBytes = format.channels * format.bytesPerSample;
      const there = Math.min(said, source.size - at);
      return { ...format, dataOffset: at, dataBytes: there - (there % frameBytes) };
    }
    // Chunks begin at even places.
    offset = at + bytes + (bytes % 2);
  }
  throw badWav('it has no samples');
}

async function readFormat(source: ByteSource, at: number, bytes: number) {
  if (bytes < FORMAT_BYTES) throw badWav(`a format of ${bytes} bytes`);
  const view = await piece(source, at, Math.min(bytes, EXTENSIBLE_BYTES));
  const tag = view.getUint16(0, true);
  const channels = view.getUint16(2, true);
  const sampleRate = view.getUint32(4, true);
  const blockBytes = view.getUint16(12, true);
  // The first two bytes of the GUID are the tag that it stands for.
  const plain = tag === EXTENSIBLE && view.byteLength >= 26 ? view.getUint16(24, true) : tag;
  if (channels === 0 || channels > MAX_CHANNELS) throw badWav(`${channels} channels`);
  if (sampleRate === 0 || sampleRate > MAX_SAMPLE_RATE) throw badWav(`${sampleRate} samples a second`);
  const known = CODINGS[plain];
  const bytesPerSample = blockBytes / channels;
  if (known !== undefined && !isStorable(known, bytesPerSample))
    throw badWav(`blocks of ${blockBytes} bytes for ${channels} channels`);
  const coding = known ?? (`0x${plain.toString(16).padStart(4, '0')}` as const);
  return { coding, channels, sampleRate, bytesPerSample: known === undefined ? 1 : bytesPerSample };
}

function isStorable(coding: WavCoding, bytes: number): boolean {
  if (coding === 'int') return [1, 2, 3, 4].includes(bytes);
  return coding === 'float' ? bytes === 4 || bytes === 8 : bytes === 1;
}

async function piece(source: ByteSource, offset: number, length: number): Promise<DataView> {
  const bytes = offset + length > source.size ? new Uint8Array() : await source.read(offset, length);
  if (bytes.length !== length) throw badWav(`it ends before byte ${offset + length}`);
  return new DataView(bytes.buffer, bytes.byteOffset, length);
}

function name(view: DataView, at: number): string {
  return String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(at + i)));
}
