import type { HlsTrack } from './position.ts';

/** What a URL of the HLS server asks for. */
export type HlsTarget =
  /** The media playlist, the master playlist with it alone, the DASH manifest, or the master playlist of all qualities. */
  | { readonly kind: 'media' | 'master' | 'manifest' | 'ladder'; readonly streamName: string }
  /** The media playlist of one quality. */
  | { readonly kind: 'variant'; readonly streamName: string; readonly variant: string }
  | MediaFile;

/** A file of media that a playlist or manifest names. */
export interface MediaFile {
  readonly kind: 'segment' | 'part' | 'init';
  readonly streamName: string;
  /** Quality that it is of; undefined: of the stream as it is. */
  readonly variant: string | undefined;
  readonly track: HlsTrack;
  /** Media Sequence Number; of an initialization section the number in its name. */
  readonly number: number;
  readonly part: number | undefined;
}

export function isMediaFile(target: HlsTarget): target is MediaFile {
  return 'track' in target;
}

/** What WCS adds to a stream's name in the addresses of all its qualities (functions-2 §H.1). */
export const LADDER_SUFFIX = '-HLS-ABR-STREAM';
const MEDIA_SUFFIX = /^(?:_([va]))?_(\d{1,15})(?:\.(\d{1,6}))?\.(?:m4s|ts)$/;
const INIT_SUFFIX = /^(?:_([va]))?_init_(\d{1,15})\.mp4$/;
const MAX_COMPONENTS = 3;

/** What was read of paths lately: all viewers of a stream ask for the same ones. */
const targets = new Map<string, HlsTarget>();
const MAX_TARGETS = 1024;
/** Longer ones are not kept, so that what is kept stays within half a megabyte. */
const MAX_KEPT_PATH = 200;

/** As `parseTarget`; reads each path that many ask for once. */
export function knownTarget(path: string): HlsTarget | 'malformed' | undefined {
  const known = targets.get(path);
  if (known !== undefined) return known;
  if (path.length > MAX_KEPT_PATH) return parseTarget(path);
  const own = detached(path);
  const target = parseTarget(own);
  if (typeof target === 'object') {
    if (targets.size >= MAX_TARGETS) targets.clear();
    targets.set(own, target);
  }
  return target;
}

/** The same text in memory of its own: a part of a request's text would keep all of that. */
export function detached(text: string): string {
  return Buffer.from(text).toString();
}

/**
 * Reads a path `/<stream>/<file>` or `/<stream>-HLS-ABR-STREAM/<quality>/<file>`, each component percent-encoded on its
 * own, so a `/` in a stream's name is `%2F`. `malformed` for a broken encoding, undefined for a path of no known form.
 */
export function parseTarget(path: string): HlsTarget | 'malformed' | undefined {
  const [, ...encoded] = path.split('/');
  const components: string[] = [];
  try {
    for (const component of encoded) components.push(decodeURIComponent(component));
  } catch {
    return 'malformed';
  }
  if (components.length > MAX_COMPONENTS) return undefined;
  const [folder = '', second = '', third] = components;
  const isLadder = folder.endsWith(LADDER_SUFFIX);
  const streamName = isLadder ? folder.slice(0, -LADDER_SUFFIX.length) : folder;
  if (streamName.length === 0) return undefined;
  if (third !== undefined) return isLadder ? variantTarget({ streamName, variant: second, file: third }) : undefined;
  if (isLadder) return second === `${folder}.m3u8` ? { kind: 'ladder', streamName } : undefined;
  if (second === `${streamName}.m3u8`) return { kind: 'media', streamName };
  if (second === 'index.m3u8') return { kind: 'master', streamName };
  if (second === `${streamName}.mpd`) return { kind: 'manifest', streamName };
  return mediaFile(second, { streamName, variant: undefined });
}

function variantTarget(path: { streamName: string; variant: string; file: string }): HlsTarget | undefined {
  const { streamName, variant, file } = path;
  if (variant.length === 0) return undefined;
  if (file === `${variant}.m3u8`) return { kind: 'variant', streamName, variant };
  return mediaFile(file, { streamName, variant });
}

function mediaFile(
  file: string,
  { streamName, variant }: Pick<MediaFile, 'streamName' | 'variant'>,
): MediaFile | undefined {
  if (!file.startsWith(streamName)) return undefined;
  const suffix = file.slice(streamName.length);
  const init = INIT_SUFFIX.exec(suffix);
  const [, track, number, part] = init ?? MEDIA_SUFFIX.exec(suffix) ?? [];
  if (number === undefined) return undefined;
  return {
    kind: init !== null ? 'init' : part === undefined ? 'segment' : 'part',
    streamName,
    variant,
    track: track === 'v' ? 'video' : track === 'a' ? 'audio' : 'main',
    number: Number(number),
    part: part === undefined ? undefined : Number(part),
  };
}

/** What a client says of the playlist that it wants (Delivery Directives, RFC 8216bis §6.2.5). */
export interface Directives {
  /** The playlist is to have this segment, or this part of it; undefined: as it is. */
  readonly msn: number | undefined;
  readonly part: number | undefined;
  /** Old segments may be left out. */
  readonly skip: boolean;
}

const NO_DIRECTIVES: Directives = { msn: undefined, part: undefined, skip: false };
const DIGITS = /^\d{1,15}$/;

/** Reads the directives of a query, without `?`. `malformed` for one that is said twice or is not as it has to be. */
export function parseDirectives(query: string): Directives | 'malformed' {
  if (!query.includes('_HLS_')) return NO_DIRECTIVES;
  const values = new Map<string, string>();
  for (const parameter of query.split('&')) {
    if (!parameter.startsWith('_HLS_')) continue;
    const mark = parameter.indexOf('=');
    const name = mark < 0 ? parameter : parameter.slice(0, mark);
    if (values.has(name)) return 'malformed';
    values.set(name, mark < 0 ? '' : parameter.slice(mark + 1));
  }
  const msn = values.get('_HLS_msn');
  const part = values.get('_HLS_part');
  const skip = values.get('_HLS_skip');
  if (msn !== undefined && !DIGITS.test(msn)) return 'malformed';
  // §6.2.5.2: a part is one of a segment.
  if (part !== undefined && (!DIGITS.test(part) || msn === undefined)) return 'malformed';
  if (skip !== undefined && skip !== 'YES' && skip !== 'v2') return 'malformed';
  return {
    msn: msn === undefined ? undefined : Number(msn),
    part: part === undefined ? undefined : Number(part),
    skip: skip !== undefined,
  };
}

/** A query without what it says of the playlist: what a client says of itself, and is repeated on addresses. */
export function withoutDirectives(query: string): string {
  if (!query.includes('_HLS_')) return query;
  return query
    .split('&')
    .filter((parameter) => !parameter.startsWith('_HLS_'))
    .join('&');
}

/** A range of bytes, both ends included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Reads a `Range` header with one range (RFC 9110 §14.1.2). Undefined when the whole body is to be sent: without a
 * header, with several ranges or with a unit other than bytes. `unsatisfiable` when the range lies behind the body.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '');
  if (match === null) return undefined;
  const [, from = '', to = ''] = match;
  if (from === '' && to === '') return undefined;
  if (from === '') {
    const length = Math.min(Number(to), size);
    return length === 0 ? 'unsatisfiable' : { first: size - length, last: size - 1 };
  }
  const first = Number(from);
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== '' && Number(to) < first) return undefined;
  return first >= size ? 'unsatisfiable' : { first, last };
}
