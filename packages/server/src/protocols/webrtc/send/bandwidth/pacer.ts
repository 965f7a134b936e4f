import type { RtpLanePacket } from '../../../../core/index.ts';
import type { SendRun } from '../sent-numbers.ts';

/** What may leave at once when nothing did for a while: so many milliseconds of the rate, and so many bytes at least. */
const BURST_MS = 10;
const BURST_BYTES = 6000;
/** Before anything left: the first picture is not waited for. */
const FIRST_BURST_BYTES = 16_000;
/** What may leave at the rate for a moment: so much of the rate for longer. */
const CREDIT_MS = 120;
/** Beyond this nothing new is taken in, but for the rest of a frame. */
const FULL_MS = 600;
/** The same while no limit is known: it is likely to carry more than is believed. */
const FULL_UNLIMITED_MS = 1500;
const FULL_BYTES = 4 * 1024 * 1024;
/** When what waits takes longer than this after the rate has fallen, all but the frame that is being sent is given up. */
const TOO_LONG_MS = 900;
const MAX_REPAIRS = 1024;
/** Of header and encryption. */
const OVERHEAD_BYTES = 40;

/** A track whose packets wait. */
export interface PacedTrack {
  /** Numbers, writes and sends a packet; `skipped` frames before it were left out. Gives its bytes. */
  transmit(packet: RtpLanePacket, run: SendRun, skipped: number): number;
  /** Sends a packet again, by its number. Gives its bytes; 0 when it is not kept any more. */
  repair(number: number): number;
  /** What waited was given up. */
  onGivenUp(frames: number): void;
  /** When it is time for a packet, `performance.now()`, where packets are held until then. */
  dueMs(packet: RtpLanePacket, run: SendRun): number;
}

interface Waiting {
  readonly track: PacedTrack;
  readonly packet: RtpLanePacket;
  readonly run: SendRun;
  readonly skipped: number;
}

export interface PacerOptions {
  /** What packets may leave with, bits a second. */
  rateBps(nowMs: number): number;
  /** The same for longer than a moment. */
  sustainedBps(nowMs: number): number;
  /** Frames that are held at most until their time has come; 0: none is. */
  readonly timedFrames: number;
}

/**
 * Lets packets of one peer leave at a rate instead of in bursts: what is sent again first, then pictures in their order;
 * sound never waits, but counts. Pictures wait as references to the shared packets.
 */
export class Pacer {
  /** Frames that were given up because the rate fell. */
  givenUp = 0;
  readonly #options: PacerOptions;
  #pictures: Waiting[] = [];
  #head = 0;
  #pictureBytes = 0;
  #frames = 0;
  readonly #repairs: { readonly track: PacedTrack; readonly number: number }[] = [];
  /** What may leave now; negative: what left too much. */
  #budget = FIRST_BURST_BYTES;
  /** What may leave faster than for long. */
  #credit = 0;
  #atMs = -1;
  /** Newest packet that left, to know whether the head is the rest of its frame. */
  #sentTimestamp = Number.NaN;

  constructor(options: PacerOptions) {
    this.#options = options;
  }

  get empty(): boolean {
    return this.#head === this.#pictures.length && this.#repairs.length === 0;
  }

  /** How long what waits takes to leave. */
  queueMs(nowMs: number): number {
    if (this.#pictureBytes === 0) return 0;
    const { rateBps, sustainedBps } = this.#options;
    return (this.#pictureBytes * 8000) / Math.min(rateBps(nowMs), sustainedBps(nowMs));
  }

  /** No new frame should be taken in. */
  isFull(nowMs: number): boolean {
    const isLimited = this.#options.sustainedBps(nowMs) !== Number.POSITIVE_INFINITY;
    return this.queueMs(nowMs) > (isLimited ? FULL_MS : FULL_UNLIMITED_MS) || this.#pictureBytes > FULL_BYTES;
  }

  /** True when a packet may leave at once: nothing waits, and the rate allows it. */
  mayPass(nowMs: number): boolean {
    if (!this.empty || this.#options.timedFrames > 0) return false;
    this.#refill(nowMs);
    return this.#budget > 0;
  }

  /** So much left. */
  spend(bytes: number): void {
    this.#budget -= bytes;
    this.#credit -= bytes;
  }

  /** Has a packet of a picture wait. */
  hold(track: PacedTrack, packet: RtpLanePacket, { run, skipped }: Pick<Waiting, 'run' | 'skipped'>): void {
    if (this.#pictureBytes > 2 * FULL_BYTES) return track.onGivenUp(1);
    const last = this.#pictures.at(-1);
    if (this.#head === this.#pictures.length || last?.packet.timestamp !== packet.timestamp) this.#frames++;
    this.#pictures.push({ track, packet, run, skipped });
    this.#pictureBytes += packet.payload.length + OVERHEAD_BYTES;
  }

  holdRepair(track: PacedTrack, number: number): void {
    if (this.#repairs.length < MAX_REPAIRS) this.#repairs.push({ track, number });
  }

  /** Lets leave what is due. */
  release(nowMs: number): void {
    this.#refill(nowMs);
    if (this.isFull(nowMs) && this.queueMs(nowMs) > TOO_LONG_MS) this.#giveUp();
    while (this.#budget > 0) {
      const repair = this.#repairs.shift();
      if (repair !== undefined) this.spend(repair.track.repair(repair.number));
      else if (!this.#releasePicture(nowMs)) return;
    }
  }

  /** What waits of a track's pictures is given up, but for the rest of a frame that has begun to leave: others follow. */
  forget(track: PacedTrack): void {
    const waiting = this.#pictures.slice(this.#head);
    const kept = waiting.filter((one) => one.track !== track || one.packet.timestamp === this.#sentTimestamp);
    if (kept.length === waiting.length) return;
    this.givenUp += framesOf(waiting) - framesOf(kept);
    this.#pictures = kept;
    this.#head = 0;
    this.#frames = framesOf(kept);
    this.#pictureBytes = kept.reduce((sum, { packet }) => sum + packet.payload.length + OVERHEAD_BYTES, 0);
  }

  /** Forgets what waits. */
  clear(): void {
    this.#pictures = [];
    this.#head = 0;
    this.#pictureBytes = 0;
    this.#frames = 0;
    this.#repairs.length = 0;
  }

  #releasePicture(nowMs: number): boolean {
    const next = this.#pictures[this.#head];
    if (next === undefined) return false;
    const { track, packet, run, skipped } = next;
    const { timedFrames } = this.#options;
    if (timedFrames > 0 && this.#frames <= timedFrames && track.dueMs(packet, run) > nowMs) return false;
    this.#head++;
    this.#pictureBytes -= packet.payload.length + OVERHEAD_BYTES;
    if (this.#pictures[this.#head]?.packet.timestamp !== packet.timestamp) this.#frames--;
    this.#sentTimestamp = packet.timestamp;
    if (this.#head === this.#pictures.length || this.#head >= 1024) {
      this.#pictures.splice(0, this.#head);
      this.#head = 0;
    }
    this.spend(track.transmit(packet, run, skipped));
    return true;
  }

  /** The frame of which a part left goes on, and the first one else: there would never be a picture on a thin way. */
  #giveUp(): void {
    const first = this.#pictures[this.#head];
    if (first === undefined) return;
    const keptTimestamp = first.packet.timestamp;
    const isRest = keptTimestamp === this.#sentTimestamp;
    const end = this.#pictures.findIndex(({ packet }, at) => at > this.#head && packet.timestamp !== keptTimestamp);
    if (end < 0) return;
    const from = isRest || first.packet.startPoint ? end : this.#head;
    const gone = this.#pictures.splice(from);
    let frames = 0;
    let skipped = 0;
    for (const [at, { packet, skipped: before }] of gone.entries()) {
      this.#pictureBytes -= packet.payload.length + OVERHEAD_BYTES;
      skipped += before;
      if (at === 0 || gone[at - 1]?.packet.timestamp !== packet.timestamp) frames++;
    }
    this.#frames -= frames;
    this.givenUp += frames;
    for (const track of new Set(gone.map((waiting) => waiting.track))) track.onGivenUp(frames + skipped);
  }

  #refill(nowMs: number): void {
    const rateBps = this.#options.rateBps(nowMs);
    if (rateBps === Number.POSITIVE_INFINITY) {
      this.#budget = Number.POSITIVE_INFINITY;
      this.#atMs = nowMs;
      return;
    }
    if (this.#budget === Number.POSITIVE_INFINITY) this.#budget = 0;
    const passedMs = this.#atMs < 0 ? 0 : nowMs - this.#atMs;
    this.#atMs = nowMs;
    // What is there for the first picture is not taken away by the first call.
    const most = Math.max(this.#budget, BURST_BYTES, (rateBps * BURST_MS) / 8000);
    const sustainedBps = this.#options.sustainedBps(nowMs);
    this.#credit = Math.min((sustainedBps * CREDIT_MS) / 8000, this.#credit + (sustainedBps * passedMs) / 8000);
    const refillBps = this.#credit > 0 ? rateBps : Math.min(rateBps, sustainedBps);
    this.#budget = Math.min(most, this.#budget + (refillBps * passedMs) / 8000);
  }
}

function framesOf(waiting: readonly Waiting[]): number {
  let frames = 0;
  for (const [at, { packet }] of waiting.entries())
    if (at === 0 || waiting[at - 1]?.packet.timestamp !== packet.timestamp) frames++;
  return frames;
}
