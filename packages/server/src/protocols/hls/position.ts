/** How a stream is packaged: picture and sound in one file, or as tracks of their own that are cut at the same times. */
export type HlsForm = 'muxed' | 'split';

/** What a media playlist lists: `main` in the form `muxed`, the others in the form `split`. */
export type HlsTrack = 'main' | 'video' | 'audio';

/** A place in a media playlist. */
export interface PlaylistPosition {
  /** Media Sequence Number. */
  readonly msn: number;
  /** Index of a part in that segment; undefined: the whole segment. */
  readonly part: number | undefined;
}

/** What another media playlist of the same content has come to (EXT-X-RENDITION-REPORT, RFC 8216bis §4.4.5.4). */
export interface RenditionReport extends PlaylistPosition {
  /** Address of its playlist, relative to the reporting one, without a query. */
  readonly uri: string;
}

/** What of a media playlist can be fetched. */
export interface MediaTarget {
  readonly kind: 'segment' | 'part' | 'init';
  readonly track: HlsTrack;
  /** Media Sequence Number; of an initialization section the number in its name. */
  readonly msn: number;
  /** Index of a part. */
  readonly part?: number | undefined;
}

/**
 * The bytes of what was asked for, in pieces to be sent one after the other. `coming`: the part that is hinted at or the
 * segment that grows, see `onceAvailable` (of a growing segment the finished parts can be fetched one by one).
 * `archived`: to be read from the archive. Undefined: there is none, or not any more.
 */
export type FoundMedia = readonly Uint8Array[] | 'coming' | 'archived' | undefined;

/** What a media playlist is to look like. */
export interface MediaPlaylistRequest {
  /** `?…` or empty: repeated on every URI; see `safeQuery`. */
  readonly query: string;
  /** Which of the tracks; `main` by default. */
  readonly track?: HlsTrack | undefined;
  /** Leave out old segments that the client knows (`_HLS_skip`, RFC 8216bis §6.2.5.1). */
  readonly skip?: boolean | undefined;
  /** Other playlists to report of. */
  readonly reports?: readonly RenditionReport[] | undefined;
}
