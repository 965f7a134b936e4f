import { type MediaPacket, pictureSize } from '@sluice/media';
import { RtpLane, type RtpLanePacket, type StreamLayer, VIDEO_LANE } from '../../../core/index.ts';

/** A layer without a packet for this long does not come at this moment. */
const ACTIVE_MS = 1000;
const SAMPLE_MS = 1000;
const RATE_WEIGHT = 0.3;
/** The highest temporal layer is that of the last one to two of these. */
const TEMPORAL_WINDOW_MS = 5000;

export interface ReceivedLayerOptions {
  readonly rid: string;
  /** Its position in the offer. */
  readonly offered: number;
  /** Clock of the publication, milliseconds. */
  nowMs(): number;
  /** Measured over the last second. */
  bitsPerSecond(): number;
  requestKeyFrame(): void;
}

/** One encoding of the picture as it is received, and what is known of it. */
export class ReceivedLayer implements StreamLayer {
  readonly rid: string;
  readonly offered: number;
  readonly lane = new RtpLane(VIDEO_LANE);
  width: number | undefined;
  height: number | undefined;
  expectedBps: number | undefined;
  paused = false;
  /** Frames whose last packet has come; and how many those were when one was whole for the last time. */
  markers = 0;
  markersAtFrame = 0;
  /** When the newest packet, and the newest whole frame, came; and since when packets have come without a pause. */
  newestMs = Number.NEGATIVE_INFINITY;
  newestFrameMs = Number.NEGATIVE_INFINITY;
  activeSinceMs = Number.POSITIVE_INFINITY;
  /** How the picture is to be turned, times 90 degrees clockwise. */
  rotation = 0;
  readonly #o: ReceivedLayerOptions;
  #leases = 0;
  #sampledMs = Number.NEGATIVE_INFINITY;
  #temporal = 0;
  #temporalBefore = 0;
  #temporalMs = 0;

  constructor(o: ReceivedLayerOptions) {
    this.#o = o;
    this.rid = o.rid;
    this.offered = o.offered;
  }

  get active(): boolean {
    return this.#o.nowMs() - this.newestMs < ACTIVE_MS;
  }

  get bitrateBps(): number {
    return this.active ? Math.round(this.#o.bitsPerSecond()) : 0;
  }

  get topTemporalLayer(): number {
    return Math.max(this.#temporal, this.#temporalBefore);
  }

  /** Pixels of its picture; 0 while unknown. */
  get pixels(): number {
    return (this.width ?? 0) * (this.height ?? 0);
  }

  /** Somebody watches it now. */
  get watched(): boolean {
    return this.#leases > 0 || this.lane.listenerCount > 0;
  }

  requestKeyFrame(): void {
    this.#o.requestKeyFrame();
  }

  watch(): Disposable {
    this.#leases++;
    let released = false;
    return {
      [Symbol.dispose]: () => {
        if (released) return;
        released = true;
        this.#leases--;
      },
    };
  }

  /** Takes a packet, in order of arrival. Hot path. */
  packet(packet: RtpLanePacket): void {
    const nowMs = this.#o.nowMs();
    if (nowMs - this.newestMs >= ACTIVE_MS) this.activeSinceMs = nowMs;
    this.newestMs = nowMs;
    if (packet.marker) this.markers++;
    const { temporalLayer } = packet;
    if (temporalLayer !== undefined && temporalLayer > this.#temporal) this.#temporal = temporalLayer;
    this.lane.publish(packet);
  }

  /** Takes a whole frame. @returns true when it shows that the picture has another size than was known */
  frame(packet: MediaPacket): boolean {
    this.markersAtFrame = this.markers;
    this.newestFrameMs = this.#o.nowMs();
    const size = packet.key ? pictureSize(packet) : undefined;
    if (size === undefined || (size.width === this.width && size.height === this.height)) return false;
    this.width = size.width;
    this.height = size.height;
    return true;
  }

  /** Measures about once a second. */
  tick(nowMs: number): void {
    if (nowMs - this.#sampledMs < SAMPLE_MS) return;
    this.#sampledMs = nowMs;
    if (nowMs - this.#temporalMs >= TEMPORAL_WINDOW_MS) {
      this.#temporalMs = nowMs;
      this.#temporalBefore = this.#temporal;
      this.#temporal = 0;
    }
    // The first second of a layer, and the last one, have only a part of its packets.
    if (!this.active || nowMs - this.activeSinceMs < SAMPLE_MS * 1.2 || nowMs - this.newestMs > SAMPLE_MS / 2) return;
    const { bitrateBps, expectedBps } = this;
    this.expectedBps = Math.round(
      expectedBps === undefined ? bitrateBps : expectedBps + (bitrateBps - expectedBps) * RATE_WEIGHT,
    );
  }
}

/** The best first: the larger one, then the one with clearly more bits, then as offered. Those of unknown size are last. */
export function byQuality(a: ReceivedLayer, b: ReceivedLayer): number {
  if (a.pixels !== b.pixels) return b.pixels - a.pixels;
  const octaves = bitrateOctave(b) - bitrateOctave(a);
  return octaves !== 0 ? octaves : a.offered - b.offered;
}

function bitrateOctave({ expectedBps = 0 }: ReceivedLayer): number {
  return expectedBps > 0 ? Math.round(Math.log2(expectedBps)) : 0;
}
