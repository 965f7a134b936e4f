import { type AudioCodec, isFlvCarriable, type VideoCodec } from '@sluice/media';
import {
  type Acceptance,
  ALL_AUDIO_CODECS,
  ALL_VIDEO_CODECS,
  isValidStreamName,
  playerAcceptance,
} from '../../core/index.ts';

/** Path that FLV streams are served under. */
export const FLV_PREFIX = '/flv/';

const SUFFIX = '.flv';
/** At most this many parameters are read from a URL; the rest is left out. */
const MAX_PARAMETERS = 64;
const ALL = 'all';
/** WCS's application key of clients that name none. */
const DEFAULT_APP_KEY = 'defaultApp';
const VIDEO_CODECS: ReadonlySet<VideoCodec> = new Set([...ALL_VIDEO_CODECS].filter(isFlvCarriable));
const AUDIO_CODECS: ReadonlySet<AudioCodec> = new Set([...ALL_AUDIO_CODECS].filter(isFlvCarriable));

/** Which kinds of tracks a viewer wants. */
export interface WantedKinds {
  readonly video: boolean;
  readonly audio: boolean;
}

/** What a URL asks for. */
export interface FlvTarget {
  readonly streamName: string;
  /** The application that the viewer belongs to, `appKey` of the URL. */
  readonly appKey: string;
  readonly wants: WantedKinds;
  /**
   * What the viewer takes as it is where other codecs can be converted: H.264 and AAC, which every player of FLV knows,
   * and what the URL names beside them.
   */
  readonly acceptance: Acceptance;
  /** Parameters of the URL but for those that are meant for us. */
  readonly custom: Readonly<Record<string, string>>;
}

/** Why a request is not answered with a stream; `message` says what to do. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
}

/**
 * Reads `/flv/<stream>.flv?video=0&codecs=h265,opus&…`. The stream's name is percent-decoded as a whole and may contain slashes.
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
  const acceptance = acceptanceOf(parameters.get('codecs') ?? '', wants);
  if (acceptance === undefined) {
    const known = [...VIDEO_CODECS, ...AUDIO_CODECS].join(', ');
    return { status: 400, message: `codecs is a list of ${known}, or ${ALL}` };
  }
  const appKey = parameters.get('appKey') || DEFAULT_APP_KEY;
  for (const name of ['video', 'audio', 'codecs', 'appKey']) parameters.delete(name);
  const custom = Object.fromEntries([...parameters].slice(0, MAX_PARAMETERS));
  return { streamName, appKey, wants, acceptance, custom };
}

/** Undefined for a list that names what is no codec. */
function acceptanceOf(list: string, wants: WantedKinds): Acceptance | undefined {
  const video = new Set<VideoCodec>(['h264']);
  const audio = new Set<AudioCodec>(['aac']);
  for (const name of list === '' ? [] : list.split(',')) {
    const isVideo = name === ALL || VIDEO_CODECS.has(name as VideoCodec);
    const isAudio = name === ALL || AUDIO_CODECS.has(name as AudioCodec);
    if (!isVideo && !isAudio) return undefined;
    if (isVideo) for (const codec of name === ALL ? VIDEO_CODECS : [name as VideoCodec]) video.add(codec);
    if (isAudio) for (const codec of name === ALL ? AUDIO_CODECS : [name as AudioCodec]) audio.add(codec);
  }
  return playerAcceptance({ video: wants.video ? video : new Set(), audio: wants.audio ? audio : new Set() });
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
