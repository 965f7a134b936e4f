import { isValidStreamName } from '../../../core/index.ts';

/** At most this many parameters are read from a URL; the rest is left out. */
const MAX_PARAMETERS = 64;

/** What the URL of a request names. */
export interface RtspTarget {
  readonly streamName: string;
  /** The application that the client names; undefined when it names none. */
  readonly appKey: string | undefined;
  /** Parameters of the URL but for those that are meant for us. */
  readonly custom: Readonly<Record<string, string>>;
  /** The URL as the client wrote it, without what names the track. */
  readonly url: string;
  /** The same without parameters, as back ends are told it. */
  readonly address: string;
  /** The number in `…/trackID=1`; undefined for the stream as a whole. */
  readonly track: number | undefined;
}

const URL_PARTS = /^(rtspu?s?:\/\/)(?:[^/?#@]*@)?([^/?#]+)([^?#]*)(\?[^#]*)?(?:#.*)?$/i;
/** Clients put it behind the path, or behind the whole URL that they were given. */
const TRACK = /\/trackID=(\d{1,3})\/?$/i;

/**
 * Reads `rtsp://host[:port]/<stream>[?appKey=…&token=…]`, with or without a track. The stream's name is
 * percent-decoded as a whole and may contain slashes. Undefined for what is no such URL, or names no stream.
 */
export function parseTarget(uri: string): RtspTarget | undefined {
  const [, scheme, authority, fullPath = '', fullQuery = ''] = URL_PARTS.exec(uri) ?? [];
  if (scheme === undefined || authority === undefined) return undefined;
  const track = TRACK.exec(fullQuery) ?? TRACK.exec(fullPath);
  const query = fullQuery.replace(TRACK, '').replace(/\/$/, '');
  const path = withoutEndSlashes(fullPath.replace(TRACK, ''));
  const streamName = decode(path.slice(1));
  if (streamName === undefined || !isValidStreamName(streamName)) return undefined;
  const parameters = new URLSearchParams(query);
  const appKey = parameters.get('appKey') || undefined;
  parameters.delete('appKey');
  parameters.delete('__proto__');
  const address = `${scheme}${authority}${path}`;
  return {
    streamName,
    appKey,
    custom: Object.fromEntries([...parameters].slice(0, MAX_PARAMETERS)),
    url: address + query,
    address,
    track: track === null ? undefined : Number(track[1]),
  };
}

/** The URL of one track of a stream, which is in the description and comes back with SETUP. */
export function trackUrl(url: string, track: number): string {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  return `${path}/trackID=${track}${mark < 0 ? '' : url.slice(mark)}`;
}

/** The text without slashes at its end. In time that grows with its length alone, which `/\/+$/` does not. */
export function withoutEndSlashes(text: string): string {
  let end = text.length;
  while (text[end - 1] === '/') end -= 1;
  return text.slice(0, end);
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
