import type { Codec, Track } from '@sluice/media';

/** A codec that a player takes, and the numbers that it gave it. */
export interface PlayedCodec {
  readonly codec: Codec;
  readonly payloadType: number;
  readonly rtxPayloadType?: number | undefined;
  /** Payload type of the codec with redundancy (RFC 2198). */
  readonly redPayloadType?: number | undefined;
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
  /** Id of the extension for transport-wide sequence numbers, where the player tells when packets arrive. */
  readonly transportSequenceId?: number | undefined;
  /** False where the player does not ask for lost packets: none is sent twice under one number. Default: true. */
  readonly repeats?: boolean | undefined;
}
