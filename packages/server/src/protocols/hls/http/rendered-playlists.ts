import type { HlsPackager } from '../packager.ts';
import type { HlsTrack, PlaylistPosition, RenditionReport } from '../position.ts';

/** Stands for the query while a playlist is rendered: in no query that has been made safe. */
const QUERY_MARK = '?\u0000';

export interface PlaylistForm {
  readonly track: HlsTrack;
  readonly skip: boolean;
  /** Of the other playlists of the same content; asked when the playlist is rendered. */
  reports?(): readonly RenditionReport[];
}

interface Rendered {
  /** What is between the queries. */
  readonly pieces: readonly string[];
  /** Without a query, as most are asked for. */
  readonly plain: Buffer;
}

/** What was rendered of one state. */
interface Kept {
  readonly position: PlaylistPosition | undefined;
  readonly ended: boolean;
  /** By track, whole and with old segments left out. */
  readonly whole: Map<HlsTrack, Rendered>;
  readonly skipping: Map<HlsTrack, Rendered>;
}

/**
 * Renders each state of a media playlist once, however many ask for it; for those with a query it only is put in. Nothing
 * stays of states that are over.
 */
export class RenderedPlaylists {
  readonly #byPackager = new WeakMap<HlsPackager, Kept>();

  /** @param query `?…` or empty, see safeQuery */
  body(packager: HlsPackager, form: PlaylistForm, query: string): Buffer {
    const rendered = this.#rendered(packager, form);
    return query === '' ? rendered.plain : Buffer.from(rendered.pieces.join(query));
  }

  #rendered(packager: HlsPackager, { track, skip, reports }: PlaylistForm): Rendered {
    const forms = this.#kept(packager)[skip ? 'skipping' : 'whole'];
    const present = forms.get(track);
    if (present !== undefined) return present;
    const pieces = packager.mediaPlaylist({ query: QUERY_MARK, track, skip, reports: reports?.() }).split(QUERY_MARK);
    const rendered = { pieces, plain: Buffer.from(pieces.join('')) };
    forms.set(track, rendered);
    return rendered;
  }

  #kept(packager: HlsPackager): Kept {
    const position = packager.position();
    const { ended } = packager;
    const kept = this.#byPackager.get(packager);
    const isSame = kept?.position?.msn === position?.msn && kept?.position?.part === position?.part;
    if (kept !== undefined && isSame && kept.ended === ended) return kept;
    const made: Kept = { position, ended, whole: new Map(), skipping: new Map() };
    this.#byPackager.set(packager, made);
    return made;
  }
}
