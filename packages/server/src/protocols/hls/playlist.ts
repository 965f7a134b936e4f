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
