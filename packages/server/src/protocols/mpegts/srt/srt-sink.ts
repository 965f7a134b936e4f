import type { FanOutSink, SrtConnection, Stream } from '../../../core/index.ts';

/** How much faster than the stream itself a viewer that is behind is sent. */
const CATCH_UP = 2;
/** Of a stream whose rate is not known yet. */
const MIN_RATE_BPS = 4_000_000;
/** So much of a second may go out at once: a large key frame does. */
const BURST_S = 0.25;
const MIN_BURST_BYTES = 128 * 1024;

/**
 * An SRT connection as a viewer of a fan-out writes to it. What is there already when a viewer begins is not sent all at
 * once: SRT takes every byte for one of this moment, and drops what the network has not carried within its latency.
 */
export class SrtSink implements FanOutSink {
  readonly #connection: SrtConnection;
  readonly #stream: Stream;
  readonly #onWrite: (() => void) | undefined;
  readonly #listeners = new Set<() => void>();
  /** Bytes that may go out now. */
  #allowance = MIN_BURST_BYTES;
  #tickedMs = performance.now();
  #full = false;
  #destroyed = false;

  /** @param stream What is sent: its rate counts. */
  constructor(connection: SrtConnection, stream: Stream, onWrite?: () => void) {
    this.#connection = connection;
    this.#stream = stream;
    this.#onWrite = onWrite;
  }

  get writableNeedDrain(): boolean {
    return this.#full || this.#allowance <= 0;
  }

  get destroyed(): boolean {
    return this.#destroyed;
  }

  write(bytes: Buffer): boolean {
    this.#allowance -= bytes.length;
    this.#full = !this.#connection.write(bytes);
    this.#onWrite?.();
    return !this.writableNeedDrain;
  }

  on(_event: 'drain', listener: () => void): void {
    this.#listeners.add(listener);
  }

  off(_event: 'drain', listener: () => void): void {
    this.#listeners.delete(listener);
  }

  /** The connection takes bytes again. */
  drained(): void {
    this.#full = false;
    if (!this.writableNeedDrain) this.#tell();
  }

  /** To be called on every tick. */
  tick(nowMs: number): void {
    const { videoRate, audioRate } = this.#stream;
    const rateBps = Math.max(MIN_RATE_BPS, videoRate.bitsPerSecond + audioRate.bitsPerSecond) * CATCH_UP;
    const bytesPerSecond = rateBps / 8;
    const wasEmpty = this.#allowance <= 0;
    const gained = (bytesPerSecond * Math.max(0, nowMs - this.#tickedMs)) / 1000;
    this.#tickedMs = nowMs;
    this.#allowance = Math.min(this.#allowance + gained, Math.max(MIN_BURST_BYTES, bytesPerSecond * BURST_S));
    if (wasEmpty && !this.writableNeedDrain) this.#tell();
  }

  /** The connection is over: nothing more is written. */
  destroy(): void {
    this.#destroyed = true;
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
