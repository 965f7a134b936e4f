import type { MediaPacket } from '@sluice/media';
import type { Clip, ClipTrack } from './clip.ts';
import { clockUnit, unixUs } from './clock.ts';

/** Packets of one call: a publisher that was held up for long sends what it owes, but not without end. */
const MAX_DUE = 500;

interface Cursor {
  readonly from: ClipTrack;
  next: number;
  /** When the first packet of this round is to be sent, on the publisher's own clock. */
  baseUs: number;
}

/** Gives the packets of a clip at their times, without end, pictures with a clock in front. */
export class ClipPlayer {
  readonly #clip: Clip;
  readonly #cursors: readonly Cursor[];
  readonly #clockEvery: number;
  #pictures = 0;

  /** @param clockEvery one picture in so many has a clock */
  constructor(clip: Clip, clockEvery = 1) {
    this.#clip = clip;
    this.#clockEvery = clockEvery;
    const tracks = clip.audio === undefined ? [clip.video] : [clip.video, clip.audio];
    this.#cursors = tracks.map((from) => ({ from, next: 0, baseUs: 0 }));
  }

  /** The next picture is a key frame, where the clip allows that. */
  restart(): void {
    const [video] = this.#cursors;
    if (!this.#clip.canRestart || video === undefined || video.next === 0) return;
    video.baseUs += video.from.packets[video.next]?.dtsUs ?? 0;
    video.next = 0;
  }

  /**
   * Gives what is due `nowUs` after the beginning, with times from there; its result is how late the oldest of it is,
   * microseconds.
   */
  due(nowUs: number, give: (packet: MediaPacket) => void): number {
    let lateUs = 0;
    for (let given = 0; given < MAX_DUE; given++) {
      const cursor = this.#earliest();
      const packet = cursor?.from.packets[cursor.next];
      if (cursor === undefined || packet === undefined) return lateUs;
      const dueUs = cursor.baseUs + packet.dtsUs;
      if (dueUs > nowUs) return lateUs;
      lateUs = Math.max(lateUs, nowUs - dueUs);
      give(this.#stamped(packet, cursor.baseUs));
      this.#advance(cursor);
    }
    return lateUs;
  }

  #earliest(): Cursor | undefined {
    let earliest: Cursor | undefined;
    let earliestUs = Number.POSITIVE_INFINITY;
    for (const cursor of this.#cursors) {
      const dueUs = cursor.baseUs + (cursor.from.packets[cursor.next]?.dtsUs ?? 0);
      if (dueUs >= earliestUs) continue;
      earliest = cursor;
      earliestUs = dueUs;
    }
    return earliest;
  }

  #advance(cursor: Cursor): void {
    cursor.next++;
    if (cursor.next < cursor.from.packets.length) return;
    cursor.next = 0;
    cursor.baseUs += cursor.from.loopUs;
  }

  #stamped(packet: MediaPacket, baseUs: number): MediaPacket {
    const dtsUs = Math.round(baseUs + packet.dtsUs);
    const ptsUs = Math.round(baseUs + packet.ptsUs);
    if (packet.track.kind === 'audio') return { ...packet, dtsUs, ptsUs };
    const picture = this.#pictures++;
    // Other codecs have no place for it that every server lets through.
    if (packet.track.codec !== 'h264' || picture % this.#clockEvery !== 0) return { ...packet, dtsUs, ptsUs };
    const clock = clockUnit({ sentUs: unixUs(), number: picture / this.#clockEvery });
    const units = [clock, ...packet.units];
    return { ...packet, units, dtsUs, ptsUs, byteLength: packet.byteLength + clock.length };
  }
}
