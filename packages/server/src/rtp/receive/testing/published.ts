import type { MediaPacket } from '@sluice/media';
import { numberOf, type ScriptedPublisher, type Sent } from './scripted-publisher.ts';

/** How long most tests let a publisher publish. */
export const RUN_MS = 10_000;

/** Loses video media packets (not retransmissions) whose index the test picks. */
export function losing(isLost: (index: number) => boolean): (sent: Sent) => number | undefined {
  return ({ kind, rtx, index }) => (kind === 'video' && !rtx && isLost(index) ? undefined : 10);
}

/** The numbers of the pictures in the stream. */
export function pictures(publisher: ScriptedPublisher): number[] {
  return publisher.published.filter(({ track }) => track.kind === 'video').map(numberOf);
}

/** The numbers of the pieces of sound in the stream. */
export function sounds(publisher: ScriptedPublisher): number[] {
  return publisher.published.filter(({ track }) => track.kind === 'audio').map(numberOf);
}

/** The numbers from 0 to below `count`. */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** Packets of the stream that come before others in time or order although they are after them: should be none. */
export function outOfOrder(publisher: ScriptedPublisher): MediaPacket[] {
  return (['video', 'audio'] as const).flatMap((kind) =>
    publisher.published
      .filter(({ track }) => track.kind === kind)
      .filter((packet, index, packets) => {
        const before = packets[index - 1];
        if (packet.ptsUs < packet.dtsUs) return true;
        return before !== undefined && (packet.dtsUs < before.dtsUs || numberOf(packet) <= numberOf(before));
      }),
  );
}

/** Numbers of the lane that no packet has. */
export function holes(packets: readonly { readonly sequence: number }[]): number {
  const numbers = packets.map(({ sequence }) => sequence);
  return Math.max(...numbers) - Math.min(...numbers) + 1 - new Set(numbers).size;
}

/** How far pictures are after sound of the same moment, milliseconds, by their numbers. */
export function apartMs(publisher: ScriptedPublisher): number {
  const lateMs = (kind: 'video' | 'audio', periodMs: number): number => {
    const newest = publisher.published.findLast(({ track }) => track.kind === kind);
    return newest === undefined ? Number.NaN : newest.ptsUs / 1000 - numberOf(newest) * periodMs;
  };
  return lateMs('video', 1000 / 30) - lateMs('audio', 20);
}
