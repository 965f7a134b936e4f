import type { Codec } from '../../packet.ts';
import type { CheckedSection } from './sections.ts';

/** More programmes than these are not looked at. */
const MAX_PROGRAMMES = 64;
/** More elementary streams fit in no section. */
const MAX_STREAMS = 64;
const TABLE_PROGRAMMES = 0;
const TABLE_MAP = 2;

const DESCRIPTOR_REGISTRATION = 0x05;
const DESCRIPTOR_EXTENSION = 0x7f;
/** Extension descriptor of Opus, as FFmpeg and GStreamer write it. */
const EXTENSION_OPUS = 0x80;

/** How a codec lies in its elementary stream. */
export type StreamFormat = 'h264' | 'h265' | 'adts' | 'latm' | 'opus';

/** One elementary stream of a programme map. */
export interface ElementaryStream {
  readonly pid: number;
  readonly kind: 'video' | 'audio' | 'other';
  /** Undefined for what can't be carried. */
  readonly format: StreamFormat | undefined;
  readonly codec: Codec | undefined;
  /** For people: `H.264`, `AC-3`, … */
  readonly title: string;
  /** Opus only: `channel_config_code`. */
  readonly opusChannels: number | undefined;
}

type StreamKind = Pick<ElementaryStream, 'kind' | 'format' | 'codec' | 'title'>;

const known = (kind: StreamKind['kind'], title: string, format?: StreamFormat, codec?: Codec): StreamKind => ({
  kind,
  title,
  format,
  codec,
});

/** By `stream_type`, ISO 13818-1 table 2-34, and what ATSC and Blu-ray have put there. */
const STREAM_TYPES: ReadonlyMap<number, StreamKind> = new Map([
  [0x01, known('video', 'MPEG-1 video')],
  [0x02, known('video', 'MPEG-2 video')],
  [0x03, known('audio', 'MPEG audio')],
  [0x04, known('audio', 'MPEG audio')],
  [0x0f, known('audio', 'AAC', 'adts', 'aac')],
  [0x10, known('video', 'MPEG-4 part 2 video')],
  [0x11, known('audio', 'AAC (LATM)', 'latm', 'aac')],
  [0x1b, known('video', 'H.264', 'h264', 'h264')],
  [0x21, known('video', 'JPEG 2000')],
  [0x24, known('video', 'H.265', 'h265', 'h265')],
  [0x33, known('video', 'H.266')],
  [0x42, known('video', 'AVS video')],
  [0x81, known('audio', 'AC-3')],
  [0x82, known('audio', 'DTS')],
  [0x83, known('audio', 'Dolby TrueHD')],
  [0x84, known('audio', 'E-AC-3')],
  [0x87, known('audio', 'E-AC-3')],
  [0xcf, known('audio', 'encrypted AAC')],
  [0xdb, known('video', 'encrypted H.264')],
  [0xea, known('video', 'VC-1 video')],
]);

/** Private data (stream type 6 and such) by its registration descriptor (§2.6.8). */
const REGISTRATIONS: ReadonlyMap<string, StreamKind> = new Map([
  ['Opus', known('audio', 'Opus', 'opus', 'opus')],
  ['HEVC', known('video', 'H.265', 'h265', 'h265')],
  ['AC-3', known('audio', 'AC-3')],
  ['EAC3', known('audio', 'E-AC-3')],
  ['AC-4', known('audio', 'AC-4')],
  ['DTS1', known('audio', 'DTS')],
  ['DTS2', known('audio', 'DTS')],
  ['DTS3', known('audio', 'DTS')],
  ['BSSD', known('audio', 'SMPTE 302M')],
  ['AV01', known('video', 'AV1')],
  ['VC-1', known('video', 'VC-1 video')],
  ['drac', known('video', 'Dirac')],
]);

/** DVB's descriptors of sound in private data (EN 300 468 §6.1). */
const DVB_AUDIO: ReadonlyMap<number, string> = new Map([
  [0x6a, 'AC-3'],
  [0x7a, 'E-AC-3'],
  [0x7b, 'DTS'],
]);

const OTHER: StreamKind = known('other', 'data');

/** What a programme association section (§2.4.4.3) lists, in its order. */
export function programmesOf({ tableId, body }: CheckedSection): { number: number; mapPid: number }[] {
  const programmes: { number: number; mapPid: number }[] = [];
  if (tableId !== TABLE_PROGRAMMES) return programmes;
  for (let at = 0; at + 4 <= body.length && programmes.length < MAX_PROGRAMMES; at += 4) {
    const number = u16(body, at);
    // Programme 0 is the network's.
    if (number !== 0) programmes.push({ number, mapPid: u16(body, at + 2) & 0x1fff });
  }
  return programmes;
}

/** The elementary streams of a programme map section (§2.4.4.8), in its order; undefined when it is another table. */
export function elementaryStreamsOf({ tableId, body }: CheckedSection): ElementaryStream[] | undefined {
  if (tableId !== TABLE_MAP) return undefined;
  const streams: ElementaryStream[] = [];
  let at = 4 + (u16(body, 2) & 0x0fff);
  while (at + 5 <= body.length && streams.length < MAX_STREAMS) {
    const end = at + 5 + (u16(body, at + 3) & 0x0fff);
    const descriptors = body.subarray(at + 5, Math.min(end, body.length));
    streams.push(elementaryStream(body[at] ?? 0, u16(body, at + 1) & 0x1fff, descriptors));
    at = end;
  }
  return streams;
}

function elementaryStream(streamType: number, pid: number, descriptors: Uint8Array): ElementaryStream {
  let kind = STREAM_TYPES.get(streamType);
  let opusChannels: number | undefined;
  for (const { tag, data } of eachDescriptor(descriptors)) {
    if (tag === DESCRIPTOR_REGISTRATION) kind ??= REGISTRATIONS.get(String.fromCharCode(...data.subarray(0, 4)));
    else if (tag === DESCRIPTOR_EXTENSION && data[0] === EXTENSION_OPUS) opusChannels = data[1];
    const dvb = DVB_AUDIO.get(tag);
    if (dvb !== undefined) kind ??= known('audio', dvb);
  }
  return { pid, ...(kind ?? OTHER), opusChannels };
}

function* eachDescriptor(bytes: Uint8Array): Iterable<{ tag: number; data: Uint8Array }> {
  for (let at = 0; at + 2 <= bytes.length; ) {
    const end = at + 2 + (bytes[at + 1] ?? 0);
    yield { tag: bytes[at] ?? 0, data: bytes.subarray(at + 2, end) };
    at = end;
  }
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
