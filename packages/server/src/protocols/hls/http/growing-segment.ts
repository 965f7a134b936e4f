import { partOf } from '../answer.ts';
import type { HlsPackager } from '../packager.ts';
import type { HlsTrack } from '../position.ts';
import { type DeskParts, waitUntilMs } from './desk.ts';
import type { Exchange } from './exchange.ts';

/** A segment that grows, and who gets it. */
export interface GrowingSegment {
  readonly packager: HlsPackager;
  readonly track: HlsTrack;
  readonly msn: number;
  readonly exchange: Exchange;
  /** Is told of each piece that was sent. */
  sent(bytes: number): void;
}

/**
 * Sends a segment while it is being made, part after part (chunked transfer of CMAF chunks). It ends with the segment; a
 * client whose segment does not come to its end sees that its answer was broken off.
 */
export class GrowingAnswer {
  readonly #parts: Pick<DeskParts, 'room'>;
  readonly #segment: GrowingSegment;
  /** Parts sent, and their bytes. */
  #count = 0;
  #bytes = 0;

  constructor(parts: Pick<DeskParts, 'room'>, segment: GrowingSegment) {
    this.#parts = parts;
    this.#segment = segment;
  }

  /** Goes on with what has come; the head of the answer was sent. */
  send(): void {
    const { packager, track, msn, exchange } = this.#segment;
    if (exchange.over) return;
    const whole = packager.media({ kind: 'segment', track, msn });
    if (whole === 'coming') {
      this.#sendParts();
      this.#wait();
      return;
    }
    if (whole === undefined || whole === 'archived') {
      exchange.drop();
      return;
    }
    for (const piece of partOf(whole, this.#bytes, Number.POSITIVE_INFINITY)) this.#write(piece);
    exchange.end();
  }

  #sendParts(): void {
    const { packager, track, msn } = this.#segment;
    for (;;) {
      const pieces = packager.media({ kind: 'part', track, msn, part: this.#count });
      const hasCome = typeof pieces === 'object';
      if (!hasCome && !this.#isEmpty(this.#count)) return;
      if (hasCome) for (const piece of pieces) this.#write(piece);
      this.#count++;
    }
  }

  /** True for a part that has come and has nothing of this track. */
  #isEmpty(part: number): boolean {
    const { packager, msn } = this.#segment;
    const newest = packager.position();
    return newest?.msn === msn && newest.part !== undefined && part <= newest.part;
  }

  #write(piece: Uint8Array): void {
    this.#bytes += piece.byteLength;
    this.#segment.exchange.write(piece);
    this.#segment.sent(piece.byteLength);
  }

  /** Waits for the next part or the end of the segment. */
  #wait(): void {
    const { packager, track, msn, exchange } = this.#segment;
    const part = this.#count;
    const drop = (): void => exchange.drop();
    const entered = this.#parts.room.enter(
      {
        source: packager,
        key: `${track} ${msn}.${part}`,
        subscribe: (wake) =>
          either(packager.onceAvailable(msn, part, wake), packager.onceAvailable(msn, undefined, wake)),
      },
      { exchange, untilMs: waitUntilMs(packager.targetSeconds), ready: () => this.send(), giveUp: drop },
    );
    if (entered !== 'entered') drop();
  }
}

function either(one: Disposable | undefined, other: Disposable | undefined): Disposable | undefined {
  const both = [one, other];
  const dispose = (): void => {
    for (const each of both) each?.[Symbol.dispose]();
  };
  if (one !== undefined && other !== undefined) return { [Symbol.dispose]: dispose };
  dispose();
  return undefined;
}
