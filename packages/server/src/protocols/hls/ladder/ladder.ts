import type { Ladder } from '../../../core/index.ts';
import type { HlsPackager } from '../packager.ts';
import type { HlsTrack, RenditionReport } from '../position.ts';

/** One media playlist of a ladder. */
export interface HlsVariant {
  /** Name of its profile, or `audio`: the folder and file name of its playlist. */
  readonly name: string;
  readonly packager: HlsPackager;
  /** To be asked of the packager. */
  readonly track: HlsTrack;
  /** What the other running playlists have come to. */
  reports(): readonly RenditionReport[];
}

/**
 * The qualities of one stream, cut at the same times under the same numbers: a master playlist and its variants, which
 * are made from when they are first asked for until nobody asks any more.
 */
export interface HlsLadder {
  readonly streamName: string;
  /** The one that says where segments end; running as long as the ladder is. */
  readonly leader: HlsPackager;
  readonly ladder: Ladder;
  /** The master playlist, with `query` on each URI. */
  masterPlaylist(query: string): string;
  /**
   * The variant of that profile, or `audio`, started if need be; undefined when there is none of that name.
   * @throws MediaServerError TRANSCODING_LIMIT
   */
  open(name: string, nowMs: number): HlsVariant | undefined;
  /** The variant of that name if it runs; nothing is started. */
  find(name: string, nowMs: number): HlsVariant | undefined;
}
