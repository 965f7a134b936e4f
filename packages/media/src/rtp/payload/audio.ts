import { opusFrameCount, opusPacketTicks, writeOpusHead } from '../../codec/opus.ts';
import { l16Channels, parseG726Parameters } from '../../codec/raw-audio.ts';
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

/**
 * G.711, G.722, G.726, L16 (RFC 3551 §4.5) and Speex (RFC 5574): each payload is as much sound as the sender put
 * together.
 * @param unitBytes Bytes that belong together; what is less than that at the end of a payload is left out.
 */
export function rawAudioDepacketizer(unitBytes = 1): RtpDepacketizer {
  return {
    push({ payload, ...packet }) {
      return audioFrame({ ...packet, payload: payload.subarray(0, payload.length - (payload.length % unitBytes)) });
    },
  };
}

function audioFrame({ payload, timestamp }: RtpMediaPacket): DepacketizedFrame | undefined {
  if (payload.length === 0) return undefined;
  return { units: [new Uint8Array(payload)], key: true, timestamp, broken: false };
}

/** Opus, RFC 7587 §4.2. A packet can't be divided: one above the limit comes as it is. */
export function opusPacketizer(): RtpPacketizer {
  return { packetize: ({ units }) => units.map((unit) => audioPayload(unit, 0)) };
}

/** Speex, RFC 5574 §3.3: each payload is one packet, of one frame or several. It can't be divided either. */
export function speexPacketizer(): RtpPacketizer {
  return opusPacketizer();
}

/** How many bytes a number of ticks takes, for sound whose bytes are the same however they are divided. */
export interface SoundBytes {
  /** The smallest piece that can be on its own, and the ticks that it lasts. */
  readonly bytes: number;
  readonly ticks: number;
}

/** G.711 and G.722 have 64 kbit/s at 8000 ticks a second, so a byte lasts one tick. */
const BYTE_PER_TICK: SoundBytes = { bytes: 1, ticks: 1 };
/** More sound than this in one packet makes trouble for the jitter buffers of receivers. */
const MAX_MS = 60;
/** The packet that RFC 3551 §4.2 recommends. */
const USUAL_MS = 20;

/** What the samples of a track take. @throws ProtocolError G726_BAD_PARAMETERS */
function soundBytes({ codec, parameters }: Track): SoundBytes {
  if (codec === 'l16') return { bytes: 2 * l16Channels(parameters), ticks: 1 };
  // Eight samples fill whole bytes at every rate (RFC 3551 §4.5.4).
  if (codec === 'g726') return { bytes: parseG726Parameters(parameters).bitsPerSample, ticks: 8 };
  return BYTE_PER_TICK;
}

/**
 * G.711, G.722, G.726 and L16, RFC 3551 §4.5. Units of more than 60 ms, as files have them, are divided into packets of
 * 20 ms; so are those that do not fit.
 */
export function rawAudioPacketizer(): RtpPacketizer {
  return {
    packetize({ units, track }: MediaPacket, maxPayloadBytes: number): RtpPayload[] {
      const sound = soundBytes(track);
      const bytesOf = (ms: number): number => Math.floor((rtpClockRate(track) * ms) / 1000 / sound.ticks) * sound.bytes;
      const most = Math.floor(maxPayloadBytes / sound.bytes) * sound.bytes;
      const payloads: RtpPayload[] = [];
      let offset = 0;
      for (const unit of units) {
        const whole = unit.length <= Math.min(bytesOf(MAX_MS), maxPayloadBytes);
        const pieceBytes = whole ? unit.length : Math.max(sound.bytes, Math.min(bytesOf(USUAL_MS), most));
        for (let position = 0; position < unit.length; position += pieceBytes) {
          const ticks = Math.round(((offset + position) / sound.bytes) * sound.ticks);
          payloads.push(audioPayload(unit.subarray(position, position + pieceBytes), ticks));
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
