import type { Track } from '../packet.ts';

/** Sampling rate of G.711 in Hz. */
const G711_RATE = 8000;
/** Sampling rate of wideband Speex in Hz, the only one that FLV carries. */
const SPEEX_RATE = 16_000;

/** Makes a mono G.711 track (ITU-T G.711): A-law or mu-law, one byte per sample. */
export function g711Track(id: number, codec: 'pcma' | 'pcmu', clockRate = G711_RATE): Track {
  return { id, kind: 'audio', codec, clockRate, parameters: [] };
}

/** Makes a mono Speex track (RFC 5574 §3.1): 8000 Hz narrowband, 16000 wideband, 32000 ultra-wideband. */
export function speexTrack(id: number, clockRate = SPEEX_RATE): Track {
  return { id, kind: 'audio', codec: 'speex', clockRate, parameters: [] };
}
