/** How long a probe is sent, and the least that it consists of. */
const PROBE_MS = 40;
const MIN_PACKETS = 8;
/** One probe asks for no more than this share of what is known, and costs no more than this. */
const MAX_STEP = 3;
const MAX_PROBE_BYTES = 64_000;
/** Feedback on a probe is waited for this long. */
const ANSWER_MS = 1000;
/** After one that the way did not carry, the next is not before this; longer each time, up to the second one. */
const RETRY_MS = 1500;
const MAX_RETRY_MS = 3000;
const REPEAT_MS = 2000;
/** A probe that arrives with this share of its rate was carried; more is believed than that share, less is below it. */
const CARRIED_SHARE = 0.9;
const UNCARRIED_LEFT = 0.95;
/** Of a probe, so much must arrive to be believed. */
const ARRIVED_SHARE = 0.7;
/** Arrivals that are faster than this times what was sent are those of something that held them back, while packets wait. */
const MAX_RATE_RATIO = 2;
const HELD_QUEUE_MS = 30;

interface Probe {
  readonly id: number;
  readonly bps: number;
  readonly startMs: number;
  sentBytes: number;
  sentPackets: number;
  firstSentMs: number;
  lastSentMs: number;
  lastSentBytes: number;
  arrivedPackets: number;
  arrivedBytes: number;
  firstArrivalMs: number;
  firstArrivedBytes: number;
  lastArrivalMs: number;
  done: boolean;
}

/** Finds out what the way carries beyond what is sent: short bursts, of which the rate of arrival tells. */
export class Probes {
  sent = 0;
  carried = 0;
  /** Called when there is something to be sent. */
  onBegin: () => void = () => {};
  #probe: Probe | undefined;
  #goalBps = 0;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #retryMs = RETRY_MS;
  #ids = 0;
  #lastMs = Number.NEGATIVE_INFINITY;

  /** The probe that packets which leave now are of; 0 for none. */
  get id(): number {
    return this.#probe !== undefined && !this.#probe.done ? this.#probe.id : 0;
  }

  /** What packets must leave with while a probe is sent; 0 else. */
  get bps(): number {
    return this.#probe !== undefined && !this.#probe.done ? this.#probe.bps : 0;
  }

  /** True when a packet of a probe left after that time. */
  isRecent(sinceMs: number): boolean {
    return this.#lastMs > sinceMs;
  }

  /** Begins to probe for that much, in steps from what is known. False while the last probe is waited for or was in vain. */
  begin(goalBps: number, knownBps: number, nowMs: number): boolean {
    if (this.#probe !== undefined || nowMs < this.#notBeforeMs || goalBps <= knownBps) return false;
    this.#goalBps = goalBps;
    this.#start(knownBps, nowMs);
    return true;
  }

  /** The way is too narrow at this moment: what is wished for more is given up. */
  stop(nowMs: number): void {
    this.#goalBps = 0;
    if (this.#probe !== undefined) this.#fail(nowMs);
  }

  /** Bytes that are missing from the probe at this moment, to be sent as padding. */
  owedBytes(nowMs: number): number {
    const probe = this.#probe;
    if (probe === undefined || probe.done) return 0;
    const passedMs = nowMs - probe.startMs;
    // So long a silence is none of ours: what comes after it would be another probe.
    if (passedMs > ANSWER_MS) {
      this.#fail(nowMs);
      return 0;
    }
    // The last packet is sent after all of its time: so that what went before in a burst does not count as faster.
    const least = passedMs >= PROBE_MS ? 1 : 0;
    const dueBytes = Math.min(MAX_PROBE_BYTES, (probe.bps * Math.max(1, passedMs)) / 8000);
    return Math.max(least, dueBytes - probe.sentBytes);
  }

  /** A packet of the probe left. Hot path while one is sent. */
  onSent(bytes: number, nowMs: number): void {
    const probe = this.#probe;
    if (probe === undefined || probe.done) return;
    if (probe.sentPackets === 0) probe.firstSentMs = nowMs;
    probe.sentPackets++;
    probe.sentBytes += bytes;
    probe.lastSentMs = nowMs;
    this.#lastMs = nowMs;
    probe.lastSentBytes = bytes;
    const wholeBytes = Math.min(MAX_PROBE_BYTES, (probe.bps * PROBE_MS) / 8000);
    const isWhole = probe.sentBytes >= wholeBytes && probe.sentPackets >= MIN_PACKETS;
    if (isWhole && nowMs - probe.startMs >= PROBE_MS) probe.done = true;
  }

  onArrived(id: number, bytes: number, arrivalMs: number): void {
    const probe = this.#probe;
    if (probe === undefined || probe.id !== id) return;
    if (probe.arrivedPackets === 0) {
      probe.firstArrivalMs = arrivalMs;
      probe.firstArrivedBytes = bytes;
    }
    probe.arrivedPackets++;
    probe.arrivedBytes += bytes;
    probe.lastArrivalMs = Math.max(probe.lastArrivalMs, arrivalMs);
  }

  /** After each feedback: the bits a second that the last probe proved; undefined while there is nothing new. */
  result({ knownBps, queueMs }: { knownBps: number; queueMs: number }, nowMs: number): number | undefined {
    const probe = this.#probe;
    if (probe === undefined || !probe.done) return undefined;
    const isWhole = probe.arrivedPackets >= probe.sentPackets;
    const overdueMs = nowMs - probe.lastSentMs;
    if (!isWhole && overdueMs < ANSWER_MS) return undefined;
    const provedBps = rateOf(probe, queueMs);
    if (provedBps === undefined || provedBps <= knownBps) {
      this.#fail(nowMs);
      return undefined;
    }
    const carried = provedBps >= probe.bps * CARRIED_SHARE;
    this.#probe = undefined;
    if (carried) {
      this.carried++;
      this.#retryMs = RETRY_MS;
      this.#notBeforeMs = nowMs + REPEAT_MS;
      if (provedBps < this.#goalBps) this.#start(provedBps, nowMs);
    } else this.#fail(nowMs);
    return provedBps;
  }

  #start(knownBps: number, nowMs: number): void {
    this.#ids = (this.#ids % 0xffff) + 1;
    this.sent++;
    const empty = { sentBytes: 0, sentPackets: 0, firstSentMs: 0, lastSentMs: nowMs, lastSentBytes: 0 };
    const none = { arrivedPackets: 0, arrivedBytes: 0, firstArrivalMs: 0, firstArrivedBytes: 0, lastArrivalMs: 0 };
    const bps = Math.min(this.#goalBps, knownBps * MAX_STEP);
    this.#probe = { id: this.#ids, bps, startMs: nowMs, ...empty, ...none, done: false };
    this.onBegin();
  }

  #fail(nowMs: number): void {
    this.#probe = undefined;
    this.#notBeforeMs = nowMs + this.#retryMs;
    this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 1.5);
  }
}

/** What arrived a second, no more than what was sent; undefined when it tells nothing. */
function rateOf(probe: Probe, queueMs: number): number | undefined {
  const { sentPackets, arrivedPackets } = probe;
  if (arrivedPackets < MIN_PACKETS / 2 || arrivedPackets < sentPackets * ARRIVED_SHARE) return undefined;
  const sentMs = probe.lastSentMs - probe.firstSentMs;
  const arrivedMs = probe.lastArrivalMs - probe.firstArrivalMs;
  if (sentMs <= 0) return undefined;
  const sentBps = ((probe.sentBytes - probe.lastSentBytes) * 8000) / sentMs;
  const arrivedBps = ((probe.arrivedBytes - probe.firstArrivedBytes) * 8000) / Math.max(1, arrivedMs);
  if (arrivedBps > sentBps * MAX_RATE_RATIO && queueMs > HELD_QUEUE_MS) return undefined;
  return arrivedBps >= sentBps * CARRIED_SHARE ? Math.min(sentBps, arrivedBps) : arrivedBps * UNCARRIED_LEFT;
}
