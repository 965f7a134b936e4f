import type { Segment } from './segment-window.ts';

export interface MediaPlaylist {
  readonly streamName: string;
  readonly container: 'fmp4' | 'ts';
  readonly segments: readonly Segment[];
  readonly targetSeconds: number;
  /** True when no segment will ever follow (EXT-X-ENDLIST, RFC 8216 §4.3.3.4). */
  readonly ended: boolean;
  /** `?…` or empty: repeated on every URI; see {@link safeQuery}. */
  readonly query: string;
}

export interface MasterPlaylist {
  readonly streamName: string;
  /** RFC 6381 codec strings. */
  readonly codecs: readonly string[];
  /** Bits a second of the segment with the most. */
  readonly peakBandwidth: number;
  /** Bits a second over all segments. */
  readonly averageBandwidth: number;
  readonly size: { readonly width: number; readonly height: number; readonly fps?: number | undefined } | undefined;
  readonly query: string;
}

/** Name of a segment, ready for a URI. */
export function segmentUri(streamName: string, sequence: number, container: 'fmp4' | 'ts'): string {
  return `${encodeURIComponent(streamName)}_${sequence}.${container === 'ts' ? 'ts' : 'm4s'}`;
}

/** Renders a live media playlist (RFC 8216 §4.3.2 and §4.3.3). */
export function renderMediaPlaylist(playlist: MediaPlaylist): string {
  const { streamName, segments, container, query } = playlist;
  const first = segments[0];
  // §7: fractional EXTINF needs version 3, EXT-X-MAP in a playlist of more than I-frames needs 6, fMP4 players ask 7.
  const lines = [
    '#EXTM3U',
    `#EXT-X-VERSION:${container === 'ts' ? 3 : 7}`,
    `#EXT-X-TARGETDURATION:${playlist.targetSeconds}`,
    `#EXT-X-MEDIA-SEQUENCE:${first?.sequence ?? 0}`,
  ];
  if (first !== undefined && first.discontinuitySequence > 0) {
    lines.push(`#EXT-X-DISCONTINUITY-SEQUENCE:${first.discontinuitySequence}`);
  }
  if (segments.every((s) => s.independent)) lines.push('#EXT-X-INDEPENDENT-SEGMENTS');
  let init: number | undefined;
  for (const segment of segments) {
    if (segment.discontinuity) lines.push('#EXT-X-DISCONTINUITY');
    // §4.3.2.5: applies until the next one, over discontinuities as well. FFmpeg minds when it is repeated.
    if (segment.init !== undefined && segment.init !== init) {
      lines.push(`#EXT-X-MAP:URI="${encodeURIComponent(streamName)}_init_${segment.init}.mp4${query}"`);
    }
    init = segment.init;
    lines.push(
      `#EXT-X-PROGRAM-DATE-TIME:${new Date(segment.programDateMs).toISOString()}`,
      `#EXTINF:${(segment.durationUs / 1e6).toFixed(6)},`,
      segmentUri(streamName, segment.sequence, container) + query,
    );
  }
  if (playlist.ended) lines.push('#EXT-X-ENDLIST');
  return `${lines.join('\n')}\n`;
}

/** Renders a master playlist with one variant (RFC 8216 §4.3.4). */
export function renderMasterPlaylist(playlist: MasterPlaylist): string {
  const { size } = playlist;
  const attributes = [
    `BANDWIDTH=${Math.max(1, Math.ceil(playlist.peakBandwidth))}`,
    `AVERAGE-BANDWIDTH=${Math.max(1, Math.ceil(playlist.averageBandwidth))}`,
    `CODECS="${playlist.codecs.join(',')}"`,
  ];
  if (size !== undefined) attributes.push(`RESOLUTION=${size.width}x${size.height}`);
  if (size?.fps !== undefined) attributes.push(`FRAME-RATE=${size.fps.toFixed(3)}`);
  return [
    '#EXTM3U',
    '#EXT-X-INDEPENDENT-SEGMENTS',
    `#EXT-X-STREAM-INF:${attributes.join(',')}`,
    `${encodeURIComponent(playlist.streamName)}.m3u8${playlist.query}`,
    '',
  ].join('\n');
}

const UNSAFE_IN_QUERY = /[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%]/g;

/**
 * The query of a request as `?…`, with nothing in it that could end a line or a quoted attribute, and without what it says
 * of the playlist itself (`_HLS_…`, RFC 8216bis §6.2.5); empty without one.
 */
export function safeQuery(query: string): string {
  const raw = query.includes('_HLS_') ? withoutDirectives(query) : query;
  if (raw.length === 0) return '';
  return `?${raw.replace(UNSAFE_IN_QUERY, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0').toUpperCase().slice(-2)}`)}`;
}

function withoutDirectives(query: string): string {
  const rest = query.split('&').filter((parameter) => !parameter.startsWith('_HLS_'));
  return rest.join('&');
}
