import type { Codec } from '../packet.ts';
import type { AacPayloadFormat } from '../rtp/payload/aac-format.ts';

/** Who sends, as the description's author has it (RFC 8866 §6.7). */
export type SdpDirection = 'sendrecv' | 'sendonly' | 'recvonly';

/** One medium of a session description that can be received: what depacketizer and track need to know. */
export interface DescribedTrack {
  readonly kind: 'video' | 'audio';
  readonly codec: Codec;
  /** 0 to 127. */
  readonly payloadType: number;
  /** Of the RTP timestamps: 90000 for video, 8000 for G.722. For AAC not always that of `Track`. */
  readonly clockRate: number;
  /** Opus only: channels that a decoder is to give. */
  readonly channels?: 1 | 2 | undefined;
  /** H.264 only. */
  readonly packetizationMode?: 0 | 1 | undefined;
  /** H.264 and H.265: always, because cameras put start codes into their packets, and markers too early. */
  readonly startCodes?: boolean | undefined;
  /** AAC only. */
  readonly aac?: AacPayloadFormat | undefined;
  /** Decoder configuration as `Track.parameters` wants it; absent when the packets have to bring it. */
  readonly parameters?: readonly Uint8Array[] | undefined;
  /** `a=control` of the medium as it is written: `trackID=1`, `rtsp://…`, `*`. */
  readonly control?: string | undefined;
  /** `sendrecv` when the description tells none. */
  readonly direction: SdpDirection;
  /** Port of the `m=` line, mostly 0; and the `c=` line's address where it is a multicast one. */
  readonly port: number;
  readonly multicastAddress?: string | undefined;
  /** Position of the medium among all of the description, from 0. */
  readonly section: number;
}

/** What a description of media tells that may be received. */
export interface DescribedMedia {
  /** `s=` */
  readonly name: string | undefined;
  /** `a=control` and `a=range` of the session level as they are written. */
  readonly control: string | undefined;
  readonly range: string | undefined;
  /** In the order of the description; several of a kind where it has several. */
  readonly tracks: readonly DescribedTrack[];
  /** What was left out and why, for people: `audio "MPA" is left out: …`. */
  readonly notes: readonly string[];
}
