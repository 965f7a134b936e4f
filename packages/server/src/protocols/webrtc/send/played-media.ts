import type { Codec, Track } from '@sluice/media';

/** A codec that a player takes, and the numbers that it gave it. */
export interface PlayedCodec {
  readonly codec: Codec;
  readonly payloadType: number;
  readonly rtxPayloadType?: number | undefined;
  /** H.264 only. */
  readonly packetizationMode?: 0 | 1 | undefined;
}

/** One medium of an answer to a player. */
export interface PlayedMedia {
  readonly kind: Track['kind'];
  readonly ssrc: number;
  readonly rtxSsrc: number;
  /** In order of preference. */
  readonly codecs: readonly PlayedCodec[];
  readonly orientationId?: number | undefined;
  readonly sendTimeId?: number | undefined;
}
