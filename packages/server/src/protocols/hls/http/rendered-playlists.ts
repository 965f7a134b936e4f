import type { HlsPackager } from '../packager.ts';
import type { HlsTrack, RenditionReport } from '../position.ts';

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

/**
 * Renders each state of a media playlist once, however many ask for it; for those with a query it only is put in. Nothing
 * stays of states that are over.
 */
export class RenderedPlaylists {
  readonly #byPackager = new WeakMap<HlsPackager, { state: string; readonly forms: Map<string, Rendered> }>();

  /** @param query `?…` or empty, see safeQuery */
  body(packager: HlsPackager, form: PlaylistForm, query: string): Buffer {
    const rendered = this.#rendered(packager, form);
    return query === '' ? rendered.plain : Buffer.from(rendered.pieces.join(query));
  }

  #rendered(packager: HlsPackager, { track, skip, reports }: PlaylistForm): Rendered {
    const position = packager.position();
    const state = `${position?.msn}.${position?.part}.${packager.ended}`;
    let kept = this.#byPackager.get(packager);
    if (kept?.state !== state) {
      kept = { state, forms: new Map() };
      this.#byPackager.set(packager, kept);
    }
    const key = `${track}.${skip}`;
    const present = kept.forms.get(key);
    if (present !== undefined) return present;
    const pieces = packager.mediaPlaylist({ query: QUERY_MARK, track, skip, reports: reports?.() }).split(QUERY_MARK);
    const rendered = { pieces, plain: Buffer.from(pieces.join('')) };
    kept.forms.set(key, rendered);
    return rendered;
  }
}
