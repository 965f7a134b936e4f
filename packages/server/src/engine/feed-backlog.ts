import type { MediaPacket } from '@sluice/media';
import { PacketQueue } from './packet-queue.ts';

/** Packets that a worker has not told to be done with, at most: what waits longer waits here, where it can be dropped. */
const MAX_IN_FLIGHT = 16;
/** A packet that is not worked off by then is late: a source gives no more than a second at once. */
const LATE_MS = 1000;
/** Late for so long, or dropped so often in such a time, is not keeping up. */
const PATIENCE_MS = 5000;
const MAX_OVERFLOWS = 2;
const OVERFLOW_WINDOW_MS = 30_000;

/** Packets of a feed on the way to and in a worker, bounded, and whether they become more and more. */
export class FeedBacklog {
  readonly #queue = new PacketQueue('video');
  #inFlightMs: number[] = [];
  #lateSinceMs: number | undefined;
  #overflowsMs: number[] = [];

  /** True while packets are left out because none of them can be decoded without a key frame. */
  get awaitsKey(): boolean {
    return this.#queue.awaitsKey;
  }

  /** Packets that are not worked off. */
  get length(): number {
    return this.#queue.length + this.#inFlightMs.length;
  }

  /** Takes a packet; the result says how many, this one or others, were dropped. */
  push(packet: MediaPacket, nowMs: number): number {
    const waited = this.#queue.awaitsKey;
    const dropped = this.#queue.push(packet, nowMs);
    if (!waited && this.#queue.awaitsKey) this.#overflowsMs.push(nowMs);
    return dropped;
  }

  /** The next packet for the worker; undefined while there is none or it has enough. */
  next(): MediaPacket | undefined {
    const sinceMs = this.#queue.oldestMs;
    if (sinceMs === undefined || this.#inFlightMs.length >= MAX_IN_FLIGHT) return undefined;
    this.#inFlightMs.push(sinceMs);
    return this.#queue.shift();
  }

  /** The worker is done with so many. */
  taken(packets: number): void {
    this.#inFlightMs.splice(0, packets);
  }

  /** The worker is gone. Gives the number of packets dropped. */
  restart(): number {
    this.#inFlightMs = [];
    this.forgive();
    return this.#queue.restart();
  }

  /** True when the worker does not keep up, and will not. To be asked some times a second. */
  isOverloaded(nowMs: number): boolean {
    const oldestMs = this.#inFlightMs[0] ?? this.#queue.oldestMs ?? nowMs;
    if (nowMs - oldestMs < LATE_MS) this.#lateSinceMs = undefined;
    else this.#lateSinceMs ??= nowMs;
    this.#overflowsMs = this.#overflowsMs.filter((timeMs) => nowMs - timeMs < OVERFLOW_WINDOW_MS);
    if (this.#overflowsMs.length >= MAX_OVERFLOWS) return true;
    return this.#lateSinceMs !== undefined && nowMs - this.#lateSinceMs > PATIENCE_MS;
  }

  /** Begins to watch anew: something was done about it. */
  forgive(): void {
    this.#lateSinceMs = undefined;
    this.#overflowsMs = [];
  }
}
