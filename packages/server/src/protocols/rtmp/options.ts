import type { AudioCodec, VideoCodec } from '@sluice/media';
import type { TlsIdentity } from '../../io/index.ts';
import type { InBufferOptions } from './in-buffer.ts';

/** An address to listen on. */
export interface RtmpAddress {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Speaks RTMPS, RTMP inside TLS. */
  readonly secure?: boolean;
}

/** How silent peers are found (functions-1 §1.1, "Connection supervision"). Times in milliseconds; 0: no such check. */
export interface SupervisionOptions {
  readonly keepAlive: boolean;
  readonly keepAliveIntervalMs: number;
  readonly keepAliveProbes: number;
  /** Nothing was received for this long. */
  readonly readTimeoutMs: number;
  /** Nothing was sent for this long. */
  readonly writeTimeoutMs: number;
  /** Nothing was received or sent for this long. */
  readonly idleTimeoutMs: number;
}

/** When a publisher that sends no media is dropped. */
export interface MediaActivityOptions {
  /** Milliseconds without media of a track; 0: no check. */
  readonly timeoutMs: number;
  /** Names of streams whose sound or picture is not checked. */
  readonly audioExclude: RegExp | undefined;
  readonly videoExclude: RegExp | undefined;
}

/** Which media publishers may send. A kind without codecs is left out of the stream, whatever comes. */
export interface PublishMedia {
  readonly video: ReadonlySet<VideoCodec>;
  readonly audio: ReadonlySet<AudioCodec>;
}

export interface RtmpOptions {
  readonly listen: readonly RtmpAddress[];
  /** Needed for secure addresses. */
  readonly tls: TlsIdentity | undefined;
  /** Chunk size that we send with, bytes. */
  readonly chunkSize: number;
  readonly maxMessageBytes: number;
  readonly maxConnections: number;
  /** How long a player waits for a stream that is not there. */
  readonly playWaitMs: number;
  readonly viewerStallTimeoutMs: number;
  /** Most bytes that a viewer who is behind gets in one write. */
  readonly viewerWriteBytes: number;
  readonly flushIntervalMs: number;
  readonly handshakeTimeoutMs: number;
  readonly supervision: SupervisionOptions;
  readonly activity: MediaActivityOptions;
  readonly publishMedia: PublishMedia;
  /** Undefined: packets go through as they come. */
  readonly inBuffer: InBufferOptions | undefined;
  /** Parameters of the application count as parameters of the stream too. */
  readonly mergeConnectionParameters: boolean;
  /** Players begin with a picture; those of streams without one never begin. */
  readonly sendVideoFirst: boolean;
  readonly playbackEnabled: boolean;
  /** Every stream that is published is recorded, unless its back end says no. */
  readonly recordPublished: boolean;
  /** max_dec_frame_buffering that is written into the SPS of H.264 publishers; -1 leaves it as it came. */
  readonly maxDecFrameBuffering: number;
  /** How long peers that can reconnect get for it when the server stops, milliseconds. */
  readonly reconnectGraceMs: number;
  /** Where they are told to reconnect to; empty: where they are. */
  readonly reconnectUrl: string;
}

export const DEFAULT_RTMP_OPTIONS: RtmpOptions = {
  listen: [{ host: '::', port: 1935 }],
  tls: undefined,
  chunkSize: 65536,
  maxMessageBytes: 8 * 1024 * 1024,
  maxConnections: 10_000,
  playWaitMs: 3000,
  viewerStallTimeoutMs: 10_000,
  viewerWriteBytes: 256 * 1024,
  flushIntervalMs: 36,
  handshakeTimeoutMs: 10_000,
  supervision: {
    keepAlive: true,
    keepAliveIntervalMs: 5000,
    keepAliveProbes: 10,
    readTimeoutMs: 0,
    writeTimeoutMs: 0,
    idleTimeoutMs: 0,
  },
  activity: { timeoutMs: 0, audioExclude: undefined, videoExclude: undefined },
  publishMedia: {
    video: new Set<VideoCodec>(['h264', 'h265', 'av1', 'vp8', 'vp9', 'flv1']),
    audio: new Set<AudioCodec>(['aac', 'opus', 'speex', 'pcma', 'pcmu']),
  },
  inBuffer: undefined,
  mergeConnectionParameters: false,
  sendVideoFirst: false,
  playbackEnabled: true,
  recordPublished: false,
  maxDecFrameBuffering: -1,
  reconnectGraceMs: 1000,
  reconnectUrl: '',
};
