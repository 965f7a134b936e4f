import type { MediaPacket, Track } from '@sluice/media';

type Kind = Track['kind'];

/**
 * So much later than its time a converted packet may come without anything waiting for it, microseconds: what codecs
 * keep to themselves. Sound that comes later by that is nothing that a player notices.
 */
const SLACK_US: Readonly<Record<Kind, number>> = { video: 300_000, audio: 150_000 };

/**
 * So long a conversion without progress is waited for, milliseconds: one whose track is declared and has sent nothing,
 * which may stay so; one that begins, whose process may have to be started on a busy machine; one that has begun.
 */
const PATIENCE_MS = { declared: 1000, begins: 20_000, runs: 2000 } as const;

export interface InterleaverOptions {
  /** Takes the packets one by one, those of a track in the order in which they were pushed. */
  onPacket(packet: MediaPacket): void;
  /** Packets beyond this sum of bytes are not held. */
  readonly maxBytes: number;
}

class Lane {
  held: MediaPacket[] = [];
  /** Newest time that went into the conversion. */
  inputUs = Number.NEGATIVE_INFINITY;
  /** Newest time that came out of it. */
  outputUs = Number.NEGATIVE_INFINITY;
  outputMs = 0;
  /** A packet has gone in. */
  fed = false;
  /** It has made no progress for too long: not waited for until it does. */
  stalled = false;

  forget(): void {
    this.inputUs = Number.NEGATIVE_INFINITY;
    this.outputUs = Number.NEGATIVE_INFINITY;
    this.fed = false;
    this.stalled = false;
  }

  get patienceMs(): number {
    if (!this.fed) return PATIENCE_MS.declared;
    return this.outputUs === Number.NEGATIVE_INFINITY ? PATIENCE_MS.begins : PATIENCE_MS.runs;
  }
}

/**
 * Brings picture and sound together again of which one, or both, took the longer way through a conversion: at the
 * beginning, when a conversion works through seconds of the past, and when it falls behind. In between packets go
 * through at once. What waits is bounded in bytes and time.
 */
export class Interleaver {
  readonly #options: InterleaverOptions;
  readonly #lanes: Readonly<Record<Kind, Lane>> = { video: new Lane(), audio: new Lane() };
  #bytes = 0;
  #waitsSinceMs = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Nothing goes out: it is going out already, or more is to come first. */
  #shut = false;

  constructor(options: InterleaverOptions) {
    this.#options = options;
  }

  /** A track of that kind is going to be converted from about that time on. */
  announce(kind: Kind, dtsUs: number): void {
    const lane = this.#lanes[kind];
    if (dtsUs > lane.inputUs) lane.inputUs = dtsUs;
  }

  /** A packet of that time has gone into the conversion of that kind; what comes out of it is pushed. */
  expect(kind: Kind, dtsUs: number): void {
    this.announce(kind, dtsUs);
    this.#lanes[kind].fed = true;
  }

  /** Tracks of that kind are not converted any more: nothing waits for them. */
  expectNothing(kind: Kind): void {
    this.#lanes[kind].forget();
    this.#release();
  }

  /** There is no track of that kind any more: what waits of it is of no use, and nothing waits for it. */
  discard(kind: Kind): void {
    for (const packet of this.#lanes[kind].held) this.#bytes -= packet.byteLength;
    this.#lanes[kind].held = [];
    this.expectNothing(kind);
  }

  /** Takes the next packet of its track, whichever way it came. */
  push(packet: MediaPacket): void {
    const lane = this.#lanes[packet.track.kind];
    lane.outputUs = packet.dtsUs;
    lane.outputMs = performance.now();
    lane.stalled = false;
    if (!this.#waits) this.#waitsSinceMs = lane.outputMs;
    lane.held.push(packet);
    this.#bytes += packet.byteLength;
    if (this.#shut) return;
    this.#release();
    if (this.#waits) this.#watch(PATIENCE_MS.declared);
  }

  /** Collects what is pushed until `open`, so that it goes out in order whatever comes first. */
  shut(): void {
    this.#shut = true;
  }

  open(): void {
    this.#shut = false;
    this.#release();
    if (this.#waits) this.#watch(PATIENCE_MS.declared);
  }

  /** Hands out all that waits. */
  flush(): void {
    this.#release(true);
  }

  /** Forgets all that waits and all that is expected. */
  clear(): void {
    for (const lane of [this.#lanes.video, this.#lanes.audio]) {
      lane.held = [];
      lane.forget();
    }
    this.#bytes = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  get #waits(): boolean {
    return this.#lanes.video.held.length + this.#lanes.audio.held.length > 0;
  }

  #release(all = false): void {
    // A listener may push: that packet's turn comes in the loop that is running.
    if (this.#shut) return;
    this.#shut = true;
    for (let lane = this.#next(all); lane !== undefined; lane = this.#next(all)) {
      const packet = lane.held.shift() as MediaPacket;
      this.#bytes -= packet.byteLength;
      this.#options.onPacket(packet);
    }
    this.#shut = false;
  }

  /** The lane whose first packet is to go out next. */
  #next(all: boolean): Lane | undefined {
    const { video, audio } = this.#lanes;
    const first = video.held[0];
    const other = audio.held[0];
    if (first === undefined && other === undefined) return undefined;
    const audioFirst = first === undefined || (other !== undefined && other.dtsUs < first.dtsUs);
    const [lane, opposite] = audioFirst ? [audio, video] : [video, audio];
    const any = all || this.#bytes > this.#options.maxBytes;
    if (any || !this.#mustWait(lane, opposite)) return lane;
    return opposite.held.length > 0 && !this.#mustWait(opposite, lane) ? opposite : undefined;
  }

  #mustWait(lane: Lane, opposite: Lane): boolean {
    const packet = lane.held[0] as MediaPacket;
    if (opposite.stalled) return false;
    const reachedUs = opposite.outputUs + SLACK_US[packet.track.kind === 'video' ? 'audio' : 'video'];
    return reachedUs < packet.dtsUs && reachedUs < opposite.inputUs;
  }

  #watch(inMs: number): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#check(), Math.ceil(inMs));
    this.#timer.unref();
  }

  /** The timer is not set anew for each packet, so it may come too early. */
  #check(): void {
    this.#timer = undefined;
    const { video, audio } = this.#lanes;
    for (const lane of [video, audio]) {
      if (lane.held.length > 0) continue;
      const restMs = Math.max(lane.outputMs, this.#waitsSinceMs) + lane.patienceMs - performance.now();
      if (restMs <= 0) lane.stalled = true;
      else if (this.#waits) this.#watch(restMs);
    }
    this.#release();
  }
}
