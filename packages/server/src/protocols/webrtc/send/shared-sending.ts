import type { RtpFormat, TrackState } from '@sluice/native';
import type { RtpLane } from '../../../core/index.ts';
import type { EgressPeer } from '../transport/index.ts';
import type { LaneFollower, SharedLane, SharedLanes } from './shared-lane.ts';

/** What a track needs to be sent along shared lanes. */
export interface Sharing {
  readonly lanes: SharedLanes;
  /** The peer's place in a media port; undefined while it is not connected, and where packets are sent one by one. */
  peer(): EgressPeer | undefined;
}

export interface SharedStart {
  readonly lane: RtpLane;
  /** Sequence number in the lane of the first packet, and the peer's for it. */
  readonly from: number;
  readonly number: number;
  readonly format: RtpFormat;
  readonly follower: LaneFollower;
}

/** How far a track has come along its lane. */
export interface SharedProgress {
  readonly state: TrackState;
  /** Since it was looked at last; bytes of payload. */
  readonly packets: number;
  readonly bytes: number;
  /** It lagged and went on at a start point: the numbers of `state` are others than before. */
  readonly skipped: boolean;
  /** That happened more than once, so that nothing is known of what was between. */
  readonly skippedOften: boolean;
}

/** What waits for longer than this is given up, up to the next key frame. */
const MAX_PICTURE_QUEUE_MS = 1500;

/** One track of one peer on its way along a lane that others share: no packet of it is seen here. */
export class SharedSending {
  readonly #shared: SharedLane;
  readonly #peer: EgressPeer;
  readonly #ssrc: number;
  readonly #follower: LaneFollower;
  #packets = 0;
  #bytes = 0;
  #drops = 0;
  #segment: number;

  private constructor(shared: SharedLane, peer: EgressPeer, start: SharedStart) {
    this.#shared = shared;
    this.#peer = peer;
    this.#ssrc = start.format.ssrc;
    this.#follower = start.follower;
    this.#segment = start.from;
  }

  /** Undefined when the peer can't follow, as when it has gone. */
  static begin({ lanes, peer }: Sharing, start: SharedStart): SharedSending | undefined {
    const place = peer();
    if (place === undefined) return undefined;
    const shared = lanes.of(start.lane, place.egress);
    const { from, number, format, follower } = start;
    const follows = shared.follow(follower, place.id, { from, number, maxQueueMs: MAX_PICTURE_QUEUE_MS, format });
    return follows ? new SharedSending(shared, place, start) : undefined;
  }

  /** The newest packet that the lane has got. */
  get newest() {
    return this.#shared.newest;
  }

  /** As `Egress.setPacing`. */
  setPacing(bps: number, burstBytes: number): void {
    this.#peer.egress.setPacing(this.#peer.id, bps, burstBytes);
  }

  look(): SharedProgress | undefined {
    return this.#progress(this.#peer.egress.trackState(this.#peer.id, this.#ssrc));
  }

  /** Ends it. */
  end(): SharedProgress | undefined {
    return this.#progress(this.#shared.leave(this.#follower, this.#peer.id, this.#ssrc));
  }

  #progress(state: TrackState | undefined): SharedProgress | undefined {
    if (state === undefined) return undefined;
    const progress = {
      state,
      packets: state.packets - this.#packets,
      bytes: state.bytes - this.#bytes,
      skipped: state.segment !== this.#segment,
      skippedOften: state.drops - this.#drops > 1,
    };
    this.#packets = state.packets;
    this.#bytes = state.bytes;
    this.#drops = state.drops;
    this.#segment = state.segment;
    return progress;
  }
}
