import { MediaServerError, startUsOf } from '../core/index.ts';
import type { Audience } from './file-publication.ts';

/** What a name such as `vod://folder/file.mp4?start=12.5` says. */
export interface VodName {
  readonly audience: Audience;
  /** The file as its store knows it. */
  readonly file: string;
  /** Undefined where the name does not tell. */
  readonly startUs: number | undefined;
}

const SCHEMES = [
  ['vod://', 'personal'],
  ['vod-live://', 'live'],
] as const;
const START = /\?start=([^?&]*)$/;

/** True for a name of a file that is to be played. */
export function isVodName(name: string): boolean {
  return SCHEMES.some(([scheme]) => name.startsWith(scheme));
}

/** Who is to watch such a name; undefined for other names. */
export function audienceOf(name: string): Audience | undefined {
  return SCHEMES.find(([scheme]) => name.startsWith(scheme))?.[1];
}

/**
 * Reads a name; undefined for one of another kind.
 * @throws MediaServerError STREAM_NAME_INVALID when its start is no number of seconds
 */
export function parseVodName(name: string): VodName | undefined {
  const scheme = SCHEMES.find(([prefix]) => name.startsWith(prefix));
  if (scheme === undefined) return undefined;
  const [prefix, audience] = scheme;
  const rest = name.slice(prefix.length);
  const start = START.exec(rest);
  if (start === null) return { audience, file: rest, startUs: undefined };
  const startUs = startUsOf(start[1]);
  if (startUs === undefined)
    throw new MediaServerError('STREAM_NAME_INVALID', `start=${start[1]?.slice(0, 32)} is no number of seconds`);
  return { audience, file: rest.slice(0, start.index), startUs };
}
