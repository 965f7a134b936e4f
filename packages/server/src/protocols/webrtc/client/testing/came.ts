import type { MediaPacket } from '@sluice/media';
import { expect } from 'vitest';
import type { Reader, Stream } from '../../../../core/index.ts';
import { numberOf, type Source } from './source.ts';

/** All that a stream gets from now on. */
export function watch(stream: Stream): { readonly packets: MediaPacket[]; readonly reader: Reader } {
  const packets: MediaPacket[] = [];
  const reader: Reader = stream.attach({
    startAt: 'gop',
    onReadable: () => {
      for (let entry = reader.read(); entry !== undefined; entry = reader.read()) packets.push(entry.packet);
    },
    onEnd: () => {},
  });
  return { packets, reader };
}

export const ofKind = (packets: readonly MediaPacket[], kind: 'video' | 'audio') =>
  packets.filter(({ track }) => track.kind === kind);

/**
 * That what came last is what was published, byte for byte, without a hole, key frames as key frames; and that it all
 * began with a key frame. On a busy machine a hole may be in what came before.
 */
export function expectSame(
  came: readonly MediaPacket[],
  source: Source,
  { kind, newest }: { readonly kind: 'video' | 'audio'; readonly newest: number },
): void {
  const all = ofKind(came, kind);
  expect(all.length).toBeGreaterThan(newest);
  expect(all[0]?.key).toBe(true);
  const packets = all.slice(-newest);
  const first = numberOf(packets[0] as MediaPacket);
  const sent = new Map(ofKind(source.published, kind).map((packet) => [numberOf(packet), packet]));
  expect(packets.map(numberOf)).toEqual(packets.map((_, i) => first + i));
  for (const packet of packets) {
    const original = sent.get(numberOf(packet));
    expect(Buffer.concat(packet.units).equals(Buffer.concat(original?.units ?? []))).toBe(true);
    expect(packet.key).toBe(original?.key);
  }
}

/** How much later pictures are than sound of the same moment, milliseconds. */
export function apartMs(came: readonly MediaPacket[]): number {
  const lateMs = (kind: 'video' | 'audio', periodMs: number): number => {
    const newest = ofKind(came, kind).at(-1) as MediaPacket;
    return newest.ptsUs / 1000 - numberOf(newest) * periodMs;
  };
  return lateMs('video', 1000 / 30) - lateMs('audio', 20);
}
