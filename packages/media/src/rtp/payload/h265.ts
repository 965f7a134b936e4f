import { isCompleteH265, writeHevcConfig } from '../../codec/h265.ts';
import { canonicalH265Units, H265_SPS, H265_VPS, h265NalType } from '../../codec/h265-nal.ts';
import { ProtocolError } from '../../packet.ts';
import { readU16 } from '../bytes.ts';
import type { RtpDepacketizer, RtpPacketizer } from './format.ts';
import { FrameDepacketizer } from './frame-depacketizer.ts';
import { type NalFormat, NalFrame } from './nal-frame.ts';
import { type NalAggregation, packetizeNalUnits } from './nal-packetizer.ts';

/** Payload structures of RFC 7798 §4.4; 0 to 47 are single NAL units. */
const AGGREGATION = 48;
const FRAGMENT = 49;
const PACI = 50;
const HEADER_BYTES = 2;
const FU_START = 0x80;
const FU_END = 0x40;

const FIRST_NOT_SLICE = 32;
const FIRST_IRAP = 16;
const LAST_IRAP = 23;

const FORMAT: NalFormat = {
  unpack,
  canonical: canonicalH265Units,
  isSlice: (unit) => h265NalType(unit) < FIRST_NOT_SLICE,
  isFirstSlice: (unit) => h265NalType(unit) < FIRST_NOT_SLICE && isFirstSegment(unit, HEADER_BYTES),
  continues: (payload) => {
    const type = h265NalType(payload);
    if (type !== FRAGMENT) return type < FIRST_NOT_SLICE && !isFirstSegment(payload, HEADER_BYTES);
    const head = payload[2] ?? 0;
    return (head & 0x3f) < FIRST_NOT_SLICE && ((head & FU_START) === 0 || !isFirstSegment(payload, 3));
  },
  parameterKind: h265NalType,
  isComplete: (parameters) => isCompleteH265(parameters) && writeHevcConfig(parameters).length > 0,
};

/** first_slice_segment_in_pic_flag, the first bit behind the header. */
function isFirstSegment(data: Uint8Array, offset: number): boolean {
  return ((data[offset] ?? 0) & 0x80) !== 0;
}

/**
 * Puts H.265 access units together, RFC 7798 without decoding order numbers (`sprop-max-don-diff` 0, which is what
 * everyone sends). PACI packets are refused with H265_UNSUPPORTED_PAYLOAD, what is broken with H265_BAD_PAYLOAD.
 * @param parameters VPS, SPS and PPS that the session description gave (`sprop-vps` ...), as the track has them.
 * @param startCodes True to take units with start codes apart, as some cameras send them, and to find out those that
 *   set the marker on each slice (RTP_EARLY_MARKER, once); costs a look at each byte.
 */
export function h265Depacketizer(parameters: readonly Uint8Array[] = [], startCodes = false): RtpDepacketizer {
  return new FrameDepacketizer(new NalFrame(FORMAT, { parameters, startCodes }));
}

function unpack(payload: Uint8Array, frame: NalFrame): void {
  const type = h265NalType(payload);
  if (payload.length <= HEADER_BYTES) throw badPayload(`${payload.length} bytes`);
  if (type < AGGREGATION) frame.addUnit(payload);
  else if (type === AGGREGATION) for (const unit of splitAggregation(payload)) frame.addUnit(unit);
  else if (type === FRAGMENT) {
    const head = payload[2] ?? 0;
    const fragmentType = head & 0x3f;
    if (payload.length < 4) throw badPayload('a fragment without data');
    if (fragmentType >= AGGREGATION) throw badPayload(`a fragment of type ${fragmentType}`);
    frame.addFragment(payload.subarray(3), {
      header: Uint8Array.of(((payload[0] ?? 0) & 0x81) | (fragmentType << 1), payload[1] ?? 0),
      first: (head & FU_START) !== 0,
      last: (head & FU_END) !== 0,
    });
  } else if (type === PACI) throw new ProtocolError('H265_UNSUPPORTED_PAYLOAD', 'H.265 with PACI packets');
  else throw badPayload(`payload structure ${type}`);
}

/** Views of the NAL units in an aggregation packet, RFC 7798 §4.4.2; empty ones are left out. */
function splitAggregation(payload: Uint8Array): Uint8Array[] {
  const units: Uint8Array[] = [];
  let position = HEADER_BYTES;
  while (position < payload.length) {
    const start = position + 2;
    const end = start + readU16(payload, position);
    if (start > payload.length || end > payload.length) throw badPayload('an aggregation packet is cut off');
    const unit = payload.subarray(start, end);
    if (h265NalType(unit) >= AGGREGATION) throw badPayload('a payload structure in an aggregation packet');
    if (unit.length > 0) units.push(unit);
    position = end;
  }
  return units;
}

/**
 * Divides H.265 access units as RFC 7798 says, with the parameter sets of the track in front of each key frame: small
 * units are aggregated, the parameter sets with what follows them, and those that do not fit are fragmented.
 */
export function h265Packetizer(): RtpPacketizer {
  return {
    packetize(packet, maxPayloadBytes) {
      const units = packet.key ? [...packet.track.parameters, ...packet.units] : packet.units;
      return packetizeNalUnits(units, { key: packet.key, maxPayloadBytes, format: PACKETS });
    },
  };
}

const PACKETS: NalAggregation = {
  headerBytes: HEADER_BYTES,
  /** The forbidden bit of any, the lowest layer and temporal ID (§4.4.2). */
  aggregateHeader(units) {
    let forbidden = 0;
    let layer = 63;
    let temporalId = 7;
    for (const [first = 0, second = 0] of units) {
      forbidden |= first & 0x80;
      layer = Math.min(layer, ((first & 1) << 5) | (second >> 3));
      temporalId = Math.min(temporalId, second & 7);
    }
    return Uint8Array.of(forbidden | (AGGREGATION << 1) | (layer >> 5), ((layer & 31) << 3) | temporalId);
  },
  fragmentHeader([first = 0, second = 0], about) {
    const head = (about.first ? FU_START : 0) | (about.last ? FU_END : 0) | ((first >> 1) & 0x3f);
    return Uint8Array.of((first & 0x81) | (FRAGMENT << 1), second, head);
  },
};

/** See `isRtpStartPoint`: a VPS or SPS, or the first slice of an intra random access point. */
export function isH265StartPoint(payload: Uint8Array): boolean {
  switch (h265NalType(payload)) {
    case AGGREGATION:
      try {
        return splitAggregation(payload).some(isStartUnit);
      } catch {
        return false;
      }
    case FRAGMENT: {
      const head = payload[2] ?? 0;
      return (head & FU_START) !== 0 && isStartType(head & 0x3f, isFirstSegment(payload, 3));
    }
    default:
      return isStartUnit(payload);
  }
}

function isStartUnit(unit: Uint8Array): boolean {
  return isStartType(h265NalType(unit), isFirstSegment(unit, HEADER_BYTES));
}

function isStartType(type: number, firstSegment: boolean): boolean {
  return type === H265_VPS || type === H265_SPS || (firstSegment && type >= FIRST_IRAP && type <= LAST_IRAP);
}

function badPayload(reason: string): ProtocolError {
  return new ProtocolError('H265_BAD_PAYLOAD', `bad H.265 payload: ${reason}`);
}
