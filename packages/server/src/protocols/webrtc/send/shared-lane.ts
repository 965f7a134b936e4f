import { type Egress, type FollowOptions, LaneBatch, type TrackState } from '@sluice/native';
import type { RtpLane, RtpLaneFormat, RtpLanePacket } from '../../../core/index.ts';

/** Who follows a shared lane, as the lane knows it. */
export interface LaneFollower {
  /** What comes from this packet on is of another kind, or of another publisher: go on by yourself, with this packet. */
  onLaneChanged(packet: RtpLanePacket): void;
  /** The lane is about to forget its packets: go on by yourself, with what has not been sent. */
  onLaneReset(): void;
  /** A packet was lost on the way here and has come after all: those who followed later need it from elsewhere. */
  onLatePacket(packet: RtpLanePacket): void;
}

/** What a port keeps of a lane: as long as packets may wait for the pacing of a viewer, and a little more. */
const PICTURES = { maxPackets: 4096, maxBytes: 8 * 1024 * 1024, maxAgeMs: 2500, prompt: false };
const SOUND = { maxPackets: 128, maxBytes: 256 * 1024, maxAgeMs: 1500, prompt: true };

/** The packets of one lane in one media port: handed over once for all viewers that follow it there. */
export class SharedLane {
  /** In the port. */
  readonly id: number;
  /** The newest packet that was handed over. */
  newest: RtpLanePacket | undefined;
  readonly #lane: RtpLane;
  readonly #egress: Egress;
  readonly #batch = new LaneBatch();
  readonly #followers = new Set<LaneFollower>();
  readonly #attached: Disposable;
  readonly #onEmpty: () => void;
  readonly #flushLater = (): void => this.#flush();
  readonly #began: number;
  #epoch: number;
  #format: RtpLaneFormat | undefined;
  #willFlush = false;

  constructor(lane: RtpLane, egress: Egress, onEmpty: () => void) {
    this.#lane = lane;
    this.#egress = egress;
    this.#onEmpty = onEmpty;
    this.#epoch = lane.epoch;
    this.#format = lane.format;
    this.#began = lane.end - 1;
    this.id = egress.openLane(lane.format?.track.kind === 'audio' ? SOUND : PICTURES);
    this.#attached = lane.attach(
      (packet) => this.#onPacket(packet),
      () => this.#onReset(),
    );
  }

  /** From now on a peer gets the lane's packets. False when it can't, as when it has gone. */
  follow(follower: LaneFollower, peer: number, options: Omit<FollowOptions, 'lane'>): boolean {
    try {
      this.#egress.follow(peer, { ...options, lane: this.id });
      this.#followers.add(follower);
      return true;
    } catch {
      if (this.#followers.size === 0) this.close();
      return false;
    }
  }

  /** It does not any more; tells how far it came. */
  leave(follower: LaneFollower, peer: number, ssrc: number): TrackState | undefined {
    const state = this.#egress.unfollow(peer, ssrc);
    this.#followers.delete(follower);
    if (this.#followers.size === 0) this.close();
    return state;
  }

  /** Nothing is handed over any more. Idempotent. */
  close(): void {
    this.#attached[Symbol.dispose]();
    this.#egress.closeLane(this.id);
    this.#batch.clear();
    this.#onEmpty();
  }

  // Hot path: once per packet, whoever follows.
  #onPacket(packet: RtpLanePacket): void {
    if (packet.format !== this.#format || this.#lane.epoch !== this.#epoch) return this.#change(packet);
    if (packet.sequence > (this.newest?.sequence ?? this.#began)) this.newest = packet;
    else for (const follower of this.#followers) follower.onLatePacket(packet);
    this.#batch.add(packet);
    if (this.#willFlush) return;
    this.#willFlush = true;
    queueMicrotask(this.#flushLater);
  }

  /** Those of a frame, which are made in one turn, go over in one call. */
  #flush(): void {
    this.#willFlush = false;
    this.#egress.push(this.id, this.#batch);
    this.#batch.clear();
  }

  /** What came in this turn has not been handed over, and what was may wait for its time: the lane still has all of it. */
  #onReset(): void {
    for (const follower of [...this.#followers]) follower.onLaneReset();
  }

  #change(packet: RtpLanePacket): void {
    this.#epoch = this.#lane.epoch;
    this.#format = packet.format;
    for (const follower of [...this.#followers]) follower.onLaneChanged(packet);
  }
}

/** The lanes of a server that viewers share in its media ports: each is there while somebody follows it. */
export class SharedLanes {
  readonly #ports = new Map<Egress, Map<RtpLane, SharedLane>>();

  /** How many there are. */
  get size(): number {
    let size = 0;
    for (const lanes of this.#ports.values()) size += lanes.size;
    return size;
  }

  /** The lane in that port, to be followed at once. */
  of(lane: RtpLane, egress: Egress): SharedLane {
    const lanes = this.#ports.get(egress) ?? new Map<RtpLane, SharedLane>();
    this.#ports.set(egress, lanes);
    const known = lanes.get(lane);
    if (known !== undefined) return known;
    const shared = new SharedLane(lane, egress, () => {
      lanes.delete(lane);
      if (lanes.size === 0) this.#ports.delete(egress);
    });
    lanes.set(lane, shared);
    return shared;
  }
}
