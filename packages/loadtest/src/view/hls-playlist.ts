import { type LintedPlaylist, parseAttributes } from '@sluice/media';

/** A file of a live stream that a player fetches: a segment, or a part of one. */
export interface Piece {
  /** Order among all pieces of the stream: by segment, then by part. */
  readonly order: number;
  readonly uri: string;
  readonly durationS: number;
}

/** Parts of one segment that can be told apart in `Piece.order`. */
const ORDERS_PER_SEGMENT = 10_000;
/** A live player begins so many target durations before the end (RFC 8216 §6.3.3). */
const HELD_BACK_TARGETS = 3;

/** Addresses of variants and media playlists in a multivariant playlist, in its order; empty for a media playlist. */
export function variantsOf(text: string): string[] {
  const lines = text.split(/\r?\n/);
  return lines.flatMap((line, index) => {
    if (!line.startsWith('#EXT-X-STREAM-INF:')) return [];
    const uri = lines.slice(index + 1).find((next) => next !== '' && !next.startsWith('#'));
    return uri === undefined ? [] : [uri];
  });
}

/** The stream's sound where it has a playlist of its own. */
export function soundOf(text: string): string | undefined {
  const line = text.split(/\r?\n/).find((one) => one.startsWith('#EXT-X-MEDIA:') && one.includes('TYPE=AUDIO'));
  return line === undefined ? undefined : parseAttributes(line.slice('#EXT-X-MEDIA:'.length)).get('URI');
}

/** Whole segments of a playlist. */
export function segmentsOf(playlist: LintedPlaylist): Piece[] {
  return playlist.segments.flatMap(({ uri, msn, durationS }) =>
    uri === undefined ? [] : [{ order: msn * ORDERS_PER_SEGMENT, uri, durationS }],
  );
}

/** Segments, those at the end that have parts in the form of their parts. */
export function partsOf(playlist: LintedPlaylist): Piece[] {
  const segments = [...playlist.segments, ...(playlist.growing === undefined ? [] : [playlist.growing])];
  return segments.flatMap(({ uri, msn, durationS, parts }) => {
    if (parts.length > 0)
      return parts.map((part, index) => ({
        order: msn * ORDERS_PER_SEGMENT + index,
        uri: part.uri,
        durationS: part.durationS,
      }));
    return uri === undefined ? [] : [{ order: msn * ORDERS_PER_SEGMENT, uri, durationS }];
  });
}

/** The pieces that a player begins with: the newest that last as long as it stays behind, at least one. */
export function startOf(pieces: readonly Piece[], heldBackS: number): readonly Piece[] {
  let at = pieces.length;
  let lengthS = 0;
  while (at > 0 && lengthS < heldBackS) {
    at--;
    lengthS += pieces[at]?.durationS ?? 0;
  }
  return pieces.slice(at);
}

/** How far behind the end a player stays, seconds. */
export function heldBackS(playlist: LintedPlaylist, parts: boolean): number {
  const told = Number(playlist.control.get(parts ? 'PART-HOLD-BACK' : 'HOLD-BACK'));
  if (told > 0) return told;
  return HELD_BACK_TARGETS * (parts ? (playlist.partTargetS ?? 1) : playlist.targetS);
}

/** What a blocking reload asks for: what comes after the newest part or segment (RFC 8216bis §6.2.5.2). */
export function nextOf(playlist: LintedPlaylist): { readonly msn: number; readonly part: number } {
  const { growing, segments, mediaSequence, skipped } = playlist;
  const msn = mediaSequence + skipped + segments.length;
  return { msn, part: growing?.parts.length ?? 0 };
}
