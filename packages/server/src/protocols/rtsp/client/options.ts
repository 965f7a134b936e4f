import type { AudioCodec, VideoCodec } from '@sluice/media';
import type { NumberPair } from '../wire/transport.ts';

/** Settings of RTSP as client; resolved once by {@link resolveRtspRelayOptions}. */
export interface RtspRelayOptions {
  /** Media over the RTSP connection; false: by UDP, and over the connection where that does not work. Default true. */
  readonly interleaved: boolean;
  /** Channels that are asked for; those in the order of the description by default. */
  readonly channels: { readonly [K in 'audio' | 'video']?: NumberPair | undefined };
  /** Audio codecs of cameras that are left out, in lower case. Default none. */
  readonly stripAudioCodecs: readonly string[];
  /** Range of UDP ports for media, both ends included. Default 32000 to 32999. */
  readonly portFrom: number;
  readonly portTo: number;
  /** Address of this machine to connect from; undefined: the system chooses. */
  readonly localAddress: string | undefined;
  /** Time between requests that keep a session alive, milliseconds; 0: as the server asks for, at least every 30 s. */
  readonly keepAliveIntervalMs: number;
  /** Certificates must be valid (`rtsps`). Default false. */
  readonly tlsVerify: boolean;
  /** Without a packet by UDP for this long after PLAY, media is asked for over the connection, milliseconds. Default 4000. */
  readonly udpPatienceMs: number;
  /** Video codecs that are pushed as they are; others are converted to H.264. Default h264, h265. */
  readonly pushVideoCodecs: readonly VideoCodec[];
  /** Audio codecs that are pushed as they are; others are converted to AAC. Default aac. */
  readonly pushAudioCodecs: readonly AudioCodec[];
  /** Bytes that may wait for a server that is pushed to; then frames are dropped up to a key frame. Default 2 MiB. */
  readonly pushQueueBytes: number;
  /** How we are called in requests. */
  readonly userAgent: string;
}

export const DEFAULT_RTSP_RELAY_OPTIONS: RtspRelayOptions = Object.freeze({
  interleaved: true,
  channels: {},
  stripAudioCodecs: [],
  portFrom: 32_000,
  portTo: 32_999,
  localAddress: undefined,
  keepAliveIntervalMs: 0,
  tlsVerify: false,
  udpPatienceMs: 4000,
  pushVideoCodecs: ['h264', 'h265'] as const,
  pushAudioCodecs: ['aac'] as const,
  pushQueueBytes: 2 * 1024 * 1024,
  userAgent: 'Sluice',
});

/** Fills in the defaults. */
export function resolveRtspRelayOptions(options: Partial<RtspRelayOptions>): RtspRelayOptions {
  return Object.freeze({ ...DEFAULT_RTSP_RELAY_OPTIONS, ...options });
}

/**
 * Reads `rtsp_interleaved_channels`: `audio;video`, as in `2-3;0-1`; a part may be empty. Undefined when it can't be
 * read, or both would share a channel.
 */
export function parseInterleavedChannels(text: string): RtspRelayOptions['channels'] | undefined {
  const match = /^\s*(?:(\d{1,3})-(\d{1,3}))?\s*(?:;\s*(?:(\d{1,3})-(\d{1,3}))?\s*)?$/.exec(text);
  if (match === null) return undefined;
  const numbers = match.slice(1).map((word) => (word === undefined ? undefined : Number(word)));
  const told = numbers.filter((number) => number !== undefined);
  if (told.some((number) => number > 255) || new Set(told).size !== told.length) return undefined;
  const [audioRtp, audioRtcp, videoRtp, videoRtcp] = numbers;
  return { audio: pairOf(audioRtp, audioRtcp), video: pairOf(videoRtp, videoRtcp) };
}

function pairOf(rtp: number | undefined, rtcp: number | undefined): NumberPair | undefined {
  return rtp === undefined || rtcp === undefined ? undefined : [rtp, rtcp];
}
