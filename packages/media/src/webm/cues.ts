import { badFile, childElements, uintOf } from './ebml-reader.ts';
import { EbmlWriter } from './ebml-writer.ts';
import { ID } from './element-ids.ts';

/** A place to begin (RFC 9559 §5.1.5.1). */
export interface Cue {
  readonly trackNumber: number;
  /** Time in units of TimestampScale. */
  readonly ticks: number;
  /** Where its cluster begins, from the beginning of the segment's content. */
  readonly clusterPosition: number;
}

/** Writes a Cues element; `cues` must be in the order of time. */
export function writeCues(cues: readonly Cue[]): Uint8Array {
  const writer = new EbmlWriter(16 + 32 * cues.length);
  writer.master(ID.cues, () => {
    for (const { trackNumber, ticks, clusterPosition } of cues) {
      writer.master(ID.cuePoint, () => {
        writer.uint(ID.cueTime, ticks);
        writer.master(ID.cueTrackPositions, () => {
          writer.uint(ID.cueTrack, trackNumber);
          writer.uint(ID.cueClusterPosition, clusterPosition);
        });
      });
    }
  });
  return writer.finish();
}

/** The places of one track, in the order of time. */
export class CueIndex {
  readonly #ticks: Float64Array;
  readonly #positions: Float64Array;

  private constructor(ticks: Float64Array, positions: Float64Array) {
    this.#ticks = ticks;
    this.#positions = positions;
  }

  /**
   * Reads the content of a Cues element.
   * @throws ProtocolError WEBM_BAD_FILE
   */
  static parse(content: Uint8Array, trackNumber: number): CueIndex {
    const found: { ticks: number; position: number }[] = [];
    for (const point of childElements(content)) {
      if (point.id !== ID.cuePoint) continue;
      let ticks: number | undefined;
      for (const { id, content: field } of childElements(point.content)) {
        if (id === ID.cueTime) ticks = uintOf(field);
        if (id !== ID.cueTrackPositions) continue;
        const position = clusterPositionOf(field, trackNumber);
        if (position === undefined) continue;
        if (ticks === undefined) throw badFile('a cue without time');
        found.push({ ticks, position });
      }
    }
    found.sort((a, b) => a.ticks - b.ticks);
    return new CueIndex(
      Float64Array.from(found, ({ ticks }) => ticks),
      Float64Array.from(found, ({ position }) => position),
    );
  }

  /** Position of the cluster of the last place at or before `ticks`; undefined when all are later. */
  before(ticks: number): number | undefined {
    let low = 0;
    let high = this.#ticks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ticks[middle] ?? 0) <= ticks) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? undefined : this.#positions[low - 1];
  }
}

function clusterPositionOf(content: Uint8Array, trackNumber: number): number | undefined {
  let position: number | undefined;
  let isWanted = false;
  for (const { id, content: field } of childElements(content)) {
    if (id === ID.cueTrack) isWanted = uintOf(field) === trackNumber;
    if (id === ID.cueClusterPosition) position = uintOf(field);
  }
  return isWanted ? position : undefined;
}
