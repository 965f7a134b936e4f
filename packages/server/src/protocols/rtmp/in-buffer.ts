import type { MediaPacket } from '@sluice/media';

/** The `rtmp_in_buffer_*` settings (functions-1 §1.1, "Incoming buffer"). Times in milliseconds of media. */
export interface InBufferOptions {
  /** Fill at which play-out starts. */
  readonly startSizeMs: number;
  /** Most that is kept: above it play-out runs faster, and the start size never grows past it. */
  readonly maxSizeMs: number;
  /** How often play-out may stop to fill the buffer again; -1: without limit. After that gaps go through. */
  readonly maxBufferings: number;
  /** How often the fill is examined. */
  readonly pollingTimeMs: number;
  /** The least fill of a window may be this much above the start size before the excess is played out faster. */
  readonly allowedDeviationMs: number;
  readonly deviationWindowMs: number;
  /** How much faster play-out may run to get rid of an excess: 0.15 is 15 %. */
  readonly overflowRate: number;
  /** At this fill everything above the maximum size is dropped. */
  readonly clearThresholdMs: number;
  /** When media lags the clock by this much, buffering ends for the rest of the publication; 0: never. */
  readonly inputDelayThresholdMs: number;
}

export const DEFAULT_IN_BUFFER_OPTIONS: InBufferOptions = {
  startSizeMs: 300,
  maxSizeMs: 2000,
  maxBufferings: -1,
  pollingTimeMs: 100,
  allowedDeviationMs: 1000,
  deviationWindowMs: 30_000,
  overflowRate: 0.15,
  clearThresholdMs: 30_000,
  inputDelayThresholdMs: 0,
};

/** The start size grows by this factor each time the buffer ran empty, so that the next stall of that kind fits. */
const GROWTH = 1.5;
/** A packet this much behind its time, with none held, means that the buffer ran empty. */
const LATE_MS = 20;
/** Bounds for publishers whose time stands still. */
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_PACKETS = 20_000;
/** A step of the source's time beyond this is a gap in the content: play-out is anchored anew. */
const GAP_MS = 3000;

export type InBufferState = 'BUFFERING' | 'PLAYING' | 'PASSTHROUGH';

/**
 * Evens out a publisher that stalls and catches up: packets are held until there is a stock of them and leave at
 * the pace of their timestamps. Does no I/O and has no timer: the owner calls `release` when `nextDueMs` tells.
 *
 * ```
 *   BUFFERING --- fill >= start size ---> PLAYING --- lag >= threshold ---> PASSTHROUGH (for good)
 *       ^------- ran empty -------------'
 * ```
 *
 * Where the documentation of WCS is silent: running empty makes the start size grow by half, up to the maximum
 * size. A fill over the maximum size, or one that was never near its start size for a whole window, is worn down by
 * play-out at `overflowRate` over the normal speed, so that no frame is lost.
 */
export class InBuffer {
  /** Packets dropped for want of room. */
  dropped = 0;
  /** How often play-out ran empty. */
  underruns = 0;
  readonly #options: InBufferOptions;
  readonly #emit: (packet: MediaPacket) => void;
  readonly #window: FillWindow;
  #state: InBufferState = 'BUFFERING';
  #queue: MediaPacket[] = [];
  #bytes = 0;
  #startSizeMs: number;
  /** When the present buffering began to hold packets; undefined before its first one. */
  #bufferingSinceMs: number | undefined;
  /** Media time `anchorMediaMs` leaves at `anchorMs`, what follows at `speed`. */
  #anchorMs = 0;
  #anchorMediaMs = 0;
  #speed = 1;
  /** While play-out is faster: the fill at which it ends. */
  #drainToMs = 0;
  #polledMs = 0;
  #newestMs = Number.NaN;
  /** Least clock time minus media time so far: the publisher at its most punctual. */
  #leastOffsetMs = Number.POSITIVE_INFINITY;
  /** Video is dropped up to its next key frame. */
  #needsKey = false;

  constructor(options: InBufferOptions, emit: (packet: MediaPacket) => void) {
    this.#options = options;
    this.#emit = emit;
    this.#startSizeMs = Math.min(options.startSizeMs, options.maxSizeMs);
    this.#window = new FillWindow(options.deviationWindowMs);
  }

  get state(): InBufferState {
    return this.#state;
  }

  /** Bytes that are held. */
  get queuedBytes(): number {
    return this.#bytes;
  }

  /** Takes a packet; it leaves by `emit`, at once or in a later `release`. `nowMs` is monotonic. */
  push(packet: MediaPacket, nowMs: number): void {
    if (this.#state === 'PASSTHROUGH') return this.#emit(packet);
    if (this.#needsKey && packet.track.kind === 'video') {
      if (!packet.key) return void this.dropped++;
      this.#needsKey = false;
    }
    const mediaMs = packet.dtsUs / 1000;
    if (Math.abs(mediaMs - this.#newestMs) > GAP_MS) this.#restart();
    const late = this.#queue.length === 0 && !(mediaMs < this.#newestMs) && nowMs - this.#dueMs(mediaMs) > LATE_MS;
    if (this.#state === 'PLAYING' && late) this.#ranEmpty();
    if (!(mediaMs <= this.#newestMs)) this.#newestMs = mediaMs;
    this.#bufferingSinceMs ??= nowMs;
    this.#queue.push(packet);
    this.#bytes += packet.byteLength;
    if (this.#lags(mediaMs, nowMs)) return this.#passThrough();
    const full = this.#bytes > MAX_BYTES || this.#queue.length > MAX_PACKETS;
    if (full || this.#fillMs(nowMs) >= this.#options.clearThresholdMs)
      this.#clear(nowMs, full ? this.#queue.length >> 1 : 0);
    this.release(nowMs);
  }

  /** Emits what is due. */
  release(nowMs: number): void {
    if (this.#state === 'BUFFERING' && this.nextDueMs > nowMs) return;
    if (this.#state === 'BUFFERING') this.#play(nowMs);
    if (nowMs - this.#polledMs >= this.#options.pollingTimeMs) this.#poll(nowMs);
    let count = 0;
    for (const packet of this.#queue) {
      if (this.#dueMs(packet.dtsUs / 1000) > nowMs) break;
      count++;
    }
    if (count === 0) return;
    for (const packet of this.#queue.splice(0, count)) {
      this.#bytes -= packet.byteLength;
      this.#emit(packet);
    }
  }

  /** When `release` should be called next, on the clock of `nowMs`; infinite while there is nothing to release. */
  get nextDueMs(): number {
    const first = this.#queue[0];
    if (first === undefined) return Number.POSITIVE_INFINITY;
    if (this.#state === 'PLAYING') return this.#dueMs(first.dtsUs / 1000);
    // A source that pauses while it is buffered must not be held up for longer than one that goes on.
    if (this.#newestMs - first.dtsUs / 1000 >= this.#startSizeMs) return 0;
    return (this.#bufferingSinceMs ?? 0) + this.#startSizeMs;
  }

  /** Emits all that is held: the publication is over, or its buffering. */
  flush(): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#bytes = 0;
    for (const packet of queue) this.#emit(packet);
  }

  #dueMs(mediaMs: number): number {
    return this.#anchorMs + (mediaMs - this.#anchorMediaMs) / this.#speed;
  }

  /** Media time between what leaves now and the newest that came. */
  #fillMs(nowMs: number): number {
    const first = this.#queue[0];
    if (first === undefined) return 0;
    if (this.#state === 'BUFFERING') return this.#newestMs - first.dtsUs / 1000;
    return this.#newestMs - (this.#anchorMediaMs + (nowMs - this.#anchorMs) * this.#speed);
  }

  #play(nowMs: number): void {
    this.#state = 'PLAYING';
    this.#anchor(nowMs, (this.#queue[0]?.dtsUs ?? 0) / 1000, 1);
    this.#window.restart(nowMs);
  }

  #anchor(nowMs: number, mediaMs: number, speed: number): void {
    this.#anchorMs = nowMs;
    this.#anchorMediaMs = mediaMs;
    this.#speed = speed;
  }

  #ranEmpty(): void {
    this.underruns++;
    const { maxBufferings, maxSizeMs } = this.#options;
    // Beyond the allowed number the late packets leave at once, and play-out goes on as it was.
    if (maxBufferings >= 0 && this.underruns > maxBufferings) return;
    this.#startSizeMs = Math.min(maxSizeMs, this.#startSizeMs * GROWTH);
    this.#state = 'BUFFERING';
    this.#bufferingSinceMs = undefined;
  }

  /** The content goes on elsewhere in time: what is held leaves, and buffering begins anew. */
  #restart(): void {
    this.flush();
    this.#state = 'BUFFERING';
    this.#bufferingSinceMs = undefined;
    this.#newestMs = Number.NaN;
    this.#leastOffsetMs = Number.POSITIVE_INFINITY;
  }

  #lags(mediaMs: number, nowMs: number): boolean {
    const offsetMs = nowMs - mediaMs;
    if (offsetMs < this.#leastOffsetMs) this.#leastOffsetMs = offsetMs;
    const { inputDelayThresholdMs } = this.#options;
    return inputDelayThresholdMs > 0 && offsetMs - this.#leastOffsetMs >= inputDelayThresholdMs;
  }

  #passThrough(): void {
    this.#state = 'PASSTHROUGH';
    this.flush();
  }

  /** Looks whether the stock is larger than it need be, and sets the speed of play-out accordingly. */
  #poll(nowMs: number): void {
    this.#polledMs = nowMs;
    const fillMs = this.#fillMs(nowMs);
    const excessMs = this.#window.add(fillMs, nowMs) - this.#startSizeMs;
    const { maxSizeMs, allowedDeviationMs, overflowRate } = this.#options;
    const positionMs = this.#newestMs - fillMs;
    if (this.#speed > 1) {
      if (fillMs > this.#drainToMs) return;
      this.#anchor(nowMs, positionMs, 1);
      this.#window.restart(nowMs);
    } else if (fillMs > maxSizeMs || excessMs > allowedDeviationMs) {
      this.#drainToMs = Math.max(this.#startSizeMs, Math.min(maxSizeMs, fillMs - excessMs));
      this.#anchor(nowMs, positionMs, 1 + overflowRate);
    }
  }

  /**
   * Drops the oldest packets, `least` of them or more, up to a place where a decoder can start, so that the maximum
   * size is left.
   */
  #clear(nowMs: number, least: number): void {
    const hasVideo = this.#queue.some((packet) => packet.track.kind === 'video');
    const isStart = (packet: MediaPacket): boolean => packet.key && (!hasVideo || packet.track.kind === 'video');
    const fits = (packet: MediaPacket): boolean => this.#newestMs - packet.dtsUs / 1000 <= this.#options.maxSizeMs;
    let from = this.#queue.findIndex((packet, i) => i >= least && isStart(packet) && fits(packet));
    if (from < 0) {
      from = this.#queue.length;
      this.#needsKey = hasVideo;
    }
    this.dropped += from;
    this.#queue.splice(0, from);
    this.#bytes = this.#queue.reduce((sum, packet) => sum + packet.byteLength, 0);
    this.#state = 'BUFFERING';
    this.#bufferingSinceMs = this.#queue.length > 0 ? nowMs : undefined;
  }
}

/** The least fill over a time; tells nothing until that is over. */
class FillWindow {
  readonly #lengthMs: number;
  #startMs = 0;
  #leastMs = Number.POSITIVE_INFINITY;

  constructor(lengthMs: number) {
    this.#lengthMs = lengthMs;
  }

  restart(nowMs: number): void {
    this.#startMs = nowMs;
    this.#leastMs = Number.POSITIVE_INFINITY;
  }

  /** The least fill of the window that ends now, or 0 while it is not over. */
  add(fillMs: number, nowMs: number): number {
    if (fillMs < this.#leastMs) this.#leastMs = fillMs;
    if (nowMs - this.#startMs < this.#lengthMs) return 0;
    const leastMs = this.#leastMs;
    this.restart(nowMs);
    return leastMs;
  }
}
