import { isValidStreamName } from '../../core/index.ts';

/** Path that FLV streams are served under. */
export const FLV_PREFIX = '/flv/';

const SUFFIX = '.flv';
/** At most this many parameters are read from a URL; the rest is left out. */
const MAX_PARAMETERS = 64;

/** Which kinds of tracks a viewer wants. */
export interface WantedKinds {
  readonly video: boolean;
  readonly audio: boolean;
}

/** What a URL asks for. */
export interface FlvTarget {
  readonly streamName: string;
  readonly wants: WantedKinds;
  /** Parameters of the URL but for those that are meant for us. */
  readonly custom: Readonly<Record<string, string>>;
}

/** Why a request is not answered with a stream; `message` says what to do. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
}

/**
 * Reads `/flv/<stream>.flv?video=0&…`. The stream's name is percent-decoded as a whole and may contain slashes.
 * Total: what can't be read gives a refusal.
 */
export function parseTarget(url: string): FlvTarget | Refusal {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const namesStream = path.startsWith(FLV_PREFIX) && path.endsWith(SUFFIX);
  if (!namesStream || path.length <= FLV_PREFIX.length + SUFFIX.length)
    return { status: 404, message: `the address of a stream is ${FLV_PREFIX}NAME${SUFFIX}` };
  const streamName = decode(path.slice(FLV_PREFIX.length, -SUFFIX.length));
  if (streamName === undefined) return { status: 400, message: 'the percent-encoding of the stream name is broken' };
  if (!isValidStreamName(streamName)) {
    const message = 'a stream name has 1 to 1024 characters and no control characters';
    return { status: 400, message };
  }
  const parameters = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
  const wants = { video: parameters.get('video') !== '0', audio: parameters.get('audio') !== '0' };
  if (!wants.video && !wants.audio)
    return { status: 400, message: 'video=0 and audio=0 leave nothing to play, drop one of them' };
  parameters.delete('video');
  parameters.delete('audio');
  return { streamName, wants, custom: Object.fromEntries([...parameters].slice(0, MAX_PARAMETERS)) };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
