import type { RtpLaneFormat } from '../../../core/index.ts';
import type { StreamClock } from '../../../rtp/index.ts';
import type { SendPath } from './bandwidth/send-path.ts';
import type { Sharing } from './shared-sending.ts';

/** How one codec of a track is sent. */
export interface SendFormat {
  readonly payloadType: number;
  /** Payload type of retransmissions (RFC 4588); absent when they were not negotiated. */
  readonly rtxPayloadType?: number | undefined;
  /** The same of sound with redundancy (RFC 2198). */
  readonly redPayloadType?: number | undefined;
}

export interface SendTrackOptions {
  readonly ssrc: number;
  readonly rtxSsrc: number;
  /** That of all tracks of the peer. */
  readonly clock: StreamClock;
  /** How a lane's packets are sent to this peer; undefined when it can't take them. */
  formatFor(format: RtpLaneFormat): SendFormat | undefined;
  /** Id of the header extension for the orientation of the picture, when negotiated. */
  readonly orientationId?: number | undefined;
  /** The same for the time of sending, from which the peer estimates its bandwidth. */
  readonly sendTimeId?: number | undefined;
  /** The same for transport-wide numbers, which the peer reports on. */
  readonly transportSequenceId?: number | undefined;
  /** False where a packet is never sent twice under one number, as the peer does not ask for lost ones. Default: true. */
  readonly repeats?: boolean | undefined;
  /** Through which all tracks of the peer go; undefined: packets are sent as they come. */
  readonly path?: SendPath | undefined;
  /** Packets that the peer gets as others do are sent along shared lanes; undefined: all are written here. */
  readonly sharing?: Sharing | undefined;
}

/** Where a peer begins in a lane. */
export interface SendStart {
  /** Pictures begin with the newest start point that is kept when it is not older than this, microseconds. */
  readonly maxPastUs: number;
  /** Where the stream stands at this moment, on its own timeline. */
  liveUs(): number;
}
