import {
  aacTrack,
  type MediaPacket,
  opusHead,
  opusTrack,
  silentFrame,
  type Track,
  writeAacConfig,
} from '@sluice/media';

/** Frames of sound that follow each other without end: the same one again and again. */
export interface SoundLoop {
  readonly track: Track;
  readonly packets: readonly MediaPacket[];
  /** How long a frame lasts, microseconds; not a whole number for AAC. */
  readonly loopUs: number;
}

const OPUS_FRAME_US = 20_000;
/** TOC of a mono CELT frame of 20 ms over the full band in a packet that tells its number of frames (RFC 6716 §3.1). */
const OPUS_TOC = 0xfb;
/** One frame, and padding (RFC 6716 §3.2.5). */
const ONE_PADDED_FRAME = 0x41;
/** A range coded frame whose first symbol says silence. */
const OPUS_SILENCE = [0xff, 0xfe];
const OPUS_LEAST_BYTES = 5;
const MAX_OPUS_BYTES = 1200;

const AAC_SAMPLES = 1024;
const AAC_RATE = 48_000;

/** Silence in Opus, 50 packets a second, padded to the bitrate. */
export function opusSilence(bitrateBps: number): SoundLoop {
  const wanted = Math.round((bitrateBps * OPUS_FRAME_US) / 8e6);
  const bytes = Math.min(MAX_OPUS_BYTES, Math.max(OPUS_LEAST_BYTES, wanted));
  const track = opusTrack(1, opusHead(1));
  return { track, packets: [packetOf(track, paddedOpus(bytes))], loopUs: OPUS_FRAME_US };
}

/** Silence in AAC-LC, mono, 48 kHz: a few bytes a frame. */
export function aacSilence(): SoundLoop {
  const track = aacTrack(1, writeAacConfig({ objectType: 2, sampleRate: AAC_RATE, channels: 1 }));
  const frame = silentFrame(packetOf(track, Uint8Array.of(0)));
  if (frame === undefined) throw new Error('no silence in AAC');
  return { track, packets: [packetOf(track, frame)], loopUs: (AAC_SAMPLES * 1e6) / AAC_RATE };
}

function packetOf(track: Track, unit: Uint8Array): MediaPacket {
  return { track, units: [unit], ptsUs: 0, dtsUs: 0, key: true, byteLength: unit.length };
}

/** An Opus packet of exactly that many bytes. Each length byte of 255 stands for 254 bytes of padding. */
function paddedOpus(bytes: number): Uint8Array {
  for (let lengthBytes = 1; ; lengthBytes++) {
    const padding = bytes - 2 - lengthBytes - OPUS_SILENCE.length;
    const last = padding - 254 * (lengthBytes - 1);
    if (last > 254) continue;
    const packet = new Uint8Array(bytes);
    packet.set([OPUS_TOC, ONE_PADDED_FRAME, ...Array<number>(lengthBytes - 1).fill(255), Math.max(0, last)]);
    packet.set(OPUS_SILENCE, 2 + lengthBytes);
    return packet;
  }
}
