import { randomOf } from '../webrtc/hostile.ts';

/** What one direction of a line does to packets. Shares are from 0 to 1. */
export interface Impairment {
  /** Share of packets that are lost, each by itself. */
  readonly loss: number;
  /** Share of packets that are lost in bursts, and how many a burst takes on average. */
  readonly burstLoss: { readonly share: number; readonly packets: number };
  /** One way. */
  readonly delayMs: number;
  /** Up to so much is added to the delay by chance; packets wait for those before them. */
  readonly jitterMs: number;
  /** Every `everyMs` nothing arrives for `lengthMs`, and then all at once. */
  readonly spikes: { readonly everyMs: number; readonly lengthMs: number } | undefined;
  /** Share of packets that come by `byMs` too late, behind those that were sent after them. */
  readonly reorder: { readonly share: number; readonly byMs: number };
  /** Share of packets that arrive twice. */
  readonly duplicates: number;
  /** Bits per second; 0 for as much as comes. */
  readonly bitrate: number;
  /** What may wait for the bitrate before further packets are dropped. */
  readonly queueMs: number;
  /** The same in bytes; the smaller of both counts. */
  readonly queueBytes: number;
  /** Nothing gets through. */
  readonly blocked: boolean;
}

/** A line that does nothing to packets. */
export const CLEAN: Impairment = {
  loss: 0,
  burstLoss: { share: 0, packets: 1 },
  delayMs: 0,
  jitterMs: 0,
  spikes: undefined,
  reorder: { share: 0, byMs: 0 },
  duplicates: 0,
  bitrate: 0,
  queueMs: 300,
  queueBytes: Number.POSITIVE_INFINITY,
  blocked: false,
};

/** What has happened on a line so far. */
export interface LineCounters {
  forwarded: number;
  forwardedBytes: number;
  /** By chance, alone or in a burst. */
  lost: number;
  /** Dropped since too much waited. */
  overflowed: number;
  blocked: number;
  duplicated: number;
  reordered: number;
  /** How long the latest packet waited for the bitrate, and the one that waited longest. */
  queueMs: number;
  longestQueueMs: number;
}

export interface LineOptions {
  /** The same seed loses the same packets. */
  readonly seed: number;
  /** As TCP does: what is lost comes a round trip later and holds up the rest, what does not fit waits. */
  readonly reliable?: boolean;
}

interface Waiting<T> {
  readonly packet: T;
  readonly bytes: number;
  readonly sinceMs: number;
}

/** Random numbers are drawn from so many. */
const CHANCES = 2 ** 30;

/**
 * One direction of a line: a bottleneck with a queue, then a way that takes time. It has no clock of its own: whoever
 * uses it tells the time, and takes out what has arrived. What it does can be changed at any time.
 */
export class Line<T> {
  readonly counters: LineCounters = {
    forwarded: 0,
    forwardedBytes: 0,
    lost: 0,
    overflowed: 0,
    blocked: 0,
    duplicated: 0,
    reordered: 0,
    queueMs: 0,
    longestQueueMs: 0,
  };
  readonly #random: (bound: number) => number;
  readonly #reliable: boolean;
  #impairment = CLEAN;
  readonly #queue: Waiting<T>[] = [];
  #queuedBytes = 0;
  /** When the first of the queue has passed the bottleneck. */
  #passesAtMs = Number.POSITIVE_INFINITY;
  /** In the order of their arrival. */
  readonly #travelling: { readonly packet: T; readonly atMs: number; readonly bytes: number }[] = [];
  #arrivedMs = 0;
  #inBurst = false;

  constructor({ seed, reliable = false }: LineOptions) {
    this.#random = randomOf(seed);
    this.#reliable = reliable;
  }

  get impairment(): Impairment {
    return this.#impairment;
  }

  /** Bytes that wait for the bottleneck. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Changes some of what the line does, for packets that have not passed the bottleneck yet. */
  change(changes: Partial<Impairment>, nowMs: number): void {
    this.#pass(nowMs);
    const before = this.#impairment;
    this.#impairment = { ...before, ...changes };
    const [head] = this.#queue;
    if (head === undefined) return;
    const beforeMs = passMs(before, head.bytes);
    const left = beforeMs === 0 || !Number.isFinite(beforeMs) ? 1 : (this.#passesAtMs - nowMs) / beforeMs;
    this.#passesAtMs = nowMs + passMs(this.#impairment, head.bytes) * Math.min(1, Math.max(0, left));
    this.#pass(nowMs);
  }

  /** Takes a packet in, unless it is lost. */
  send(packet: T, bytes: number, nowMs: number): void {
    this.#pass(nowMs);
    if (!this.#reliable && !this.#admits(bytes)) return;
    this.#queue.push({ packet, bytes, sinceMs: nowMs });
    this.#queuedBytes += bytes;
    if (this.#queue.length > 1) return;
    this.#passesAtMs = nowMs + passMs(this.#impairment, bytes);
    this.#pass(nowMs);
  }

  /** When the line wants to be looked at again; Infinity for never. */
  nextAtMs(): number {
    return Math.min(this.#passesAtMs, this.#travelling[0]?.atMs ?? Number.POSITIVE_INFINITY);
  }

  /** Takes out the next packet that has arrived until now. */
  take(nowMs: number): T | undefined {
    this.#pass(nowMs);
    const [first] = this.#travelling;
    if (first === undefined || first.atMs > nowMs) return undefined;
    this.#travelling.shift();
    this.counters.forwarded++;
    this.counters.forwardedBytes += first.bytes;
    return first.packet;
  }

  #admits(bytes: number): boolean {
    const { blocked, bitrate, queueMs, queueBytes } = this.#impairment;
    if (blocked) {
      this.counters.blocked++;
      return false;
    }
    if (this.#isLost()) {
      this.counters.lost++;
      return false;
    }
    const most = Math.min(queueBytes, bitrate === 0 ? Number.POSITIVE_INFINITY : (queueMs * bitrate) / 8000);
    if (this.#queue.length === 0 || this.#queuedBytes + bytes <= most) return true;
    this.counters.overflowed++;
    return false;
  }

  #isLost(): boolean {
    const { loss, burstLoss } = this.#impairment;
    // Two states (Gilbert): a burst ends after so many packets on average, and begins as often as the share asks for.
    const ends = 1 / Math.max(1, burstLoss.packets);
    const begins = (burstLoss.share * ends) / Math.max(1e-9, 1 - burstLoss.share);
    this.#inBurst = this.#happens(this.#inBurst ? 1 - ends : begins);
    return this.#inBurst || this.#happens(loss);
  }

  /** Moves on what has passed the bottleneck until now, counted from when it passed. */
  #pass(nowMs: number): void {
    while (this.#passesAtMs <= nowMs) {
      const head = this.#queue.shift();
      const passedMs = this.#passesAtMs;
      const [next] = this.#queue;
      this.#passesAtMs =
        next === undefined ? Number.POSITIVE_INFINITY : passedMs + passMs(this.#impairment, next.bytes);
      if (head === undefined) return;
      this.#queuedBytes -= head.bytes;
      this.counters.queueMs = passedMs - head.sinceMs;
      this.counters.longestQueueMs = Math.max(this.counters.longestQueueMs, this.counters.queueMs);
      this.#depart(head, passedMs);
    }
  }

  #depart({ packet, bytes }: Waiting<T>, nowMs: number): void {
    const { delayMs, jitterMs, spikes, reorder, duplicates } = this.#impairment;
    const again = this.#reliable && this.#isLost();
    if (again) this.counters.lost++;
    const travelMs = delayMs * (again ? 3 : 1) + (jitterMs * this.#random(CHANCES)) / CHANCES;
    const arrivesMs = afterSpike(nowMs + travelMs, spikes);
    const isLate = !this.#reliable && this.#happens(reorder.share);
    const copies = !this.#reliable && this.#happens(duplicates) ? 2 : 1;
    const atMs = Math.max(this.#arrivedMs, arrivesMs) + (isLate ? reorder.byMs : 0);
    if (isLate) this.counters.reordered++;
    else this.#arrivedMs = atMs;
    this.counters.duplicated += copies - 1;
    for (let i = 0; i < copies; i++) this.#insert(packet, bytes, atMs);
  }

  #insert(packet: T, bytes: number, atMs: number): void {
    let at = this.#travelling.length;
    while (at > 0 && (this.#travelling[at - 1]?.atMs ?? 0) > atMs) at--;
    this.#travelling.splice(at, 0, { packet, bytes, atMs });
  }

  #happens(share: number): boolean {
    return share > 0 && this.#random(CHANCES) < share * CHANCES;
  }
}

/** How long the bottleneck takes for a packet. */
function passMs({ bitrate, blocked }: Impairment, bytes: number): number {
  if (blocked) return Number.POSITIVE_INFINITY;
  return bitrate === 0 ? 0 : (bytes * 8000) / bitrate;
}

/** A packet that would come while nothing arrives comes at the end of that. */
function afterSpike(atMs: number, spikes: Impairment['spikes']): number {
  if (spikes === undefined) return atMs;
  const sinceMs = atMs % spikes.everyMs;
  return sinceMs < spikes.lengthMs ? atMs - sinceMs + spikes.lengthMs : atMs;
}
