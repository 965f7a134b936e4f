import type { FollowOptions, RtpFormat, TrackState } from '../egress.ts';
import type { KeptPacket, Lane } from './lane.ts';
import type { Peer } from './peer.ts';

/** What a track sends by, and whom it tells what becomes of it. */
export interface TrackSender {
  /** Sends a packet under a number; false when it had that number before. */
  sendLanePacket(peer: Peer, format: RtpFormat, packet: KeptPacket, number: number): boolean;
  tell(kind: 'dropped' | 'resumed', track: Track, sequence: number, number: number): void;
}

/** One track of a peer on its way along a lane. Holds no packet: the lane does. */
export class Track {
  readonly peer: Peer;
  readonly format: RtpFormat;
  /** Undefined once the lane is closed. */
  lane: Lane | undefined;
  drops = 0;
  readonly #sender: TrackSender;
  readonly #maxQueueMs: number;
  readonly #sinceMs: number;
  #cursor: number;
  #offset: number;
  #segment: number;
  #late: number;
  #lastNumber: number;
  #lastTimestamp = 0;
  #awaitsStart = false;
  /** Gives the picture up at the end of the frame that is being sent. */
  #givesUp = false;
  #packets = 0;
  #bytes = 0;
  #keyFrameMs = 0;

  constructor(sender: TrackSender, at: { readonly peer: Peer; readonly lane: Lane }, options: FollowOptions) {
    this.#sender = sender;
    this.peer = at.peer;
    this.lane = at.lane;
    this.format = options.format;
    this.#maxQueueMs = options.maxQueueMs;
    this.#sinceMs = performance.now();
    this.#cursor = options.from;
    this.#segment = options.from;
    this.#offset = options.number - options.from;
    this.#lastNumber = options.number - 1;
    this.#late = at.lane.lateEnd;
  }

  get state(): TrackState {
    const next = this.lane?.at(this.#cursor);
    return {
      nextSequence: this.#cursor,
      lastNumber: this.#lastNumber,
      lastTimestamp: this.#lastTimestamp,
      packets: this.#packets,
      bytes: this.#bytes,
      drops: this.drops,
      keyFrameMs: this.#keyFrameMs,
      numberOffset: this.#offset,
      segment: this.#segment,
      awaitsStart: this.#awaitsStart,
      lagMs: next === undefined ? 0 : performance.now() - Math.max(next.atMs, this.#sinceMs),
    };
  }

  /** Sends what may be sent; true when more waits for the peer's budget. Hot path: once per viewer and frame. */
  send(nowMs: number): boolean {
    const { lane, peer } = this;
    if (lane === undefined || !peer.hasWay) return false;
    if (this.#awaitsStart) {
      if (lane.startPoint < this.#cursor) return false;
      this.#resumeAt(lane, lane.startPoint);
    }
    this.#sendLate(lane, nowMs);
    this.#checkAge(lane, nowMs);
    while (this.#cursor < lane.end) {
      const packet = lane.at(this.#cursor);
      if (this.#cursor < lane.first || (this.#givesUp && packet !== undefined && !this.#isOfLastFrame(packet))) {
        this.#skipToStart(lane);
        continue;
      }
      if (packet !== undefined) {
        if (!lane.options.prompt && !peer.budget.allows(nowMs)) return true;
        this.#sendPacket(lane, packet, nowMs);
      }
      // A packet that was lost on the way here leaves its number free for the case that it comes after all.
      this.#cursor++;
    }
    return false;
  }

  #sendLate(lane: Lane, nowMs: number): void {
    for (let at = lane.lateFrom(this.#late); at < lane.lateEnd; at++) {
      const sequence = lane.late(at);
      const packet = lane.at(sequence);
      if (packet !== undefined && sequence >= this.#segment && sequence < this.#cursor)
        this.#sendPacket(lane, packet, nowMs);
    }
    this.#late = lane.lateEnd;
  }

  #sendPacket(lane: Lane, packet: KeptPacket, nowMs: number): void {
    const number = packet.sequence + this.#offset;
    if (!this.#sender.sendLanePacket(this.peer, this.format, packet, number)) return;
    this.#packets++;
    this.#bytes += packet.payload.length;
    if (packet.startPoint && !lane.options.prompt) this.#keyFrameMs = nowMs;
    if (number <= this.#lastNumber) return;
    this.#lastNumber = number;
    this.#lastTimestamp = (packet.timestamp + this.format.timestampOffset) >>> 0;
  }

  /**
   * A track that lags by too long gives up what waits, but for the frame that has begun to leave, and but for the newest
   * start point: on a thin way there would never be a picture otherwise.
   */
  #checkAge(lane: Lane, nowMs: number): void {
    const next = lane.at(this.#cursor);
    if (next === undefined || this.#givesUp) return;
    if (nowMs - Math.max(next.atMs, this.#sinceMs) <= this.#maxQueueMs) return;
    if (this.#packets > 0 && this.#isOfLastFrame(next)) this.#givesUp = true;
    else if (this.#cursor !== lane.startPoint) this.#skipToStart(lane);
  }

  #isOfLastFrame(packet: KeptPacket): boolean {
    return (packet.timestamp + this.format.timestampOffset) >>> 0 === this.#lastTimestamp;
  }

  #skipToStart(lane: Lane): void {
    const start = lane.startPoint;
    this.#givesUp = false;
    this.drops++;
    this.#sender.tell('dropped', this, this.#cursor, this.#lastNumber);
    if (start >= this.#cursor) {
      this.#resumeAt(lane, start);
      return;
    }
    this.#awaitsStart = true;
    this.#cursor = lane.end;
  }

  #resumeAt(lane: Lane, start: number): void {
    this.#awaitsStart = false;
    this.#cursor = start;
    this.#segment = start;
    this.#offset = this.#lastNumber + 1 - start;
    this.#late = lane.lateEnd;
    this.#sender.tell('resumed', this, start, this.#lastNumber + 1);
  }
}
