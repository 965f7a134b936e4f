import { opusFrameCount, opusPacketTicks, writeOpusHead } from '../../codec/opus.ts';
import { type MediaPacket, ProtocolError, type Track } from '../../packet.ts';
import type { DepacketizedFrame, RtpDepacketizer, RtpMediaPacket, RtpPacketizer, RtpPayload } from './format.ts';

const G722_RTP_CLOCK_RATE = 8000;

/**
 * Ticks per second of a track's RTP timestamps: its clock rate, but 8000 for G.722, whose RTP clock is not its
 * sampling rate for historical reasons (RFC 3551 §4.5.2).
 */
export function rtpClockRate(track: Pick<Track, 'codec' | 'clockRate'>): number {
  return track.codec === 'g722' ? G722_RTP_CLOCK_RATE : track.clockRate;
}

/**
 * The identification header (`OpusHead`) of a stream that came without one, as by RTP: no pre-skip, since a live
 * stream's start was not kept. RFC 7587 always announces two channels; packets say themselves what they have.
 */
export function opusHead(channels: 1 | 2 = 2): Uint8Array {
  return writeOpusHead({ channels });
}

/**
 * Opus, RFC 7587 §4.2: each payload is one packet. Payloads that are no Opus packet (RFC 6716 §3.4) are refused with
 * OPUS_BAD_PAYLOAD. The first frame brings an `OpusHead` as parameters.
 */
export function opusDepacketizer(channels: 1 | 2 = 2): RtpDepacketizer {
  let parameters: Uint8Array[] | undefined = [opusHead(channels)];
  return {
    push(packet) {
      const frame = audioFrame(packet);
      if (frame === undefined) return undefined;
      const ticks = opusPacketTicks(packet.payload);
      if (ticks === undefined || !fitsFrames(packet.payload)) {
        throw new ProtocolError('OPUS_BAD_PAYLOAD', `not an Opus packet: ${packet.payload.length} bytes`);
      }
      const first = parameters;
      parameters = undefined;
      return { ...frame, ...(first && { parameters: first }) };
    },
  };
}

/** Code 1 has two frames of the same size (RFC 6716 §3.2.3), so an even number of bytes after the first one. */
function fitsFrames(packet: Uint8Array): boolean {
  return ((packet[0] ?? 0) & 3) !== 1 || packet.length % 2 === 1 || opusFrameCount(packet) !== 2;
}

/** G.711 and G.722, RFC 3551 §4.5.14 and §4.5.2: each payload is as much sound as the sender put together. */
export function rawAudioDepacketizer(): RtpDepacketizer {
  return { push: audioFrame };
}

function audioFrame({ payload, timestamp }: RtpMediaPacket): DepacketizedFrame | undefined {
  if (payload.length === 0) return undefined;
  return { units: [new Uint8Array(payload)], key: true, timestamp, broken: false };
}

/** Opus, RFC 7587 §4.2. A packet can't be divided: one above the limit comes as it is. */
export function opusPacketizer(): RtpPacketizer {
  return { packetize: ({ units }) => units.map((unit) => audioPayload(unit, 0)) };
}

/** More sound than this in one packet makes trouble for the jitter buffers of receivers; 60 ms of 64 kbit/s. */
const MAX_RAW_BYTES = 480;
/** 20 ms, the packet that RFC 3551 §4.2 recommends. */
const RAW_BYTES = 160;

/**
 * G.711 and G.722, RFC 3551. Both have 64 kbit/s at 8000 ticks a second, so a byte lasts one tick. Units of more than
 * 60 ms, as files have them, are divided into packets of 20 ms.
 */
export function rawAudioPacketizer(): RtpPacketizer {
  return {
    packetize({ units }: MediaPacket, maxPayloadBytes: number): RtpPayload[] {
      const payloads: RtpPayload[] = [];
      let offset = 0;
      for (const unit of units) {
        const step = unit.length <= Math.min(MAX_RAW_BYTES, maxPayloadBytes) ? unit.length : RAW_BYTES;
        const pieceBytes = Math.min(step, maxPayloadBytes);
        for (let position = 0; position < unit.length; position += pieceBytes) {
          payloads.push(audioPayload(unit.subarray(position, position + pieceBytes), offset + position));
        }
        offset += unit.length;
      }
      return payloads;
    },
  };
}

function audioPayload(payload: Uint8Array, timestampOffset: number): RtpPayload {
  return { payload, marker: false, startPoint: true, timestampOffset };
}
