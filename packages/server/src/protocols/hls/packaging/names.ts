import type { HlsTrack } from '../position.ts';

const SUFFIX: Readonly<Record<HlsTrack, string>> = { main: '', video: '_v', audio: '_a' };

/** How the files of a track are called: the beginning of all their names, ready for a URI. */
export function filePrefix(name: string, track: HlsTrack): string {
  return encodeURIComponent(name) + SUFFIX[track];
}

/** Name of a segment, ready for a URI. */
export function segmentName(prefix: string, msn: number, container: 'fmp4' | 'ts'): string {
  return `${prefix}_${msn}.${container === 'ts' ? 'ts' : 'm4s'}`;
}

/** Name of a part of a segment, ready for a URI. */
export function partName(prefix: string, msn: number, part: number): string {
  return `${prefix}_${msn}.${part}.m4s`;
}

/** Name of an initialization section, ready for a URI. */
export function initName(prefix: string, number: number): string {
  return `${prefix}_init_${number}.mp4`;
}
