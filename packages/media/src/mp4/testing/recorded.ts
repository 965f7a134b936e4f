import type { ByteSource, InPlacePlan, RewritePlan } from '../../file-plan.ts';
import type { MediaPacket, Track } from '../../packet.ts';
import type { FragmentSample } from '../fmp4.ts';
import { Mp4FragmentWriter, type Mp4FragmentWriterOptions } from '../fragment-writer.ts';

/** A file in memory; `onRead` is told of every read. */
export function memorySource(bytes: Uint8Array, onRead?: (offset: number, length: number) => void): ByteSource {
  return {
    size: bytes.length,
    read: async (offset, length) => {
      onRead?.(offset, length);
      return bytes.subarray(offset, offset + length);
    },
  };
}

/** Packets as they lie in a recording, one second of decoding time to a fragment; times must begin at zero or later. */
export function record(packets: readonly MediaPacket[], options: Mp4FragmentWriterOptions = {}): Uint8Array {
  const tracks = new Map<number, Track>();
  for (const { track } of packets) if (!tracks.has(track.id)) tracks.set(track.id, track);
  const list = [...tracks.values()].sort((a, b) => a.id - b.id);
  const writer = new Mp4FragmentWriter(list, options);
  const parts = [writer.head()];
  const lanes = list.map((track) => ({
    track,
    samples: withDurations(packets.filter((p) => p.track.id === track.id)),
  }));
  const endUs = packets.reduce((end, { dtsUs }) => Math.max(end, dtsUs), 0);
  for (let startUs = 0; startUs <= endUs; startUs += 1e6) {
    const isInside = ({ packet: { dtsUs } }: FragmentSample): boolean => dtsUs >= startUs && dtsUs < startUs + 1e6;
    const entries = lanes.map(({ track, samples }) => ({ track, samples: samples.filter(isInside) }));
    if (entries.some(({ samples }) => samples.length > 0)) parts.push(writer.fragment(entries));
  }
  return joined(parts);
}

/** Packets of one track with durations up to the next one; the last one lasts as long as the one before. */
export function withDurations(packets: readonly MediaPacket[]): FragmentSample[] {
  return packets.map((packet, i) => {
    const neighbour = packets[i + 1] ?? packets[i - 1] ?? packet;
    return { packet, durationUs: Math.abs(neighbour.dtsUs - packet.dtsUs) };
  });
}

/**
 * The file after the first steps of a plan, as a crash after them would leave it.
 * @param steps truncating, appending, and each patch count one; default all
 */
export function finishedInPlace(
  file: Uint8Array,
  { truncateTo, append, patches }: InPlacePlan,
  steps = Number.POSITIVE_INFINITY,
): Uint8Array {
  let result: Uint8Array = steps > 0 ? file.slice(0, truncateTo) : file.slice();
  if (steps > 1) result = joined([result, ...append]);
  for (const { offset, bytes } of patches.slice(0, Math.max(0, steps - 2))) result.set(bytes, offset);
  return result;
}

/** The file that a plan makes. */
export function rewritten(file: Uint8Array, { head, copies }: RewritePlan): Uint8Array {
  return joined([head, ...[...copies()].map(({ offset, length }) => file.subarray(offset, offset + length))]);
}

/** One after the other in memory of their own. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let position = 0;
  for (const part of parts) {
    result.set(part, position);
    position += part.length;
  }
  return result;
}
