import { type MediaPacket, ProtocolError, sameParameters, splitAvcc, type Track } from '@sluice/media';
import type { Conversion, ConversionCost, ConversionEvents, ConversionTarget, Counters } from '../core/index.ts';
import {
  COST,
  DROPPED,
  FAILED,
  FLAG_KEY,
  type Frame,
  PACKET,
  readMessage,
  TRACK,
  type TrackMessage,
  WireError,
  type WorkReport,
} from './wire.ts';
import { WorkMeter } from './work-meter.ts';

/** Viewers may ask for key frames as often as they like; the worker hears of it this often. */
const KEY_FRAME_PACE_MS = 50;

/** What a member does with its feed. */
export interface MemberFeed {
  push(packet: MediaPacket, output: number): void;
  requestKeyFrame(output: number): void;
  leave(member: FeedMember): void;
  /** What all members share the cost of, and the worker. */
  sharedCost(): ConversionCost;
}

export interface MemberParts {
  /** Its number in the feed, 1 to MAX_OUTPUT. */
  readonly output: number;
  readonly source: Track;
  readonly target: ConversionTarget;
  readonly events: ConversionEvents;
  readonly counters: Counters;
  /** Processor cores that it is expected to take besides decoding, before the machine's factor, and pictures a second. */
  readonly estimate: { readonly cores: number; readonly fps: number };
  readonly feed: MemberFeed;
  /** What encodes it is known, or has changed. */
  onEncoder(name: string, passedOver: readonly string[]): void;
}

/** One conversion of a feed: a form in which its pictures are wanted. */
export class FeedMember implements Conversion {
  readonly output: number;
  readonly target: ConversionTarget;
  readonly estimate: MemberParts['estimate'];
  readonly work = new WorkMeter();
  readonly #parts: MemberParts;
  #track: Track | undefined;
  #encoder: string | undefined;
  #earliestUs = Number.NEGATIVE_INFINITY;
  #wantedMs = Number.NEGATIVE_INFINITY;
  /** What the feed had dropped when this one began. */
  readonly #droppedBefore: number;
  #damaged = 0;
  #closed = false;

  constructor(parts: MemberParts) {
    this.#parts = parts;
    this.output = parts.output;
    this.target = parts.target;
    this.estimate = parts.estimate;
    this.#droppedBefore = parts.feed.sharedCost().dropped;
  }

  push(packet: MediaPacket): void {
    if (!this.#closed) this.#parts.feed.push(packet, this.output);
  }

  requestKeyFrame(): void {
    const nowMs = performance.now();
    if (this.#closed || nowMs - this.#wantedMs < KEY_FRAME_PACE_MS) return;
    this.#wantedMs = nowMs;
    this.#parts.feed.requestKeyFrame(this.output);
  }

  cost(): ConversionCost {
    const shared = this.#parts.feed.sharedCost();
    const own = this.work.read(performance.now());
    const sum = (one: number | undefined, other: number | undefined) =>
      one === undefined || other === undefined ? undefined : Math.round((one + other) * 1000) / 1000;
    return {
      ...shared,
      cpuShare: sum(own.cpuShare, shared.cpuShare),
      msPerFrame: sum(own.msPerFrame, shared.msPerFrame),
      dropped: shared.dropped - this.#droppedBefore,
      damaged: shared.damaged + this.#damaged,
      encoder: this.#encoder,
    };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#parts.feed.leave(this);
  }

  fail(reason: string): void {
    if (this.#closed) return;
    this.close();
    this.#parts.counters.count('engine_failed_conversions');
    this.#parts.events.onFailed(reason);
  }

  /** The source must send a key frame for the feed to go on. */
  askForKeyFrame(): void {
    this.#parts.events.onKeyFrameNeeded?.();
  }

  /** Takes what the worker says about it. */
  onFrame(frame: Frame): void {
    if (this.#closed) return;
    if (frame.type === PACKET) this.#emit(frame);
    else if (frame.type === TRACK) this.#setTrack(readMessage<TrackMessage>(frame.payload));
    else if (frame.type === DROPPED) this.#countDamaged(frame.timeUs);
    else if (frame.type === COST) this.work.add(readMessage<WorkReport>(frame.payload), performance.now());
    else if (frame.type === FAILED) this.fail(frame.payload.toString());
  }

  #setTrack({ clockRate, parameters, encoder, passedOver = [] }: TrackMessage): void {
    if (encoder !== undefined) {
      const missing = passedOver.length > 0 ? ` (${passedOver.join()} could not be opened)` : '';
      this.#encoder = `${encoder}${missing}`;
      this.#parts.onEncoder(encoder, passedOver);
    }
    const bytes = parameters.map((text) => new Uint8Array(Buffer.from(text, 'base64')));
    // A new worker makes what the old one made: nobody needs to open a decoder anew for that.
    const before = this.#track;
    if (before && before.clockRate === clockRate && sameParameters(before.parameters, bytes)) return;
    const { source, target } = this.#parts;
    this.#track = { id: source.id, kind: 'video', codec: target.codec, clockRate, parameters: bytes };
  }

  #emit({ timeUs, payload, flags }: Frame): void {
    const track = this.#track;
    // A new worker's first packets can reach back into what the old one put out.
    if (!track || timeUs < this.#earliestUs) return;
    const bytes = new Uint8Array(payload);
    const units = track.codec === 'h264' ? splitUnits(bytes) : [bytes];
    if (units.length === 0) return;
    this.#earliestUs = timeUs + 1;
    let byteLength = 0;
    for (const unit of units) byteLength += unit.length;
    const key = (flags & FLAG_KEY) !== 0;
    this.#parts.events.onPacket({ track, units, ptsUs: timeUs, dtsUs: timeUs, key, byteLength });
  }

  #countDamaged(pictures: number): void {
    this.#damaged += pictures;
    this.#parts.counters.count('engine_damaged_packets', pictures);
  }
}

function splitUnits(payload: Uint8Array): Uint8Array[] {
  try {
    return splitAvcc(payload, 4);
  } catch (error) {
    throw error instanceof ProtocolError ? new WireError(error.message) : error;
  }
}
