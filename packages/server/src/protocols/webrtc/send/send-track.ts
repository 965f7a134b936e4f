import { type RtpExtension, rtpClockRate, writeRtpHeader } from '@sluice/media';
import type { RtpLane, RtpLaneFormat, RtpLanePacket } from '../../../core/index.ts';
import type { StreamClock } from '../../../rtp/index.ts';
import { Vp8Numbers, type Vp8Run } from './vp8-numbers.ts';

/** Where the packets of a peer go: encrypts in place and sends. */
export interface RtpSink {
  /** A buffer with room for a packet of that size and what encryption adds; valid until some hundred more were taken. */
  take(bytes: number): Buffer;
  /** Sends the first `length` bytes of a buffer that `take` gave. */
  sendRtp(buffer: Buffer, length: number): void;
}

/** How one codec of a track is sent. */
export interface SendFormat {
  readonly payloadType: number;
  /** Payload type of retransmissions (RFC 4588); absent when they were not negotiated. */
  readonly rtxPayloadType?: number | undefined;
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
}

/** Where a peer begins in a lane. */
export interface SendStart {
  /** Pictures begin with the newest start point that is kept when it is not older than this, microseconds. */
  readonly maxPastUs: number;
  /** Where the stream stands at this moment, on its own timeline. */
  liveUs(): number;
}

const AT_ONCE: SendStart = { maxPastUs: 0, liveUs: () => Number.NEGATIVE_INFINITY };
/** Sound that is older than this when the peer could begin with it is left out, */
const LATE_SOUND_US = 150_000;
/** but not for longer than this: a conversion may be as late as that all the time. */
const MAX_SOUND_WAIT_MS = 1000;
/** Packets of the past that a viewer who joins gets at most on each tick, until it has caught up. */
const CATCH_UP_PACKETS = 64;
/** Times of frames of the past are pressed together so that the player is up to date at once. */
const CATCH_UP_PACE = 1 / 32;
/**
 * The same packet is not sent again within this time, or within a round trip: requests come several times, and more of
 * them while packets queue up on the way, where answering all would take the room of what they ask for.
 */
const RESEND_HOLD_MS = 10;
const MAX_RESEND_HOLD_MS = 1500;
/** Most packets sent again in 100 ms, whatever the peer asks for. */
const RESEND_LIMIT = 256;
const RESEND_WINDOW_MS = 100;
/** So many of them for each packet that is sent, over some time: a way that is too narrow gets no wider by more. */
const RESEND_SHARE = 0.5;
const RECENT_RESENDS = 512;
const RTX_HEADER_BYTES = 2;
const SEND_TIME_TICKS_PER_MS = 262.144;
/** Room for the fixed header and our extensions. */
const MAX_HEADER_BYTES = 28;

/**
 * One track on its way to one peer: follows a lane, numbers its packets for this peer, and sends them again on request
 * from what the lane keeps. Holds no packet itself.
 */
export class SendTrack {
  packets = 0;
  bytes = 0;
  resent = 0;
  /** Requests for packets that are not kept any more. */
  resendMisses = 0;
  /** When the newest key frame was sent, `performance.now()`; 0 before the first, and for sound. */
  keyFrameMs = 0;
  readonly options: SendTrackOptions;
  readonly #sink: RtpSink;
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
  /** Where the stream stood when this peer began: the times of what is older are pressed together. */
  #pastEndUs = Number.NEGATIVE_INFINITY;
  /** Until then sound that is late is waited out. */
  #soundWaitMs = 0;
  #sequenceOffset = 0;
  #timestampOffset = Math.floor(Math.random() * 0x8000_0000);
  #lastSequence = Math.floor(Math.random() * 0x8000);
  #lastTimestamp = 0;
  #lastPtsUs = 0;
  #lastIsPast = false;
  /** Newest packet that was not of the past, and what time it was then: later times are on a line with them. */
  #lineTimestamp = 0;
  #lineUs = 0;
  #format: SendFormat | undefined;
  #laneFormat: RtpLaneFormat | undefined;
  #rtxSequence = Math.floor(Math.random() * 0x8000);
  #resendWindowMs = 0;
  #resendCount = 0;
  /** Packets that may be sent again. */
  #resendCredit = RESEND_LIMIT;
  readonly #recent = new Map<number, number>();
  readonly #vp8 = new Vp8Numbers();
  #vp8Run: Vp8Run | undefined;
  readonly #extensions: RtpExtension[] = [];
  readonly #sendTime: RtpExtension | undefined;

  constructor(sink: RtpSink, options: SendTrackOptions) {
    this.#sink = sink;
    this.options = options;
    const { sendTimeId } = options;
    this.#sendTime = sendTimeId === undefined ? undefined : { id: sendTimeId, value: new Uint8Array(3) };
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
    return this.#next >= 0 && (!this.#live || this.#lastIsPast);
  }

  /** Where the track stands, for sender reports: the newest packet's RTP time, and the same on the stream's timeline. */
  get position(): { readonly timestamp: number; readonly ptsUs: number; readonly clockRate: number } {
    const track = this.#laneFormat?.track;
    return { timestamp: this.#lastTimestamp, ptsUs: this.#lastPtsUs, clockRate: track ? rtpClockRate(track) : 0 };
  }

  /** Goes on with that lane, from its newest start point if it keeps one that is not too old; undefined stops. */
  follow(lane: RtpLane | undefined, start: SendStart = AT_ONCE): void {
    this.#start = start;
    this.#attached?.[Symbol.dispose]();
    this.#attached = undefined;
    this.#lane = lane;
    if (lane === undefined) return;
    this.#restart(lane);
    this.#attached = lane.attach((packet) => this.#onPacket(lane, packet));
    this.tick();
  }

  /** Sends the next part of the past to a peer that has just joined. Call on every tick. */
  tick(): void {
    const lane = this.#lane;
    if (lane === undefined || this.#next < 0 || this.#live) return;
    for (let i = 0; i < CATCH_UP_PACKETS && this.#next < lane.end; i++) {
      const packet = lane.at(this.#next++);
      if (packet !== undefined) this.#send(packet);
    }
    if (this.#next >= lane.end) this.#live = true;
  }

  /** Sends a packet again, by the number that this peer knows it by (RFC 4585 §6.2.1); `rttMs` is the round trip. */
  resend(sequence: number, nowMs: number, rttMs = 0): void {
    const lane = this.#lane;
    const holdMs = Math.min(MAX_RESEND_HOLD_MS, Math.max(RESEND_HOLD_MS, rttMs));
    if (lane === undefined || this.#next < 0 || !this.#mayResend(sequence, nowMs, holdMs)) return;
    const unwrapped = this.#lastSequence - ((this.#lastSequence - sequence) & 0xffff);
    const number = unwrapped - this.#sequenceOffset;
    const packet = number >= this.#first ? lane.at(number) : undefined;
    if (packet === undefined || this.#format === undefined) {
      this.resendMisses++;
      return;
    }
    this.resent++;
    const { rtxPayloadType } = this.#format;
    if (rtxPayloadType === undefined) this.#write(packet, unwrapped);
    else this.#writeRtx(packet, unwrapped, rtxPayloadType);
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
    this.#pastEndUs = this.#start.liveUs();
    const first = lane.at(sequence);
    this.#sequenceOffset = this.#lastSequence + 1 - sequence;
    if (first !== undefined) this.#beginTime(first);
    this.#vp8Run = first?.format.track.codec === 'vp8' ? this.#vp8.begin(first.payload) : undefined;
    this.#recent.clear();
  }

  /**
   * Time goes on by as much as has passed since the last packet, though the lane's numbers are new ones: exactly so that
   * sender reports go on telling what they told before, as players take many of them together.
   */
  #beginTime(first: RtpLanePacket): void {
    const { clock } = this.options;
    clock.begin(Math.max(this.#pastEndUs, first.ptsUs));
    const firstUs = clock.unixUs(first.ptsUs);
    if (this.packets > 0) {
      const passed = Math.round(((firstUs - this.#lineUs) * rtpClockRate(first.format.track)) / 1e6);
      const offset = this.#lineTimestamp + passed - first.timestamp;
      this.#timestampOffset = Math.max(offset, this.#lastTimestamp + 1 - this.#press(first));
    }
    this.#lineTimestamp = first.timestamp + this.#timestampOffset;
    this.#lineUs = firstUs;
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
      if (sequence >= this.#first) this.#send(packet);
    } else if (this.#live) {
      // Packets may be missing before it: whoever needs them asks for them, and gets them if they come.
      this.#next = sequence + 1;
      this.#send(packet);
    }
    // Otherwise the peer is still being brought up to date, and gets it in its turn.
  }

  #send(packet: RtpLanePacket): void {
    if (packet.format !== this.#laneFormat) {
      this.#laneFormat = packet.format;
      this.#format = this.options.formatFor(packet.format);
    }
    if (this.#format === undefined) return;
    const sequence = packet.sequence + this.#sequenceOffset;
    if (sequence > this.#lastSequence) {
      this.#lastSequence = sequence;
      this.#lastTimestamp = this.#press(packet) + this.#timestampOffset;
      this.#lastPtsUs = packet.ptsUs;
      this.#lastIsPast = this.#isPast(packet);
      if (!this.#lastIsPast) {
        this.#lineTimestamp = this.#lastTimestamp;
        this.#lineUs = this.options.clock.unixUs(packet.ptsUs);
      }
    }
    this.#write(packet, sequence);
    this.packets++;
    this.bytes += packet.payload.length;
    this.#resendCredit = Math.min(RESEND_LIMIT, this.#resendCredit + RESEND_SHARE);
    if (packet.startPoint && packet.format.track.kind === 'video') this.keyFrameMs = performance.now();
  }

  /** What a conversion catches up with comes in a burst; sound of it would only fill the player's buffer. */
  #isLateSound({ format, ptsUs }: RtpLanePacket): boolean {
    if (format.track.kind !== 'audio' || performance.now() > this.#soundWaitMs) return false;
    return ptsUs < this.#start.liveUs() - LATE_SOUND_US;
  }

  #isPast({ format, ptsUs }: Pick<RtpLanePacket, 'format' | 'ptsUs'>): boolean {
    return ptsUs < this.#pastEndUs && format.track.kind === 'video';
  }

  #press(packet: RtpLanePacket): number {
    const { format, ptsUs, timestamp } = packet;
    if (!this.#isPast(packet)) return timestamp;
    const past = Math.round(((this.#pastEndUs - ptsUs) * rtpClockRate(format.track)) / 1e6);
    return timestamp + past - Math.round(past * CATCH_UP_PACE);
  }

  #write(packet: RtpLanePacket, sequence: number): void {
    const { payload } = packet;
    const buffer = this.#sink.take(MAX_HEADER_BYTES + payload.length);
    const header = this.#writeHeader(buffer, packet, {
      sequence,
      payloadType: this.#format?.payloadType ?? 0,
      ssrc: this.options.ssrc,
    });
    buffer.set(payload, header);
    this.#vp8Run?.write(buffer, header, packet.sequence);
    this.#sink.sendRtp(buffer, header + payload.length);
  }

  /** The same payload under the numbers of the retransmission stream, with its own number in front (RFC 4588 §4). */
  #writeRtx(packet: RtpLanePacket, sequence: number, payloadType: number): void {
    const { payload } = packet;
    const buffer = this.#sink.take(MAX_HEADER_BYTES + RTX_HEADER_BYTES + payload.length);
    this.#rtxSequence++;
    const numbers = { sequence: this.#rtxSequence, payloadType, ssrc: this.options.rtxSsrc };
    const header = this.#writeHeader(buffer, packet, numbers);
    buffer.writeUInt16BE(sequence & 0xffff, header);
    buffer.set(payload, header + RTX_HEADER_BYTES);
    this.#vp8Run?.write(buffer, header + RTX_HEADER_BYTES, packet.sequence);
    this.#sink.sendRtp(buffer, header + RTX_HEADER_BYTES + payload.length);
  }

  #writeHeader(
    buffer: Buffer,
    packet: RtpLanePacket,
    numbers: { readonly sequence: number; readonly payloadType: number; readonly ssrc: number },
  ): number {
    const { orientationId } = this.options;
    const sendTime = this.#sendTime;
    this.#extensions.length = 0;
    // Without a stream of retransmissions a packet is sent twice under one number, which its encryption survives only when
    // it is the same, byte for byte.
    if (sendTime !== undefined && this.#format?.rtxPayloadType !== undefined) {
      writeSendTime(sendTime.value, performance.now());
      this.#extensions.push(sendTime);
    }
    if (orientationId !== undefined && packet.orientation !== undefined)
      this.#extensions.push({ id: orientationId, value: Uint8Array.of(packet.orientation) });
    return writeRtpHeader(buffer, {
      payloadType: numbers.payloadType,
      marker: packet.marker,
      sequence: numbers.sequence & 0xffff,
      timestamp: (this.#press(packet) + this.#timestampOffset) >>> 0,
      ssrc: numbers.ssrc,
      extensions: this.#extensions,
    });
  }

  #mayResend(sequence: number, nowMs: number, holdMs: number): boolean {
    if (nowMs - this.#resendWindowMs > RESEND_WINDOW_MS) {
      this.#resendWindowMs = nowMs;
      this.#resendCount = 0;
    }
    if (this.#resendCount >= RESEND_LIMIT || this.#resendCredit < 1) return false;
    const before = this.#recent.get(sequence);
    if (before !== undefined && nowMs - before < holdMs) return false;
    if (this.#recent.size >= RECENT_RESENDS) this.#recent.clear();
    this.#recent.set(sequence, nowMs);
    this.#resendCount++;
    this.#resendCredit--;
    return true;
  }
}

/** Seconds modulo 64 with 18 bits of fraction, as `absoluteSendTime` reads them. */
function writeSendTime(bytes: Uint8Array, nowMs: number): void {
  const time = Math.floor((nowMs % 64_000) * SEND_TIME_TICKS_PER_MS);
  bytes[0] = time >> 16;
  bytes[1] = time >> 8;
  bytes[2] = time;
}
