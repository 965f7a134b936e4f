import type { Track } from '../packet.ts';

/** Sampling rate of G.711 in Hz. */
const G711_RATE = 8000;
/** Sampling rate of G.722 in Hz, from which its RTP clock differs. */
const G722_RATE = 16_000;
/** Sampling rate of wideband Speex in Hz, the only one that FLV carries. */
const SPEEX_RATE = 16_000;

/** Makes a mono G.711 track (ITU-T G.711): A-law or mu-law, one byte per sample. */
export function g711Track(id: number, codec: 'pcma' | 'pcmu', clockRate = G711_RATE): Track {
  return { id, kind: 'audio', codec, clockRate, parameters: [] };
}

/** Makes a mono G.722 track (ITU-T G.722 mode 1, 64 kbit/s): 16000 Hz, one byte for two samples. */
export function g722Track(id: number): Track {
  return { id, kind: 'audio', codec: 'g722', clockRate: G722_RATE, parameters: [] };
}

/** Makes a mono Speex track (RFC 5574 §3.1): 8000 Hz narrowband, 16000 wideband, 32000 ultra-wideband. */
export function speexTrack(id: number, clockRate = SPEEX_RATE): Track {
  return { id, kind: 'audio', codec: 'speex', clockRate, parameters: [] };
}
