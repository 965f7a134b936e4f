/** A part as a playlist tells it. */
export interface LintedPart {
  readonly uri: string;
  readonly durationS: number;
  readonly independent: boolean;
  readonly gap: boolean;
}

/** A segment as a playlist tells it; without an address while only parts of it are there. */
export interface LintedSegment {
  readonly msn: number;
  readonly uri: string | undefined;
  readonly durationS: number;
  readonly parts: readonly LintedPart[];
  readonly map: string | undefined;
  readonly discontinuity: boolean;
  readonly discontinuitySequence: number;
  readonly programDateMs: number | undefined;
  readonly gap: boolean;
}

export type Attributes = ReadonlyMap<string, string>;

/** A media playlist, read without judging it. */
export interface LintedPlaylist {
  readonly lines: readonly string[];
  /** Tags of which there may be one, with their values as they are; those that came again are in `repeated`. */
  readonly tags: ReadonlyMap<string, string>;
  readonly repeated: readonly string[];
  readonly targetS: number;
  readonly partTargetS: number | undefined;
  readonly control: Attributes;
  readonly mediaSequence: number;
  readonly skipped: number;
  /** Without those that are skipped. */
  readonly segments: readonly LintedSegment[];
  /** The one that grows, when it has parts. */
  readonly growing: LintedSegment | undefined;
  readonly hints: readonly Attributes[];
  readonly reports: readonly Attributes[];
  readonly ended: boolean;
  /** Tags of a segment that come after one of its parts. */
  readonly misplaced: readonly string[];
}

const ONCE = new Set([
  'EXT-X-VERSION',
  'EXT-X-TARGETDURATION',
  'EXT-X-MEDIA-SEQUENCE',
  'EXT-X-DISCONTINUITY-SEQUENCE',
  'EXT-X-ENDLIST',
  'EXT-X-PLAYLIST-TYPE',
  'EXT-X-I-FRAMES-ONLY',
  'EXT-X-PART-INF',
  'EXT-X-SERVER-CONTROL',
  'EXT-X-INDEPENDENT-SEGMENTS',
  'EXT-X-SKIP',
]);

/** Reads an attribute list (RFC 8216bis §4.2): names with their values, without quotation marks. */
export function parseAttributes(list: string): Attributes {
  const attributes = new Map<string, string>();
  for (const [, name = '', quoted, plain] of list.matchAll(/([A-Z0-9-]+)=(?:"([^"]*)"|([^,]*))/g)) {
    attributes.set(name, quoted ?? plain ?? '');
  }
  return attributes;
}

interface Draft {
  parts: LintedPart[];
  durationS: number;
  discontinuity: boolean;
  programDateMs: number | undefined;
  gap: boolean;
}

const emptyDraft = (): Draft => ({
  parts: [],
  durationS: Number.NaN,
  discontinuity: false,
  programDateMs: undefined,
  gap: false,
});

/** Reads the lines of a media playlist one after the other. */
class PlaylistParser {
  readonly tags = new Map<string, string>();
  readonly repeated: string[] = [];
  readonly segments: LintedSegment[] = [];
  readonly hints: Attributes[] = [];
  readonly reports: Attributes[] = [];
  readonly misplaced: string[] = [];
  #draft = emptyDraft();
  #map: string | undefined;
  #discontinuities = 0;

  read(line: string): void {
    if (line === '') return;
    if (!line.startsWith('#')) {
      this.#finish(line);
      return;
    }
    const colon = line.indexOf(':');
    const name = line.slice(1, colon < 0 ? undefined : colon);
    const value = colon < 0 ? '' : line.slice(colon + 1);
    if (ONCE.has(name)) {
      if (this.tags.has(name)) this.repeated.push(name);
      else this.tags.set(name, value);
    } else this.#segmentTag(name, value);
  }

  /** The segment that grows. */
  rest(): LintedSegment | undefined {
    return this.#draft.parts.length === 0 ? undefined : this.#segment(undefined);
  }

  get skipped(): number {
    return Number(parseAttributes(this.tags.get('EXT-X-SKIP') ?? '').get('SKIPPED-SEGMENTS') ?? 0);
  }

  get mediaSequence(): number {
    return Number(this.tags.get('EXT-X-MEDIA-SEQUENCE') ?? 0);
  }

  #segmentTag(name: string, value: string): void {
    const draft = this.#draft;
    const isFirstOfSegment =
      name === 'EXT-X-DISCONTINUITY' || name === 'EXT-X-MAP' || name === 'EXT-X-PROGRAM-DATE-TIME';
    if (isFirstOfSegment && draft.parts.length > 0) this.misplaced.push(name);
    if (name === 'EXTINF') draft.durationS = Number.parseFloat(value);
    else if (name === 'EXT-X-DISCONTINUITY') draft.discontinuity = true;
    else if (name === 'EXT-X-GAP') draft.gap = true;
    else if (name === 'EXT-X-MAP') this.#map = parseAttributes(value).get('URI');
    else if (name === 'EXT-X-PROGRAM-DATE-TIME') draft.programDateMs = Date.parse(value);
    else if (name === 'EXT-X-PART') draft.parts.push(partOf(parseAttributes(value)));
    else if (name === 'EXT-X-PRELOAD-HINT') this.hints.push(parseAttributes(value));
    else if (name === 'EXT-X-RENDITION-REPORT') this.reports.push(parseAttributes(value));
  }

  #finish(uri: string): void {
    this.segments.push(this.#segment(uri));
    this.#draft = emptyDraft();
  }

  #segment(uri: string | undefined): LintedSegment {
    const before = Number(this.tags.get('EXT-X-DISCONTINUITY-SEQUENCE') ?? 0) + this.#discontinuities;
    if (this.#draft.discontinuity && uri !== undefined) this.#discontinuities++;
    const msn = this.mediaSequence + this.skipped + this.segments.length;
    return { ...this.#draft, uri, msn, map: this.#map, discontinuitySequence: before };
  }
}

function partOf(attributes: Attributes): LintedPart {
  return {
    uri: attributes.get('URI') ?? '',
    durationS: Number(attributes.get('DURATION')),
    independent: attributes.get('INDEPENDENT') === 'YES',
    gap: attributes.get('GAP') === 'YES',
  };
}

/** Reads a media playlist without judging it; whatever text gives something. */
export function parseLintedPlaylist(text: string): LintedPlaylist {
  const lines = text.split('\n');
  const parser = new PlaylistParser();
  for (const line of lines) parser.read(line);
  const { tags } = parser;
  const partInf = tags.get('EXT-X-PART-INF');
  return {
    lines,
    tags,
    repeated: parser.repeated,
    targetS: Number(tags.get('EXT-X-TARGETDURATION')),
    partTargetS: partInf === undefined ? undefined : Number(parseAttributes(partInf).get('PART-TARGET')),
    control: parseAttributes(tags.get('EXT-X-SERVER-CONTROL') ?? ''),
    mediaSequence: parser.mediaSequence,
    skipped: parser.skipped,
    segments: parser.segments,
    growing: parser.rest(),
    hints: parser.hints,
    reports: parser.reports,
    ended: tags.has('EXT-X-ENDLIST'),
    misplaced: parser.misplaced,
  };
}
