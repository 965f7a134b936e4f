import { rtpClockRate } from '@sluice/media';
import type { RtpLane, RtpLaneFormat, RtpLanePacket } from '../../../core/index.ts';
import type { PacedTrack } from './bandwidth/pacer.ts';
import type { SharedTrack } from './bandwidth/send-path.ts';
import { type LaneMeterLease, leaseMeter } from './lane-meter.ts';
import { PacketWriter, type RtpSink } from './packet-writer.ts';
import { PictureGate } from './picture-gate.ts';

import { Redundancy } from './redundancy.ts';
import { Repairs } from './repairs.ts';
import type { SendFormat, SendStart, SendTrackOptions } from './send-format.ts';
import { type SendRun, SentNumbers } from './sent-numbers.ts';
import { SentTimes, sentTimestamp } from './sent-times.ts';
import type { LaneFollower } from './shared-lane.ts';
import { type SharedProgress, SharedSending, type Sharing } from './shared-sending.ts';
import { NO_RATES, type PictureLimit, type PictureRates } from './thinning.ts';
import { Vp8Numbers } from './vp8-numbers.ts';

export type { RtpSink } from './packet-writer.ts';
export type { SendFormat, SendStart, SendTrackOptions } from './send-format.ts';

const AT_ONCE: SendStart = { maxPastUs: 0, liveUs: () => Number.NEGATIVE_INFINITY };
/** Sound that is older than this when the peer could begin with it is left out, */
const LATE_SOUND_US = 150_000;
/** but not for longer than this: a conversion may be as late as that all the time. */
const MAX_SOUND_WAIT_MS = 1000;
/** Packets of the past that a viewer who joins gets at most on each tick, until it has caught up. */
const CATCH_UP_PACKETS = 64;
/** For so long a track is kept off a shared lane that had to be taken off it. */
const KEPT_OFF_MS = 500;

/**
 * One track on its way to one peer: follows a lane, numbers its packets for this peer, and sends them again on request
 * from what the lane keeps. Holds no packet itself.
 */
export class SendTrack implements PacedTrack, LaneFollower, SharedTrack {
  /** Packets and bytes of payload that were sent; along a shared lane as of the last `look`. */
  packets = 0;
  bytes = 0;
  /** When the newest key frame was sent, `performance.now()`; 0 before the first, and for sound. */
  keyFrameMs = 0;
  /** When the newest sender report was made, `performance.now()`. */
  reportedMs = Number.NEGATIVE_INFINITY;
  readonly options: SendTrackOptions;
  #lane: RtpLane | undefined;
  #attached: Disposable | undefined;
  #laneEpoch = 0;
  #start: SendStart = AT_ONCE;
  /** Sequence number of the lane's packet that is to be sent next; -1 while a start point is awaited. */
  #next = -1;
  /** True once the peer has got all of the past that is meant for it. */
  #live = false;
  /** First packet of the lane that this peer gets. */
  #first = 0;
  /** Until then sound that is late is waited out. */
  #soundWaitMs = 0;
  #run: SendRun | undefined;
  /** Of the newest packet that was to be sent; -1 before the first of a lane. */
  #newest = -1;
  #format: SendFormat | undefined;
  #laneFormat: RtpLaneFormat | undefined;
  readonly #numbers = new SentNumbers();
  readonly #times: SentTimes;
  readonly #repairs: Repairs;
  readonly #vp8 = new Vp8Numbers();
  readonly #writer: PacketWriter;
  readonly #gate: PictureGate | undefined;
  #meter: LaneMeterLease | undefined;
  #shared: SharedSending | undefined;
  /** First packet of the lane that is sent so. */
  #sharedFrom = 0;
  /** Before that time it does not go over to a shared lane. */
  #notSharedUntilMs = 0;
  /** Frames that the gate had left out when the newest packet was sent on. */
  #leftOut = 0;
  readonly #redundancy = new Redundancy();

  constructor(sink: RtpSink, options: SendTrackOptions) {
    this.options = options;
    this.#writer = new PacketWriter(sink, options);
    const formatOf = (packet: RtpLanePacket): SendFormat | undefined => this.#formatOf(packet);
    this.#repairs = new Repairs({ numbers: this.#numbers, writer: this.#writer, formatOf });
    this.#times = new SentTimes(options.clock);
    this.#gate = options.path === undefined ? undefined : new PictureGate(options.path);
  }

  /** True while it is sent along a shared lane. */
  get isShared(): boolean {
    return this.#shared !== undefined;
  }

  /** Packets that were sent again, and requests for packets that are not kept any more. */
  get resent(): number {
    return this.#repairs.resent;
  }

  get resendMisses(): number {
    return this.#repairs.misses;
  }

  get lane(): RtpLane | undefined {
    return this.#lane;
  }

  /** True once a packet has been sent. */
  get started(): boolean {
    return this.packets > 0;
  }

  /** True while the peer waits for a packet that it can start with. */
  get waitsForStart(): boolean {
    return this.#lane !== undefined && this.#next < 0;
  }

  /** True while the peer is still being given the past, whose times are not those of the lane. */
  get catchesUp(): boolean {
    return this.#next >= 0 && (!this.#live || this.#times.lastIsPast);
  }

  /** Where the track stands, for sender reports: the newest packet's RTP time, and the same on the stream's timeline. */
  get position(): { readonly timestamp: number; readonly ptsUs: number; readonly clockRate: number } {
    const track = this.#laneFormat?.track;
    const { lastTimestamp, lastPtsUs } = this.#times;
    return { timestamp: lastTimestamp, ptsUs: lastPtsUs, clockRate: track ? rtpClockRate(track) : 0 };
  }

  /** What the picture that is followed takes, whatever of it is sent. */
  get rates(): PictureRates {
    return this.#meter?.meter.rates ?? NO_RATES;
  }

  /** How much of the picture is sent, and how many of its frames were left out. */
  get thinning(): { readonly limit: PictureLimit; readonly leftOut: number } {
    return { limit: this.#gate?.limit ?? 'all', leftOut: this.#gate?.leftOut ?? 0 };
  }

  /** Sends no more of the picture than that from now on; only where it goes through a path. */
  limit(limit: PictureLimit): void {
    if (this.#gate === undefined || this.#gate.limit === limit) return;
    if (limit !== 'all') this.unshare();
    this.#gate.limit = limit;
    // What is missing of the pictures before would come too late to be shown, and take the room of what comes now.
    if (limit === 'key_frames' || limit === 'none') this.#repairs.giveUp();
  }

  /** True when frames were left out that what comes refers to, and there is room for a key frame. */
  wantsKeyFrame(nowMs: number): boolean {
    return this.#next >= 0 && this.#live && this.#gate?.wantsKeyFrame(nowMs) === true;
  }

  /** What the player says of its losses of this track, 0 to 1: sound is sent with redundancy while there are some. */
  onLoss(fraction: number): void {
    this.#redundancy.onLoss(fraction);
  }

  /** Goes on with that lane, from its newest start point if it keeps one that is not too old; undefined stops. */
  follow(lane: RtpLane | undefined, start: SendStart = AT_ONCE): void {
    this.#start = start;
    this.unshare();
    this.#attached?.[Symbol.dispose]();
    this.#attached = undefined;
    this.#meter?.[Symbol.dispose]();
    this.#meter = undefined;
    this.#lane = lane;
    if (lane === undefined) return;
    if (this.#gate !== undefined) this.#meter = leaseMeter(lane);
    this.#restart(lane);
    this.#attach(lane);
    this.tick();
  }

  /** Sends the next part of the past to a peer that has just joined. Call on every tick. */
  tick(): void {
    const lane = this.#lane;
    const nowMs = performance.now();
    if (this.#gate?.broken === true) this.options.path?.wish(this.rates.all, nowMs);
    if (lane === undefined || this.#next < 0) return;
    if (this.#live) return this.#chooseWay(lane, nowMs);
    if (this.options.path?.isBusy(nowMs) === true) return this.#skipPast(lane);
    for (let i = 0; i < CATCH_UP_PACKETS && this.#next < lane.end; i++) {
      const packet = lane.at(this.#next++);
      if (packet !== undefined) this.#accept(packet);
    }
    if (this.#next >= lane.end) this.#live = true;
  }

  /** What is known of the way is new: what is shared stays so only while that is roomy. */
  onEstimate(nowMs: number): void {
    if (this.#shared !== undefined && this.#lane !== undefined) this.#chooseWay(this.#lane, nowMs);
  }

  /** Sends a packet again, by the number that this peer knows it by (RFC 4585 §6.2.1); `rttMs` is the round trip. */
  resend(sequence: number, nowMs: number, rttMs = 0): void {
    if (this.#lane === undefined || this.options.repeats === false) return;
    this.look();
    if (this.#next < 0 || !this.#repairs.accept(sequence, nowMs, rttMs)) return;
    const { path } = this.options;
    if (path === undefined) this.repair(sequence);
    else path.repair(this, sequence);
  }

  repair(number: number): number {
    return this.#repairs.send(number);
  }

  // Hot path: once per packet and peer.
  transmit(packet: RtpLanePacket, run: SendRun, skipped: number): number {
    const format = this.#formatOf(packet);
    if (format === undefined) return 0;
    const isVp8 = packet.format.track.codec === 'vp8';
    if (run !== this.#numbers.run) {
      this.#repairs.allowance.forget();
      if (isVp8) run.vp8 = this.#vp8.begin(packet.payload);
    } else for (let i = 0; i < skipped; i++) run.vp8?.leaveOut(packet.sequence - 1);
    const sequence = this.#numbers.numberFor(run, packet.sequence, skipped > 0);
    if (sequence < 0) return 0;
    this.packets++;
    this.bytes += packet.payload.length;
    this.#repairs.allowance.earn();
    if (packet.startPoint && packet.format.track.kind === 'video') this.keyFrameMs = performance.now();
    const timestamp = sentTimestamp(packet, run);
    if (this.#isRedundant && format.redPayloadType !== undefined) {
      const redundant = this.#redundancy.blocks(packet, run, format.payloadType);
      const content = { payloadType: format.payloadType, primary: packet.payload, redundant };
      return this.#writer.writeRed(packet, content, { sequence, timestamp, format });
    }
    return this.#writer.write(packet, format, { sequence, timestamp, vp8: run.vp8 });
  }

  sendPadding(bytes: number): number {
    const format = this.#format;
    if (format?.rtxPayloadType === undefined || !this.started) return 0;
    return this.#repairs.pad(bytes, format, this.#times.lastTimestamp);
  }

  onGivenUp(frames: number): void {
    this.#gate?.breakOff(frames);
  }

  dueMs({ ptsUs }: RtpLanePacket): number {
    return this.options.clock.unixUs(ptsUs) / 1000 - Date.now() + performance.now();
  }

  onLaneChanged(packet: RtpLanePacket): void {
    const lane = this.#lane;
    this.unshare();
    if (lane !== undefined) this.#onPacket(lane, packet);
  }

  onLaneReset(): void {
    this.unshare();
  }

  onLatePacket(packet: RtpLanePacket): void {
    if (packet.sequence >= this.#first && packet.sequence < this.#sharedFrom) this.#accept(packet);
  }

  /** What is sent along a shared lane could not be sent in time: goes on here. */
  onDropped(): void {
    this.unshare();
  }

  unshare(): void {
    const shared = this.#shared;
    if (shared === undefined) return;
    const { newest } = shared;
    const progress = shared.end();
    this.#shared = undefined;
    this.options.path?.unshare(this);
    this.#notSharedUntilMs = performance.now() + KEPT_OFF_MS;
    const lane = this.#lane;
    if (lane === undefined) return;
    this.#attach(lane);
    if (progress === undefined) this.#next = lane.end;
    else this.#goOn(progress, newest, lane);
    this.#leftOut = this.#gate?.leftOut ?? 0;
    this.#live = this.#next >= lane.end;
    if (!this.#live && lane.epoch === this.#laneEpoch) this.tick();
  }

  /** Packet by packet, from where the shared lane ended. */
  #goOn(progress: SharedProgress, newest: RtpLanePacket | undefined, lane: RtpLane): void {
    const { state } = progress;
    this.#take(progress, newest);
    this.#next = state.awaitsStart ? lane.end : Math.max(this.#next, state.nextSequence);
    if (state.awaitsStart) this.#gate?.breakOff(state.drops);
  }

  #attach(lane: RtpLane): void {
    this.#attached?.[Symbol.dispose]();
    this.#attached = lane.attach((packet) => this.#onPacket(lane, packet));
  }

  /** Along a shared lane while nothing speaks against it, else packet by packet. */
  #chooseWay(lane: RtpLane, nowMs: number): void {
    const { path, sharing } = this.options;
    const kind = this.#laneFormat?.track.kind;
    if (sharing === undefined || kind === undefined) return;
    if (path !== undefined && kind === 'video') path.pictureBps = this.rates.all;
    const isShared = this.#shared !== undefined;
    const allowed = !this.#isRedundant && path?.allowsSharing(kind, isShared, nowMs) !== false;
    if (isShared && !allowed) this.unshare();
    else if (isShared) path?.pace(nowMs);
    else if (allowed && nowMs >= this.#notSharedUntilMs) this.#share(lane, sharing, nowMs);
  }

  /** Sound is sent with redundancy. */
  get #isRedundant(): boolean {
    return this.#redundancy.on && this.#format?.redPayloadType !== undefined && this.options.repeats === false;
  }

  #share(lane: RtpLane, sharing: Sharing, nowMs: number): void {
    const run = this.#run;
    const format = this.#format;
    const isWhole = this.#gate === undefined || (this.#gate.isOpen && this.#gate.leftOut === this.#leftOut);
    if (run === undefined || format === undefined || run !== this.#numbers.run || !isWhole) return;
    if (this.#next !== lane.end || this.#times.lastIsPast) return;
    if (lane.epoch !== this.#laneEpoch || lane.format !== this.#laneFormat) return;
    const from = this.#next;
    const rtp = { ...this.#writer.formatOf(format), timestampOffset: run.timestampOffset, vp8: run.vp8?.offsetsNow };
    const number = this.#numbers.expect(run, from);
    const start = { lane, from, number, format: rtp, follower: this };
    const shared = SharedSending.begin(sharing, start);
    if (shared === undefined) return;
    this.#shared = shared;
    this.#sharedFrom = from;
    this.#attached?.[Symbol.dispose]();
    this.#attached = undefined;
    this.options.path?.share(this, (bps, burstBytes) => shared.setPacing(bps, burstBytes), nowMs);
  }

  /** Learns how far a shared lane has come, which is not seen here: counts and position are those of this moment. */
  look(): void {
    const progress = this.#shared?.look();
    if (progress !== undefined) this.#take(progress, this.#shared?.newest);
  }

  /** What was sent along a shared lane counts as if it had been sent here. */
  #take({ state, packets, bytes, skipped, skippedOften }: SharedProgress, newest: RtpLanePacket | undefined): void {
    const run = this.#run;
    if (run === undefined) return;
    this.packets += packets;
    this.bytes += bytes;
    this.#repairs.allowance.earn(packets);
    this.keyFrameMs = Math.max(this.keyFrameMs, state.keyFrameMs);
    if (skipped) this.#numbers.goOnAt(run, state.segment, state.segment + state.numberOffset);
    if (skippedOften) this.#numbers.forgetOlder();
    const last = state.lastNumber - state.numberOffset;
    if (last < state.segment) return;
    this.#numbers.passTo(run, last);
    const packet = newest?.sequence === last ? newest : run.lane.at(last);
    if (packet === undefined || last <= this.#newest) return;
    this.#newest = last;
    this.#times.moveTo(packet, run);
    run.vp8?.passTo(packet.payload, last);
  }

  #restart(lane: RtpLane): void {
    this.#laneEpoch = lane.epoch;
    this.#laneFormat = undefined;
    this.#live = false;
    this.#next = -1;
    const start = lane.startPoint;
    const first = start < 0 ? undefined : lane.at(start);
    const last = lane.at(lane.end - 1);
    this.#soundWaitMs = performance.now() + MAX_SOUND_WAIT_MS;
    // Sound is of no use when it is late: it begins with what comes next.
    if (first === undefined || last === undefined || first.format.track.kind === 'audio') return;
    if (last.ptsUs - first.ptsUs <= this.#start.maxPastUs) this.#begin(lane, start);
  }

  #begin(lane: RtpLane, sequence: number): void {
    this.#first = sequence;
    this.#next = sequence;
    this.#newest = -1;
    const pastEndUs = this.#start.liveUs();
    const timestampOffset = this.#times.begin(lane.at(sequence), pastEndUs);
    this.#run = { lane, epoch: lane.epoch, timestampOffset, pastEndUs, vp8: undefined };
    // On a way that is too narrow, what is missing of the picture before would only delay this one, which needs none of it.
    if (this.options.path?.isNarrow(performance.now()) === true) this.#repairs.giveUp();
    this.options.path?.forget(this);
    this.#gate?.restart();
  }

  /** The way is too narrow for the past: it goes on with the newest key frame, when there is a newer one. */
  #skipPast(lane: RtpLane): void {
    if (lane.startPoint <= this.#next) return;
    this.#next = lane.startPoint;
    this.#gate?.breakOff(1);
  }

  // Hot path: once per packet and peer.
  #onPacket(lane: RtpLane, packet: RtpLanePacket): void {
    if (lane.epoch !== this.#laneEpoch) this.#restart(lane);
    if (this.#next < 0) {
      if (!packet.startPoint || this.#isLateSound(packet)) return;
      this.#begin(lane, packet.sequence);
      this.#live = true;
    }
    const { sequence } = packet;
    if (sequence < this.#next) {
      // It was lost before us and has come after all.
      if (sequence >= this.#first) this.#accept(packet);
    } else if (this.#live) {
      // Packets may be missing before it: whoever needs them asks for them, and gets them if they come.
      this.#next = sequence + 1;
      this.#accept(packet);
    }
    // Otherwise the peer is still being brought up to date, and gets it in its turn.
  }

  #accept(packet: RtpLanePacket): void {
    const { path } = this.options;
    if (packet.format !== this.#laneFormat) {
      this.#laneFormat = packet.format;
      this.#format = this.options.formatFor(packet.format);
      if (this.#format?.rtxPayloadType !== undefined) path?.padWith(this);
    }
    const run = this.#run;
    if (this.#format === undefined || run === undefined) return;
    if (packet.sequence > this.#newest) {
      this.#newest = packet.sequence;
      this.#times.moveTo(packet, run);
    }
    const gate = packet.format.track.kind === 'video' ? this.#gate : undefined;
    if (gate !== undefined && !gate.passes(packet, performance.now())) return;
    const skipped = gate === undefined ? 0 : gate.leftOut - this.#leftOut;
    if (gate !== undefined) this.#leftOut = gate.leftOut;
    if (path === undefined) this.transmit(packet, run, skipped);
    else path.send(this, packet, run, skipped);
  }

  #formatOf({ format }: RtpLanePacket): SendFormat | undefined {
    return format === this.#laneFormat ? this.#format : this.options.formatFor(format);
  }

  /** What a conversion catches up with comes in a burst; sound of it would only fill the player's buffer. */
  #isLateSound({ format, ptsUs }: RtpLanePacket): boolean {
    if (format.track.kind !== 'audio' || performance.now() > this.#soundWaitMs) return false;
    return ptsUs < this.#start.liveUs() - LATE_SOUND_US;
  }
}
