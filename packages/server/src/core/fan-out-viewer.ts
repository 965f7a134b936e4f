import type { FanOut } from './fan-out.ts';
import type { Flush, Marcher } from './shared-flush.ts';

/** The socket behind a sink, for writes that go to many sockets in one call. */
export interface DirectSink {
  /** The system's number of the socket; -1 when it is to be written to through the sink, as something waits or it is gone. */
  readonly descriptor: number;
  /** What goes over the wire for what the sink is given: the very same buffer for all of a kind. */
  encode(bytes: Buffer): Buffer;
  /** The system took so many bytes, or failed (negative): the rest goes through the socket. False as for `write`. */
  finish(encoded: Buffer, taken: number): boolean;
  /**
   * From now on it is written to beside Node without a look at it before: `leave` is called before Node writes anything or
   * closes it. `encodedBytes` is what was written meanwhile.
   */
  watch(marcher: { readonly encodedBytes: number; leave(): void }): void;
  unwatch(): void;
}

/** Where a viewer's bytes go: a TCP or TLS socket, an HTTP response, or a WebSocket in their likeness. */
export interface FanOutSink {
  /** True while more than a buffer's worth is unsent. */
  readonly writableNeedDrain: boolean;
  readonly destroyed: boolean;
  /** Where it can be written to together with others. */
  readonly direct?: DirectSink | undefined;
  /** False when the caller should wait for `drain`. */
  write(bytes: Buffer): boolean;
  on(event: 'drain', listener: () => void): unknown;
  off(event: 'drain', listener: () => void): unknown;
}

export interface FanOutViewerOptions {
  /** Most bytes that one write takes from the log, when the viewer is behind; a larger packet goes as a whole. */
  readonly maxWriteBytes: number;
  /** A viewer whose sink has taken nothing for this long is dropped, milliseconds. */
  readonly stallTimeoutMs: number;
  /** The stream that is being watched is over. */
  onEnded(reason: string): void;
}

/** Where a viewer stands, for people. */
export interface FanOutPlace {
  /** True once it was given a packet to begin with. */
  readonly started: boolean;
  readonly paused: boolean;
  /** How long its sink has taken nothing; 0 while it takes what comes. */
  readonly blockedMs: number;
  /** Media that is there and that it has not been given yet. */
  readonly behindMs: number;
}

/**
 * One viewer's place in a fan-out's log. While it keeps up it is handed the shared buffer of each flush; when its
 * sink is full it is left alone until that has drained, then reads on at its own pace, or at the newest key
 * frame when the log has moved on. Nothing is queued for it beyond one write.
 */
export class FanOutViewer {
  /** Packets that this viewer was too slow for. */
  dropped = 0;
  #bytesSent = 0;
  #packetsSent = 0;
  /** Its place among those who are written to together. */
  #marcher: Marcher | undefined;
  readonly #sink: FanOutSink;
  readonly #fanOut: FanOut;
  readonly #options: FanOutViewerOptions;
  #next: number;
  #started = false;
  /** True between the state's headers and the first entry: that one's own change would repeat them. */
  #fresh = false;
  #paused = false;
  #blockedAtMs = 0;
  #largestWrite = 0;

  constructor(sink: FanOutSink, fanOut: FanOut, options: FanOutViewerOptions) {
    this.#sink = sink;
    this.#fanOut = fanOut;
    this.#options = options;
    this.#next = this.#startOrEnd();
    fanOut.add(this);
    sink.on('drain', this.pump);
  }

  /** Bytes handed to the sink. */
  get bytesSent(): number {
    return this.#bytesSent + (this.#marcher?.bytes ?? 0);
  }

  get packetsSent(): number {
    return this.#packetsSent + (this.#marcher?.packets ?? 0);
  }

  /** Bytes of the largest write so far: so much may wait in the sink although the viewer keeps up. */
  get largestWrite(): number {
    return Math.max(this.#largestWrite, this.#marcher?.largestWrite ?? 0);
  }

  /** Where it stands at this moment. */
  place(nowMs: number): FanOutPlace {
    const { log } = this.#fanOut;
    const next = log.at(this.#marcher?.next ?? this.#next);
    const newest = log.at(log.end - 1);
    const behindUs = next === undefined || newest === undefined ? 0 : newest.dtsUs - next.dtsUs;
    return {
      started: this.#started,
      paused: this.#paused,
      blockedMs: this.#blockedAtMs > 0 ? Math.max(0, Math.round(nowMs - this.#blockedAtMs)) : 0,
      behindMs: Math.max(0, Math.round(behindUs / 1000)),
    };
  }

  /** True when it has got all before that entry and may be given what follows. */
  inStep(from: number): boolean {
    const isThere = this.#next === from && this.#started && !this.#fresh && !this.#paused;
    return isThere && !this.#sink.writableNeedDrain;
  }

  /** For writes that go to many; undefined where the sink has no part in them. */
  get direct(): DirectSink | undefined {
    return this.#sink.direct;
  }

  /** Called by the fan-out: it is given what comes together with others from now on, without being asked. */
  joinedColumn(marcher: Marcher): void {
    this.#marcher = marcher;
    marcher.direct.watch(marcher);
  }

  /** It is given what comes by itself again. Nothing when it was. */
  leaveColumn(): void {
    const marcher = this.#marcher;
    if (marcher === undefined) return;
    this.#bytesSent = this.bytesSent;
    this.#packetsSent = this.packetsSent;
    this.#largestWrite = this.largestWrite;
    this.#next = marcher.next;
    this.#marcher = undefined;
    marcher.direct.unwatch();
    marcher.removed();
  }

  /** Called by the fan-out with what came since the last flush: entries `from` to `to` as one buffer. */
  deliver(from: number, to: number, batch: Buffer): void {
    if (!this.inStep(from)) return this.pump();
    this.#take(to, batch);
  }

  /** The same when it was in step and the system has taken that much of it already. */
  delivered({ from, to, bytes }: Flush, encoded: Buffer, taken: number): void {
    this.#packetsSent += to - from;
    this.#next = to;
    this.#count(bytes);
    if (this.#sink.direct?.finish(encoded, taken) === false) this.#blockedAtMs ||= performance.now();
  }

  /** Sends what the log holds for this viewer, as far as the sink takes it. */
  readonly pump = (): void => {
    this.leaveColumn();
    const log = this.#fanOut.log;
    if (!this.#sink.writableNeedDrain) this.#blockedAtMs = 0;
    // Answers to the peer's own messages may have filled the sink before anything of ours did.
    else if (this.#blockedAtMs === 0) this.#blockedAtMs = performance.now();
    while (!this.#paused && !this.#sink.writableNeedDrain && !this.#sink.destroyed) {
      if (this.#next < log.start) this.#skip();
      if (!this.#started && !this.#begin()) return;
      if (this.#next >= log.end) return;
      const { bytes, next } = this.#fanOut.gather(this.#next, this.#options.maxWriteBytes, !this.#fresh);
      this.#fresh = false;
      this.#take(next, bytes);
    }
  };

  /** True when the sink has taken nothing for longer than allowed. Called about once a second. */
  isStalled(nowMs: number): boolean {
    return this.#blockedAtMs > 0 && nowMs - this.#blockedAtMs > this.#options.stallTimeoutMs;
  }

  /** Pauses or goes on; going on starts at the newest key frame, since live is where the viewer wants to be. */
  setPaused(paused: boolean): void {
    this.leaveColumn();
    this.#paused = paused;
    if (paused) return;
    this.#next = this.#startOrEnd();
    this.#started = false;
    this.pump();
  }

  /** Called by the fan-out. */
  streamEnded(reason: string): void {
    this.#options.onEnded(reason);
  }

  /** Leaves the fan-out. Idempotent. */
  close(): void {
    this.#fanOut.remove(this);
    this.#sink.off('drain', this.pump);
  }

  /** Finds a start point and sends the headers for it; false while there is none. */
  #begin(): boolean {
    const log = this.#fanOut.log;
    while (this.#next < log.end && log.at(this.#next)?.startPoint !== true) this.#next++;
    const entry = log.at(this.#next);
    if (entry === undefined) {
      this.#fanOut.requestKeyFrame();
      return false;
    }
    this.#write(this.#fanOut.headersOf(entry));
    this.#started = true;
    this.#fresh = true;
    return true;
  }

  #skip(): void {
    const to = this.#startOrEnd();
    this.dropped += to - this.#next;
    this.#next = to;
    this.#started = false;
  }

  #startOrEnd(): number {
    const log = this.#fanOut.log;
    return log.lastStartPoint >= 0 ? log.lastStartPoint : log.end;
  }

  #take(next: number, bytes: Buffer): void {
    this.#packetsSent += next - this.#next;
    this.#next = next;
    this.#write(bytes);
  }

  #write(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#count(bytes);
    if (!this.#sink.write(bytes) && this.#blockedAtMs === 0) this.#blockedAtMs = performance.now();
  }

  #count(bytes: Buffer): void {
    this.#bytesSent += bytes.length;
    if (bytes.length > this.#largestWrite) this.#largestWrite = bytes.length;
  }
}
