import type { ConversionTarget } from '../core/index.ts';

/** What workers can decode, by the names that the hub uses. */
const AUDIO_SOURCES: ReadonlySet<string> = new Set(['aac', 'opus', 'speex', 'pcma', 'pcmu', 'g722', 'g726', 'l16']);
const VIDEO_SOURCES: ReadonlySet<string> = new Set(['h264', 'h265', 'vp8', 'vp9', 'av1', 'flv1', 'mjpeg']);

/**
 * Whether the engine turns one codec into another. H.264 into H.264 takes its B-frames and its profile away; sound is
 * never made into what it is already.
 */
export function canConvert(from: string, to: ConversionTarget['codec']): boolean {
  if (to === 'h264' || to === 'mpeg1') return VIDEO_SOURCES.has(from);
  return AUDIO_SOURCES.has(from) && from !== to;
}
