import { BitReader } from '../codec/bits.ts';
import { ProtocolError } from '../packet.ts';
import { type TemporalMark, temporalMark } from './payload/temporal-mark.ts';

/** Of the extension without optional parts: flags with the template's number, and the frame's number. */
const MANDATORY_BYTES = 3;
const MAX_TEMPLATES = 64;
const MAX_TEMPORAL_LAYERS = 8;
const NEXT_TEMPORAL = 1;
const NEXT_SPATIAL = 2;
const NO_MORE = 3;
const NOT_PRESENT = 0;
const DISCARDABLE = 1;
const SWITCH = 2;

interface Template {
  readonly temporalId: number;
  /** For each decode target: not present, discardable, switch or required. */
  readonly indications: readonly number[];
}

interface Structure {
  readonly offset: number;
  readonly templates: readonly Template[];
  /** By decode target: the highest temporal layer that it needs. */
  readonly targetTemporalIds: readonly number[];
  /** By temporal layer: true for one of whose frames none refers to another one of it, so that each can be gone on with. */
  readonly loose: readonly boolean[];
}

/**
 * Reads the dependency descriptors of one source (AV1 RTP specification, appendix A), so far as they tell of temporal
 * layers. Frames refer to templates, which come with key frames: those that came last are remembered, at most 64.
 */
export class DependencyDescriptors {
  #structure: Structure | undefined;

  /**
   * Takes the value of the header extension. Any bytes are taken.
   * @returns undefined while the templates that it refers to are unknown, and for broken ones
   */
  read(value: Uint8Array): TemporalMark | undefined {
    if (value.length < MANDATORY_BYTES) return undefined;
    const id = (value[0] ?? 0) & 0x3f;
    let own: readonly number[] | undefined;
    if (value.length > MANDATORY_BYTES) {
      try {
        own = this.#extended(value);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        return undefined;
      }
    }
    return this.#markOf(id, own);
  }

  /** Takes what is optional; gives the frame's own indications, where it does not use those of its template. */
  #extended(value: Uint8Array): readonly number[] | undefined {
    const reader = new BitReader(value.subarray(MANDATORY_BYTES));
    const hasStructure = reader.flag();
    const hasActiveTargets = reader.flag();
    const hasIndications = reader.flag();
    // Frames' own distances and chains.
    reader.bits(2);
    // What follows the structure needs more of it than is read here: key frames can be gone on with anyway.
    if (hasStructure) this.#structure = readStructure(reader);
    if (hasStructure || !hasIndications || this.#structure === undefined) return undefined;
    const targets = this.#structure.targetTemporalIds.length;
    if (hasActiveTargets) reader.bits(targets);
    return Array.from({ length: targets }, () => reader.bits(2));
  }

  #markOf(id: number, own: readonly number[] | undefined): TemporalMark | undefined {
    const structure = this.#structure;
    if (structure === undefined) return undefined;
    const template = structure.templates[(id + MAX_TEMPLATES - structure.offset) % MAX_TEMPLATES];
    if (template === undefined) return undefined;
    const target = structure.targetTemporalIds.indexOf(template.temporalId);
    const isStart = (own ?? template.indications)[target] === SWITCH || structure.loose[template.temporalId] === true;
    return temporalMark(template.temporalId, isStart);
  }
}

function readStructure(reader: BitReader): Structure {
  const offset = reader.bits(6);
  const targets = reader.bits(5) + 1;
  const temporalIds = readTemporalIds(reader);
  const templates = temporalIds.map((temporalId) => ({
    temporalId,
    indications: Array.from({ length: targets }, () => reader.bits(2)),
  }));
  const targetTemporalIds = Array.from({ length: targets }, (_, target) =>
    templates.reduce(
      (highest, { temporalId, indications }) =>
        indications[target] === NOT_PRESENT ? highest : Math.max(highest, temporalId),
      0,
    ),
  );
  const loose = Array.from({ length: MAX_TEMPORAL_LAYERS }, (_, layer) => {
    const target = targetTemporalIds.indexOf(layer);
    return templates.every(
      ({ temporalId, indications }) => temporalId !== layer || indications[target] === DISCARDABLE,
    );
  });
  return { offset, templates, targetTemporalIds, loose };
}

/** The temporal layer of each template: they are in order of spatial, then temporal layers. */
function readTemporalIds(reader: BitReader): number[] {
  const temporalIds: number[] = [];
  let temporalId = 0;
  for (;;) {
    temporalIds.push(temporalId);
    if (temporalIds.length > MAX_TEMPLATES) throw badDescriptor('more than 64 templates');
    const next = reader.bits(2);
    if (next === NO_MORE) return temporalIds;
    if (next === NEXT_TEMPORAL) temporalId++;
    else if (next === NEXT_SPATIAL) temporalId = 0;
    if (temporalId >= MAX_TEMPORAL_LAYERS) throw badDescriptor('more than 8 temporal layers');
  }
}

function badDescriptor(reason: string): ProtocolError {
  return new ProtocolError('RTP_BAD_DESCRIPTOR', `bad dependency descriptor: ${reason}`);
}
