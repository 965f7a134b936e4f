import type { Adaptations, Counters } from '../../../core/index.ts';
import type { Ticker } from '../../../io/index.ts';
import type { PublishMedia } from '../options.ts';

export interface RtmpRelayDeps {
  readonly adaptations: Adaptations;
  readonly counters: Counters;
  readonly ticker: Ticker;
}

/** How streams are sent to RTMP servers and fetched from them. */
export interface RtmpRelayOptions {
  /** Addresses to push to are complete, with the key of the stream; a push may have it otherwise. */
  readonly fullUrl: boolean;
  /** Put before the name of a stream that is pushed to an address that is not complete. */
  readonly streamNamePrefix: string;
  readonly sendMetadata: boolean;
  /** `flashVer` of connect; a push may have another one. */
  readonly flashVersion: string;
  /** `swfUrl` and `pageUrl` of connect; empty: not told. */
  readonly swfUrl: string;
  readonly pageUrl: string;
  /** Certificates of rtmps servers must be valid. */
  readonly tlsVerify: boolean;
  /**
   * Codecs of Enhanced RTMP. `listed`: pushed as they are to servers that say they take them, otherwise as H.264 and AAC.
   * `always`: whatever the server says. `never`: not spoken of at all.
   */
  readonly enhanced: 'listed' | 'always' | 'never';
  /** Chunk size that we send with, bytes. */
  readonly chunkSize: number;
  /** Longest message that is accepted of a server that is pulled from, bytes. */
  readonly maxMessageBytes: number;
  /** Most bytes that a server that is behind gets in one write. */
  readonly writeBytes: number;
  /** Media that a server is asked to send ahead, milliseconds. */
  readonly bufferLengthMs: number;
  /** Which media is taken of servers. */
  readonly pullMedia: PublishMedia;
}

export const DEFAULT_RTMP_RELAY_OPTIONS: RtmpRelayOptions = {
  fullUrl: false,
  streamNamePrefix: 'rtmp_',
  sendMetadata: true,
  flashVersion: 'LNX 76.219.189.0',
  swfUrl: '',
  pageUrl: '',
  tlsVerify: true,
  enhanced: 'listed',
  // What FFmpeg sends with, so that all servers have met it.
  chunkSize: 60_000,
  maxMessageBytes: 8 * 1024 * 1024,
  writeBytes: 64 * 1024,
  bufferLengthMs: 3000,
  pullMedia: {
    video: new Set(['h264', 'h265', 'av1', 'vp8', 'vp9', 'flv1']),
    audio: new Set(['aac', 'opus', 'speex', 'pcma', 'pcmu']),
  },
};
