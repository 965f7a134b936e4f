import { canonicalUnits, writeAvcConfig } from '../../codec/h264.ts';
import { NAL_IDR, NAL_PPS, NAL_SPS, NAL_SPS_EXTENSION, nalType } from '../../codec/h264-nal.ts';
import { type MediaPacket, ProtocolError } from '../../packet.ts';
import { readU16 } from '../bytes.ts';
import type { RtpDepacketizer, RtpPacketizer, RtpPayload } from './format.ts';
import { FrameDepacketizer } from './frame-depacketizer.ts';
import { type NalFormat, NalFrame } from './nal-frame.ts';
import { type NalAggregation, packetizeNalUnits } from './nal-packetizer.ts';

/** Payload structures of RFC 6184 table 1; 1 to 23 are single NAL units. */
const STAP_A = 24;
const FU_A = 28;
const LAST_SINGLE = 23;
const FU_START = 0x80;
const FU_END = 0x40;

const FORMAT: NalFormat = {
  unpack,
  canonical: canonicalUnits,
  isSlice: (unit) => nalType(unit) >= 1 && nalType(unit) <= NAL_IDR,
  isFirstSlice: (unit) => nalType(unit) <= NAL_IDR && isFirstSlice(unit, 1),
  continues: (payload) => {
    const type = nalType(payload);
    if (type !== FU_A) return type >= 1 && type <= NAL_IDR && !isFirstSlice(payload, 1);
    const head = payload[1] ?? 0;
    const kind = head & 0x1f;
    return kind >= 1 && kind <= NAL_IDR && ((head & FU_START) === 0 || !isFirstSlice(payload, 2));
  },
  parameterKind: (unit) => [NAL_SPS, NAL_SPS_EXTENSION, NAL_PPS].indexOf(nalType(unit)),
  isComplete: (parameters) => {
    const has = (type: number): boolean => parameters.some((unit) => nalType(unit) === type);
    return has(NAL_SPS) && has(NAL_PPS) && writeAvcConfig(parameters).length > 0;
  },
};

/** first_mb_in_slice, ue(v) right behind the header, is 0: a single one bit. */
function isFirstSlice(data: Uint8Array, offset: number): boolean {
  return ((data[offset] ?? 0) & 0x80) !== 0;
}

/**
 * Puts H.264 access units together, RFC 6184 in the packetization modes 0 and 1. The interleaved payload structures
 * (STAP-B, MTAP, FU-B) are refused with H264_UNSUPPORTED_PAYLOAD, what is broken with H264_BAD_PAYLOAD.
 * @param parameters SPS and PPS that the session description gave (`sprop-parameter-sets`), as the track has them.
 * @param startCodes True to take units with start codes apart, as some cameras send them, and to find out those that
 *   set the marker on each slice (RTP_EARLY_MARKER, once); costs a look at each byte.
 */
export function h264Depacketizer(parameters: readonly Uint8Array[] = [], startCodes = false): RtpDepacketizer {
  return new FrameDepacketizer(new NalFrame(FORMAT, { parameters, startCodes }));
}

function unpack(payload: Uint8Array, frame: NalFrame): void {
  const type = nalType(payload);
  if (type === STAP_A) {
    for (const unit of splitStapA(payload)) frame.addUnit(unit);
  } else if (type === FU_A) {
    const indicator = payload[0] ?? 0;
    const head = payload[1] ?? 0;
    if (payload.length < 3) throw badPayload('a fragment without data');
    // The first byte of a start code that was fragmented along with its unit.
    const isKnown = (head & 0x1f) > 0 || frame.startCodes;
    if (!isKnown || (head & 0x1f) > LAST_SINGLE) throw badPayload(`a fragment of type ${head & 0x1f}`);
    frame.addFragment(payload.subarray(2), {
      header: Uint8Array.of((indicator & 0xe0) | (head & 0x1f)),
      first: (head & FU_START) !== 0,
      last: (head & FU_END) !== 0,
    });
  } else if (type >= 1 && type <= LAST_SINGLE) frame.addUnit(payload);
  else if (type === 0 && frame.startCodes && hasStartCode(payload)) frame.addUnit(payload);
  else if (type > STAP_A && type < 30) {
    throw new ProtocolError('H264_UNSUPPORTED_PAYLOAD', `interleaved H.264, payload structure ${type}`);
  } else throw badPayload(`payload structure ${type}`);
}

function hasStartCode([first, second, third, fourth]: Uint8Array): boolean {
  return first === 0 && second === 0 && (third === 1 || (third === 0 && fourth === 1));
}

/** Views of the NAL units in a single-time aggregation packet, RFC 6184 §5.7.1; empty ones are left out. */
function splitStapA(payload: Uint8Array): Uint8Array[] {
  const units: Uint8Array[] = [];
  let position = 1;
  while (position < payload.length) {
    const start = position + 2;
    const end = start + readU16(payload, position);
    if (start > payload.length || end > payload.length) throw badPayload('an aggregation packet is cut off');
    const type = nalType(payload.subarray(start, end));
    if (type > LAST_SINGLE) throw badPayload(`payload structure ${type} in an aggregation packet`);
    if (end > start) units.push(payload.subarray(start, end));
    position = end;
  }
  return units;
}

/**
 * Divides H.264 access units as RFC 6184 says, with the parameter sets of the track in front of each key frame.
 *
 * Mode 1 joins small units in STAP-A packets, the parameter sets in one with what follows them, and uses FU-A for those
 * that do not fit. Mode 0 has neither: a unit larger than the limit comes as one payload above it, for the caller to
 * send or to leave out.
 */
export function h264Packetizer(mode: 0 | 1): RtpPacketizer {
  return {
    packetize(packet: MediaPacket, maxPayloadBytes: number): RtpPayload[] {
      const units = packet.key ? [...packet.track.parameters, ...packet.units] : packet.units;
      return packetizeNalUnits(units, { key: packet.key, maxPayloadBytes, format: mode === 0 ? undefined : MODE_1 });
    },
  };
}

const MODE_1: NalAggregation = {
  headerBytes: 1,
  /** The forbidden bit of any, the highest importance (§5.7). */
  aggregateHeader(units) {
    let forbidden = 0;
    let importance = 0;
    for (const [head = 0] of units) {
      forbidden |= head & 0x80;
      importance = Math.max(importance, head & 0x60);
    }
    return Uint8Array.of(forbidden | importance | STAP_A);
  },
  fragmentHeader(unit, { first, last }) {
    const head = unit[0] ?? 0;
    return Uint8Array.of((head & 0xe0) | FU_A, (first ? FU_START : 0) | (last ? FU_END : 0) | (head & 0x1f));
  },
};

/** See `isRtpStartPoint`: an SPS, or the first slice of an IDR picture. */
export function isH264StartPoint(payload: Uint8Array): boolean {
  switch (nalType(payload)) {
    case STAP_A:
      try {
        return splitStapA(payload).some(isStartUnit);
      } catch {
        return false;
      }
    case FU_A: {
      const head = payload[1] ?? 0;
      if ((head & FU_START) === 0) return false;
      return (head & 0x1f) === NAL_SPS || ((head & 0x1f) === NAL_IDR && isFirstSlice(payload, 2));
    }
    default:
      return isStartUnit(payload);
  }
}

function isStartUnit(unit: Uint8Array): boolean {
  return nalType(unit) === NAL_SPS || (nalType(unit) === NAL_IDR && isFirstSlice(unit, 1));
}

function badPayload(reason: string): ProtocolError {
  return new ProtocolError('H264_BAD_PAYLOAD', `bad H.264 payload: ${reason}`);
}
