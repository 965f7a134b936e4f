import type { AudioCodec, VideoCodec } from '@sluice/media';
import {
  type Acceptance,
  isValidStreamName,
  playerAcceptance,
  readVideoForm,
  type VideoForm,
  withPicture,
} from '../../core/index.ts';

/** Path that streams are played under. */
export const MSE_PREFIX = '/mse/';

/** Codecs of pictures that pages may be able to play in fragmented MP4. */
const VIDEO_CODECS: readonly VideoCodec[] = ['h264', 'h265', 'av1', 'vp9'];
/** At most this many parameters are read from a URL; the rest is left out. */
const MAX_PARAMETERS = 64;
const MIN_PART_MS = 20;
const MAX_PART_MS = 5000;
/** WCS's application key of clients that name none. */
const DEFAULT_APP_KEY = 'defaultApp';
/** Parameters that are meant for us; the others are for the back end. */
const OWN_PARAMETERS = ['video', 'audio', 'codecs', 'part', 'appKey', 'width', 'height', 'bitrate'] as const;

/** What a URL asks for. */
export interface MseTarget {
  readonly streamName: string;
  /** The application that the viewer belongs to, `appKey` of the URL. */
  readonly appKey: string;
  readonly wants: { readonly video: boolean; readonly audio: boolean };
  /** What the viewer takes as it is; everything else is converted to H.264 and AAC. */
  readonly acceptance: Acceptance;
  /** Form of the picture that it asks for. */
  readonly picture: VideoForm | undefined;
  /** Milliseconds that a fragment holds; undefined: each frame is one of its own. */
  readonly partMs: number | undefined;
  /** Parameters of the URL but for those that are meant for us. */
  readonly custom: Readonly<Record<string, string>>;
}

/** Why a request is not answered with a stream; `message` says what to do. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
}

/**
 * Reads `/mse/<stream>?video=0&audio=opus&codecs=h264,vp9&part=200&height=360&…`. The stream's name is percent-decoded as a whole
 * and may contain slashes. Total: what can't be read gives a refusal.
 */
export function parseTarget(url: string): MseTarget | Refusal {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  if (!path.startsWith(MSE_PREFIX) || path.length === MSE_PREFIX.length)
    return { status: 404, message: `the address of a stream is ${MSE_PREFIX}NAME` };
  const streamName = decode(path.slice(MSE_PREFIX.length));
  if (streamName === undefined) return { status: 400, message: 'the percent-encoding of the stream name is broken' };
  if (!isValidStreamName(streamName))
    return { status: 400, message: 'a stream name has 1 to 1024 characters and no control characters' };
  const parameters = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
  const wants = { video: parameters.get('video') !== '0', audio: parameters.get('audio') !== '0' };
  if (!wants.video && !wants.audio)
    return { status: 400, message: 'video=0 and audio=0 leave nothing to play, drop one of them' };
  const video = codecsOf(parameters.get('codecs') ?? '');
  if (video === undefined) return { status: 400, message: `codecs is a list of ${VIDEO_CODECS.join(', ')}` };
  const partMs = partOf(parameters.get('part'));
  if (partMs === null)
    return { status: 400, message: `part is a number of milliseconds from ${MIN_PART_MS} to ${MAX_PART_MS}` };
  const picture = readVideoForm(parameters);
  if (typeof picture === 'string') return { status: 400, message: picture };
  const audio = new Set<AudioCodec>(parameters.get('audio') === 'opus' ? ['aac', 'opus'] : ['aac']);
  const appKey = parameters.get('appKey') || DEFAULT_APP_KEY;
  for (const name of OWN_PARAMETERS) parameters.delete(name);
  const any = playerAcceptance({ video: wants.video ? video : new Set(), audio: wants.audio ? audio : new Set() });
  return {
    streamName,
    appKey,
    wants,
    acceptance: picture !== undefined && wants.video ? withPicture(any, picture) : any,
    picture: wants.video ? picture : undefined,
    partMs,
    custom: Object.fromEntries([...parameters].slice(0, MAX_PARAMETERS)),
  };
}

/** Undefined for a list that names what is none of them. */
function codecsOf(list: string): ReadonlySet<VideoCodec> | undefined {
  if (list === '') return new Set(VIDEO_CODECS);
  const names = list.split(',');
  if (!names.every((name) => VIDEO_CODECS.includes(name as VideoCodec))) return undefined;
  // What is converted becomes H.264.
  return new Set<VideoCodec>(['h264', ...(names as VideoCodec[])]);
}

/** Null for what is no part. */
function partOf(text: string | null): number | undefined | null {
  if (text === null || text === '') return undefined;
  const ms = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  return ms >= MIN_PART_MS && ms <= MAX_PART_MS ? ms : null;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
