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

/** That what came is what was published, byte for byte, without a hole, key frames as key frames. */
export function expectSame(
  came: readonly MediaPacket[],
  source: Source,
  kind: 'video' | 'audio',
  atLeast: number,
): void {
  const packets = ofKind(came, kind);
  expect(packets.length).toBeGreaterThan(atLeast);
  const first = numberOf(packets[0] as MediaPacket);
  const sent = new Map(ofKind(source.published, kind).map((packet) => [numberOf(packet), packet]));
  for (const [i, packet] of packets.entries()) {
    const original = sent.get(first + i);
    expect(numberOf(packet)).toBe(first + i);
    expect(Buffer.concat(packet.units)).toEqual(Buffer.concat(original?.units ?? []));
    expect(packet.key).toBe(original?.key);
  }
  expect(packets[0]?.key).toBe(true);
}

/** How much later pictures are than sound of the same moment, milliseconds. */
export function apartMs(came: readonly MediaPacket[]): number {
  const lateMs = (kind: 'video' | 'audio', periodMs: number): number => {
    const newest = ofKind(came, kind).at(-1) as MediaPacket;
    return newest.ptsUs / 1000 - numberOf(newest) * periodMs;
  };
  return lateMs('video', 1000 / 30) - lateMs('audio', 20);
}
