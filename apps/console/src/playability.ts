import type { OverviewStream } from '@sluice/contract';
import { codecName } from './format.ts';
import { isHls, type PlayProtocol } from './play-protocol.ts';
import { mediaSourceClass } from './player-source.ts';

/** How the page's player takes a stream, judged before anything is loaded. */
export interface PlayPlan {
  /** Why it can not be played at all, and what to do instead; empty when it can. */
  readonly problem: string;
  /** What will be missing; empty when nothing is. */
  readonly note: string;
  /** What to add to an FLV address, so that the server leaves out what can not be played. */
  readonly flvQuery: string;
}

/** Says whether the browser decodes a codec by Media Source Extensions. */
export type CodecSupport = (mimeType: string) => boolean;

interface TrackFacts {
  readonly kind: 'video' | 'audio';
  readonly codec: string;
  readonly codecString?: string | undefined;
}

/** What goes through: for HLS what the server packs into fMP4, for FLV what mpegts.js reads. */
const CARRIED = {
  HLS: ['h264', 'h265', 'av1', 'vp9', 'aac', 'opus'],
  FLV: ['h264', 'h265', 'av1', 'aac', 'opus'],
} as const satisfies Record<string, readonly string[]>;

const NO_BROWSER_PLAYS: readonly string[] = ['flv1', 'pcma', 'pcmu', 'g722', 'speex'];
const ELSEWHERE = 'Let the encoder send H.264 and AAC, or play the RTMP address in VLC or ffplay.';

/** Judges a stream by what the overview tells about its codecs. A stream that is not live yet is simply tried. */
export function planPlayback(
  stream: OverviewStream | undefined,
  protocol: PlayProtocol,
  supports: CodecSupport = browserSupports,
): PlayPlan {
  // The server converts what the browser does not take, or says why it does not.
  if (protocol === 'webrtc' || protocol === 'mse') return { problem: '', note: '', flvQuery: '' };
  const video = stream?.video ? obstacle({ kind: 'video', ...stream.video }, protocol, supports) : '';
  const audio = stream?.audio ? obstacle({ kind: 'audio', ...stream.audio }, protocol, supports) : '';
  const hasPlayable = (stream?.video != null && video === '') || (stream?.audio != null && audio === '');
  if ((video !== '' || audio !== '') && !hasPlayable) {
    const obstacles = [video, audio].filter((text) => text !== '').join(', ');
    return { problem: `Not playable in this page: ${obstacles}. ${ELSEWHERE}`, note: '', flvQuery: '' };
  }
  if (video !== '') return { problem: '', note: `No picture: ${video}. ${ELSEWHERE}`, flvQuery: '?video=0' };
  if (audio !== '') return { problem: '', note: `No sound: ${audio}. ${ELSEWHERE}`, flvQuery: '?audio=0' };
  return { problem: '', note: '', flvQuery: '' };
}

/** Why a track can not be played; empty when it can. */
function obstacle(track: TrackFacts, protocol: PlayProtocol, supports: CodecSupport): string {
  const name = codecName(track.codec);
  if (NO_BROWSER_PLAYS.includes(track.codec)) return `no browser can play ${name}`;
  const way = isHls(protocol) ? 'HLS' : 'FLV';
  if (!(CARRIED[way] as readonly string[]).includes(track.codec)) return `${name} can not be played by ${way} here`;
  if (track.codecString === undefined) return '';
  const playable = supports(`${track.kind}/mp4; codecs="${track.codecString}"`);
  return playable ? '' : `this browser can not play ${name} (${track.codecString})`;
}

function browserSupports(mimeType: string): boolean {
  const source = mediaSourceClass();
  // A browser without either plays by itself, or the player says what is missing.
  return source === undefined || source.isTypeSupported(mimeType);
}
