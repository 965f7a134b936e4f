import { joinBytes, writeU16 } from '../bytes.ts';
import type { RtpPayload } from './format.ts';
import { evenPieces } from './pieces.ts';

/** How H.264 and H.265 join and divide NAL units. */
export interface NalAggregation {
  /** Bytes of a NAL unit header, and of the header of an aggregation packet. */
  readonly headerBytes: number;
  readonly aggregateHeader: (units: readonly Uint8Array[]) => Uint8Array;
  /** What goes before a fragment in the place of the unit's header. */
  readonly fragmentHeader: (unit: Uint8Array, about: { first: boolean; last: boolean }) => Uint8Array;
}

/** Bytes of the length before each unit of an aggregation packet. */
const LENGTH_BYTES = 2;

/**
 * The payloads of one access unit: neighbours that fit together are aggregated, units that do not fit are fragmented,
 * into pieces of about the same size. Without a format each unit is a payload, whatever its length.
 */
export function packetizeNalUnits(
  units: readonly Uint8Array[],
  options: { key: boolean; maxPayloadBytes: number; format: NalAggregation | undefined },
): RtpPayload[] {
  const { key, maxPayloadBytes, format } = options;
  const payloads: Uint8Array[] = [];
  let position = 0;
  while (position < units.length) {
    const unit = units[position];
    if (unit === undefined) break;
    if (format !== undefined && unit.length > maxPayloadBytes) {
      pushFragments(payloads, unit, { maxPayloadBytes, format });
      position += 1;
      continue;
    }
    const end = format === undefined ? position + 1 : aggregateEnd(units, position, { maxPayloadBytes, format });
    payloads.push(format && end > position + 1 ? aggregate(units.slice(position, end), format) : unit);
    position = end;
  }
  return payloads.map((payload, index) => ({
    payload,
    marker: index === payloads.length - 1,
    startPoint: key && index === 0,
    timestampOffset: 0,
  }));
}

interface Limits {
  readonly maxPayloadBytes: number;
  readonly format: NalAggregation;
}

/** Where the units end that fit into one aggregation packet from `start` on; at least one unit on. */
function aggregateEnd(units: readonly Uint8Array[], start: number, { maxPayloadBytes, format }: Limits): number {
  let bytes = format.headerBytes;
  let end = start;
  for (; end < units.length; end += 1) {
    bytes += LENGTH_BYTES + (units[end]?.length ?? 0);
    if (bytes > maxPayloadBytes) break;
  }
  return Math.max(end, start + 1);
}

function aggregate(units: readonly Uint8Array[], format: NalAggregation): Uint8Array {
  const header = format.aggregateHeader(units);
  let length = header.length;
  for (const unit of units) length += LENGTH_BYTES + unit.length;
  const payload = new Uint8Array(length);
  payload.set(header);
  let position = header.length;
  for (const unit of units) {
    writeU16(payload, position, unit.length);
    payload.set(unit, position + LENGTH_BYTES);
    position += LENGTH_BYTES + unit.length;
  }
  return payload;
}

function pushFragments(payloads: Uint8Array[], unit: Uint8Array, { maxPayloadBytes, format }: Limits): void {
  const { headerBytes } = format;
  const pieces = evenPieces(unit.subarray(headerBytes), maxPayloadBytes - headerBytes - 1);
  for (const [index, piece] of pieces.entries()) {
    payloads.push(
      joinBytes([format.fragmentHeader(unit, { first: index === 0, last: index === pieces.length - 1 }), piece]),
    );
  }
}
