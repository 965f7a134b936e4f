import { extension, isRtpStartPoint, type RtpPacket, type Track } from '@sluice/media';
import type { RtpLaneFormat, RtpLanePacket, Stream } from '../../core/index.ts';
import { AccessUnits } from './access-units.ts';
import { AudioLevel } from './audio-level.ts';
import { ByteRate } from './byte-rate.ts';
import { KeyFrameRequests } from './key-frame-requests.ts';
import { IdleGate } from './layers/idle-gate.ts';
import type { LayerTrack } from './layers/layer-tracks.ts';
import { NackList } from './nack-list.ts';
import type { NegotiatedTrack, ReceiveOptions } from './options.ts';
import { decodersCanBegin, depacketizerOf, trackOf } from './payload-formats.ts';
import { PayloadStore } from './payload-store.ts';
import type { PublicationClock, TrackClock } from './publication-clock.ts';
import { ReceptionStatistics } from './reception-statistics.ts';
import { ReorderBuffer } from './reorder-buffer.ts';
import { SequenceLedger } from './sequence-ledger.ts';
import { TemporalMarks } from './temporal-marks.ts';
import type { TrackOutput } from './track-output.ts';

/** How many packets back one can still be filled in. */
const VIDEO_WINDOW = 2048;
const AUDIO_WINDOW = 256;
/** A packet that was missing and is older than this, or newer (pictures may be out of order), is none of the track's. */
const MAX_LATE_S = 10;
const MAX_EARLY_S = 1;
/** Where nothing can be asked for again: how long out-of-order packets are waited for. */
const REORDERING_MS = 50;
/**
 * Time to ask for a packet seven times, as a multiple of the round trip and on top of it: of packets, repetitions and
 * requests that are lost with a probability of 10 % each, one in 100000 is missing then.
 */
const RECOVERY_ROUND_TRIPS = 9;
const RECOVERY_MS = 100;
const MIN_RECOVERY_MS = 200;
const MAX_RECOVERY_MS = 1500;
/** A longer time than that between two looks is a pause of this process, in which nothing could be read or asked for. */
const MAX_TICK_MS = 100;
/** While nothing comes from a source, its way or its machine stands still: so long that does not count as waiting. */
const MAX_STILL_MS = 1500;
/** Requests for packets are not closer then: one that has not been answered is still on its way. */
const STILL_RETRY_MS = 200;
/** Assumed while unknown. */
const DEFAULT_RTT_MS = 100;
const RTP_HEADER_BYTES = 12;

export interface TrackReceiverOptions {
  readonly track: LayerTrack;
  readonly stream: Stream;
  readonly clock: PublicationClock;
  /** The track's own, of that. */
  readonly trackClock: TrackClock;
  readonly options: ReceiveOptions;
  readonly output: TrackOutput;
  /** Packets go to the output too, not only frames. */
  readonly forward: boolean;
  /** False while nobody has a use for its frames, but for what key frames tell; always true by default. */
  readonly framesNeeded?: (() => boolean) | undefined;
}

/**
 * Receives one track: gives its packets to the output as they come, if they are forwarded, and its frames once they are
 * whole.
 */
export class TrackReceiver {
  readonly track: LayerTrack;
  readonly clock: TrackClock;
  readonly keyFrames: KeyFrameRequests;
  readonly statistics: ReceptionStatistics;
  readonly rate = new ByteRate();
  readonly counts = { packets: 0, bytes: 0, duplicates: 0, recovered: 0, empty: 0, rejected: 0, nacks: 0 };
  readonly #o: TrackReceiverOptions;
  readonly #output: TrackOutput;
  readonly #video: boolean;
  readonly #marks: TemporalMarks | undefined;
  readonly #ledger: SequenceLedger;
  readonly #nacks = new NackList();
  readonly #payloads = new PayloadStore();
  readonly #units: AccessUnits;
  readonly #buffer: ReorderBuffer;
  readonly #level: AudioLevel | undefined;
  #format: RtpLaneFormat;
  #lostBefore = 0;
  #tickedMs = Number.NaN;
  /** Of the time in which nothing came, what was not counted as waiting. */
  #stillMs = 0;
  #rotation = 0;
  #needed = true;
  #startTicks = Number.NaN;
  #startNumber = 0;

  constructor(o: TrackReceiverOptions) {
    const { track, options, clock, trackClock, output } = o;
    this.#o = o;
    this.track = track;
    this.clock = trackClock;
    this.#video = track.kind === 'video';
    this.#output = output;
    this.#marks = this.#video && o.forward ? new TemporalMarks(track) : undefined;
    this.keyFrames = new KeyFrameRequests(options.keyFrameRequestIntervalMs, options.periodicKeyFrameRequestMs);
    this.statistics = new ReceptionStatistics(track.clockRate);
    this.#level = AudioLevel.of(track, o.stream.loudness);
    this.#ledger = new SequenceLedger(this.#video ? VIDEO_WINDOW : AUDIO_WINDOW);
    const known = trackOf(track);
    this.#format = formatOf(track, known);
    this.#units = new AccessUnits({
      track: known,
      depacketizer: depacketizerOf(track),
      strictness: options.strictness,
      publish: (packet) => output.frame(packet),
      ptsUs: (ticks) => clock.streamUs(trackClock, ticks),
      onKeyFrameWanted: () => {
        if (o.framesNeeded?.() !== false) this.#wantKeyFrame();
      },
      onTrack: (changed) => {
        this.#format = formatOf(track, changed);
      },
    });
    const { framesNeeded } = o;
    const inOrder = framesNeeded === undefined ? this.#units : new IdleGate(this.#units, framesNeeded);
    this.#buffer = new ReorderBuffer({ capacity: options.jitterBufferCapacity, video: this.#video }, inOrder);
  }

  /** False while nobody has a use for it: nothing is asked for, and packets are hardly waited for. */
  get needed(): boolean {
    return this.#needed;
  }

  set needed(needed: boolean) {
    if (this.#needed === needed) return;
    this.#needed = needed;
    if (!needed) this.#nacks.clear();
  }

  get frames(): AccessUnits['counts'] {
    return this.#units.counts;
  }

  /** Bytes that wait for packets before them. */
  get queuedBytes(): number {
    return this.#buffer.bytes;
  }

  /** Packets that were lost on the way here, whether or not they came again later. */
  get lost(): number {
    return this.#lostBefore + Math.max(0, this.statistics.lost);
  }

  /** Packets that never came, or too late for their frame. */
  get missed(): number {
    return this.#buffer.missed;
  }

  /** Packets that came, but after others had ceased to wait for them. */
  get tooLate(): number {
    return this.#buffer.tooLate;
  }

  /** Declares the track to the stream where what is known suffices for decoders. */
  declare(): void {
    if (decodersCanBegin(this.#units.track)) this.#o.stream.setTrack(this.#units.track);
  }

  /** Takes a packet of the track's own source. Hot path. */
  media(packet: RtpPacket, arrivalMs: number): void {
    if (Number.isNaN(this.#ledger.highest)) this.#ledger.restart(this.#output.lane.end);
    const arrival = this.#ledger.arrive(packet.sequence);
    if (arrival === 'jump') return void this.counts.rejected++;
    if (arrival === 'restart') this.#restart(arrivalMs);
    // One that was asked for again may come by the same source, twice: it is as if it had not been lost.
    this.statistics.count(this.#ledger.sequence);
    if (arrival === 'duplicate') return void this.counts.duplicates++;
    if (arrival === 'late') return this.#late(packet, packet.payload, arrivalMs);
    this.statistics.arrive(packet.timestamp, arrivalMs);
    this.#level?.heard(packet, arrivalMs);
    const complete = this.#noteGap();
    if (packet.payload.length === 0) {
      this.counts.empty++;
      this.#ledger.skip();
      this.#buffer.insert(this.#ledger.sequence, null, arrivalMs);
    } else this.#accept(packet, packet.payload, { ticks: this.clock.ticks(packet.timestamp, arrivalMs), arrivalMs });
    if (!complete) this.#buffer.flush(arrivalMs);
  }

  /**
   * Takes a retransmission (RFC 4588 §4): of value only for a packet that is missing; senders use others as probes.
   * @returns the time since the packet was asked for, milliseconds, where that is a measure of the round trip
   */
  retransmission(packet: RtpPacket, arrivalMs: number): number | undefined {
    const { payload } = packet;
    if (payload.length < 2) return void this.counts.empty++;
    const sequence = ((payload[0] ?? 0) << 8) | (payload[1] ?? 0);
    if (this.#ledger.recover(sequence) !== 'late') return void this.counts.duplicates++;
    const rttMs = this.#nacks.remove(this.#ledger.sequence, arrivalMs);
    this.counts.recovered++;
    this.#late(packet, payload.subarray(2), arrivalMs);
    return rttMs;
  }

  /** Takes a packet that was repeated within a later one (RFC 2198): of value only where it is missing. */
  repeated(packet: RtpPacket, arrivalMs: number): void {
    if (this.#ledger.recover(packet.sequence) !== 'late') return;
    this.counts.recovered++;
    this.#late(packet, packet.payload, arrivalMs);
  }

  /** The track's packets come from another source from now on, beginning with this one. */
  changeSource(packet: RtpPacket, arrivalMs: number): void {
    if (Number.isNaN(this.#ledger.highest)) return;
    this.#ledger.restart(this.#output.lane.end);
    this.#restart(arrivalMs);
    this.clock.rebase(packet.timestamp, arrivalMs);
  }

  /** Lets go of what has waited long enough. Called about every 20 ms. @param isStill nothing has come from the source lately */
  tick(nowMs: number, rttMs: number | undefined, isStill: boolean): void {
    const pauseMs = nowMs - this.#tickedMs;
    this.#tickedMs = nowMs;
    const waitedMs = nowMs - this.#buffer.blockedSinceMs;
    // Some of it counts, so that one who is always late waits for an end as well.
    if (pauseMs > MAX_TICK_MS) this.#buffer.excuse(Math.min(pauseMs - MAX_TICK_MS, waitedMs));
    else if (isStill && this.track.feedback.nack && waitedMs >= pauseMs && this.#stillMs < MAX_STILL_MS) {
      this.#buffer.excuse(pauseMs);
      this.#stillMs += pauseMs;
    }
    if (!isStill) this.#stillMs = 0;
    if (nowMs - this.#buffer.blockedSinceMs >= this.#patienceMs(rttMs)) this.#buffer.giveUp(nowMs);
  }

  /** The packets to ask for again now, by unwrapped sequence number. Hot path: mostly none. */
  missing(nowMs: number, rttMs: number | undefined, isStill: boolean): readonly number[] {
    const answerMs = rttMs ?? DEFAULT_RTT_MS;
    return this.#nacks.take(nowMs, isStill ? Math.max(STILL_RETRY_MS, answerMs) : answerMs);
  }

  #patienceMs(rttMs: number | undefined): number {
    if (!this.track.feedback.nack || !this.#needed) return REORDERING_MS;
    const recoveryMs = (rttMs ?? DEFAULT_RTT_MS) * RECOVERY_ROUND_TRIPS + RECOVERY_MS;
    return Math.min(MAX_RECOVERY_MS, Math.max(MIN_RECOVERY_MS, recoveryMs));
  }

  #restart(arrivalMs: number): void {
    this.#lostBefore += Math.max(0, this.statistics.lost);
    this.statistics.restart();
    this.#nacks.clear();
    this.#buffer.restart(arrivalMs);
    this.#wantKeyFrame();
  }

  #wantKeyFrame(): void {
    if (this.#video && this.#needed) this.keyFrames.want();
  }

  /** Puts what the newest packet shows as missing on the list. @returns false when it is too much to wait for */
  #noteGap(): boolean {
    const { gapStart, sequence } = this.#ledger;
    if (gapStart === sequence || !this.track.feedback.nack || !this.#needed) return true;
    if (this.#nacks.add(gapStart, sequence)) return true;
    this.#wantKeyFrame();
    return false;
  }

  /** A packet that was missing. It does not move the clock. */
  #late(packet: RtpPacket, payload: Uint8Array, arrivalMs: number): void {
    this.#nacks.remove(this.#ledger.sequence, arrivalMs);
    const ticks = this.clock.ticksNear(packet.timestamp);
    const lateS = ticks === undefined ? Number.NaN : (this.clock.newestTicks - ticks) / this.track.clockRate;
    const wrong = ticks === undefined || lateS > MAX_LATE_S || lateS < -MAX_EARLY_S;
    if (wrong) this.counts.rejected++;
    if (payload.length === 0) this.counts.empty++;
    if (wrong || payload.length === 0) this.#buffer.insert(this.#ledger.sequence, null, arrivalMs);
    else this.#accept(packet, payload, { ticks, arrivalMs });
  }

  #accept(packet: RtpPacket, view: Uint8Array, time: { ticks: number; arrivalMs: number }): void {
    const { ticks, arrivalMs } = time;
    // The only copy: viewers, buffer and depacketizer share it.
    const payload = this.#payloads.copy(view);
    this.counts.packets++;
    this.counts.bytes += payload.length + RTP_HEADER_BYTES;
    this.rate.count(payload.length + RTP_HEADER_BYTES, arrivalMs);
    const mark = this.#marks?.of(packet, payload, ticks);
    const lanePacket: RtpLanePacket = {
      format: this.#format,
      sequence: this.#ledger.number,
      timestamp: ticks,
      ptsUs: this.#o.clock.streamUs(this.clock, ticks),
      marker: packet.marker,
      startPoint: !this.#video || this.#isStart(payload, ticks),
      payload,
      orientation: this.#orientationOf(packet),
      temporalLayer: mark?.layer,
      layerStart: mark?.start,
    };
    if (lanePacket.orientation !== undefined) this.#tellRotation(lanePacket.orientation);
    if (this.#o.forward) this.#output.packet(lanePacket);
    this.#buffer.insert(this.#ledger.sequence, lanePacket, arrivalMs);
  }

  /** A key frame may begin with several payloads that look like its beginning: only the first of them is. */
  #isStart(payload: Uint8Array, ticks: number): boolean {
    if (!isRtpStartPoint(this.track.codec, payload)) return false;
    const { number } = this.#ledger;
    if (ticks === this.#startTicks && number > this.#startNumber) return false;
    this.#startTicks = ticks;
    this.#startNumber = number;
    this.keyFrames.arrived();
    return true;
  }

  /** The two lowest bits of the extension say it (3GPP TS 26.114 §7.4.5). */
  #tellRotation(orientation: number): void {
    const rotation = orientation & 3;
    if (rotation === this.#rotation) return;
    this.#rotation = rotation;
    this.#output.rotation(rotation);
  }

  #orientationOf(packet: RtpPacket): number | undefined {
    const id = this.track.extensions.orientation;
    return id === undefined || !this.#video ? undefined : extension(packet, id)?.[0];
  }
}

function formatOf(negotiated: NegotiatedTrack, track: Track): RtpLaneFormat {
  if (track.codec !== 'h264') return { track };
  return { track, packetizationMode: negotiated.packetizationMode ?? 1 };
}
