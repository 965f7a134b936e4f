import type { ByteSource } from '../../file-plan.ts';
import type { MediaPacket, Track } from '../../packet.ts';
import { Mp4FragmentWriter } from '../fragment-writer.ts';
import { withDurations } from './recorded.ts';

/** What {@link longRecording} is made of. */
export interface LongRecordingOptions {
  readonly seconds: number;
  readonly pictures: Track;
  readonly sound: Track;
  /** Length of one second in the file. */
  readonly bytesPerSecond: number;
  readonly pictureSize: { readonly width: number; readonly height: number };
}

/**
 * A recording with fragments of a second and a key frame in each, as long and as large as wanted, without taking
 * memory: 30 pictures and 48 frames of sound a second, all of zeros. Every fragment is the same but for its times.
 */
export function longRecording({
  seconds,
  pictures,
  sound,
  bytesPerSecond,
  pictureSize,
}: LongRecordingOptions): ByteSource {
  const writer = new Mp4FragmentWriter([pictures, sound], { pictureSize });
  const head = writer.head();
  const sizeOf = (index: number): number => Math.floor(bytesPerSecond / 100) + (index % 7);
  const packet = (track: Track, index: number, perSecond: number): MediaPacket => {
    const ptsUs = Math.round((index * 1e6) / perSecond);
    const isKey = track.kind === 'audio' || index === 0;
    const byteLength = sizeOf(index);
    return { track, units: [new Uint8Array(byteLength)], ptsUs, dtsUs: ptsUs, key: isKey, byteLength };
  };
  const samples = (track: Track, perSecond: number) => {
    const all = withDurations(Array.from({ length: perSecond + 1 }, (_, index) => packet(track, index, perSecond)));
    return { track, samples: all.slice(0, perSecond) };
  };
  const fragment = writer.fragment([samples(pictures, 30), samples(sound, 48)]);
  // Its last name of a box is that of the media, which is left out: zeros.
  const template = fragment.slice(0, Math.max(...placesOf(fragment, 'mdat')));
  const times = placesOf(template, 'tfdt').map((at, index) => ({
    at: at + 4,
    ticks: (index === 0 ? pictures : sound).clockRate,
  }));

  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const result = new Uint8Array(length);
    if (offset < head.length) result.set(head.subarray(offset, offset + length));
    const first = Math.max(0, Math.floor((offset - head.length) / fragment.length));
    const last = Math.min(seconds - 1, Math.floor((offset + length - 1 - head.length) / fragment.length));
    for (let second = first; second <= last; second++) {
      const bytes = template.slice();
      const view = new DataView(bytes.buffer);
      for (const { at, ticks } of times) view.setBigUint64(at, BigInt(second * ticks));
      place(result, bytes, head.length + second * fragment.length - offset);
    }
    return result;
  };
  return { size: head.length + seconds * fragment.length, read };
}

/** A file that begins with some bytes; the rest are zeros. */
export function sparseSource(head: Uint8Array, size: number): ByteSource {
  return {
    size,
    read: async (offset, length) => {
      const result = new Uint8Array(length);
      place(result, head, -offset);
      return result;
    },
  };
}

/** Copies what fits of `bytes` to a place in `target` that may lie outside of it. */
function place(target: Uint8Array, bytes: Uint8Array, at: number): void {
  const start = Math.max(0, -at);
  const end = Math.min(bytes.length, target.length - at);
  if (start < end) target.set(bytes.subarray(start, end), at + start);
}

/** Where the contents of all boxes of a type begin, found by their names. */
function placesOf(bytes: Uint8Array, type: string): number[] {
  const name = [0, 1, 2, 3].map((index) => type.charCodeAt(index));
  const places: number[] = [];
  for (let at = 4; at + 4 <= bytes.length; at++) {
    if (name.every((letter, index) => bytes[at + index] === letter)) places.push(at + 4);
  }
  return places;
}
