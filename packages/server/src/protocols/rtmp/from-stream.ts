import type { Socket } from 'node:net';
import type { RtmpPackager } from './packager.ts';

export interface RtmpPlayerOptions {
  /** Most bytes that one write takes from the log, when the viewer is behind. */
  readonly maxWriteBytes: number;
  /** A viewer whose socket has taken nothing for this long is dropped, milliseconds. */
  readonly stallTimeoutMs: number;
}

export interface RtmpPlayerEvents {
  /** The stream that is being played is over. */
  ended(reason: string): void;
}

/**
 * One viewer's place in a packager's log. While it keeps up it is handed the shared buffer of each flush; when its
 * socket is full it is left alone until that has drained, then reads on at its own pace, or at the newest key
 * frame when the log has moved on. Nothing is queued for it beyond one write.
 */
export class RtmpPlayer {
  /** Packets that this viewer was too slow for. */
  dropped = 0;
  readonly #socket: Socket;
  readonly #packager: RtmpPackager;
  readonly #options: RtmpPlayerOptions;
  readonly #events: RtmpPlayerEvents;
  #next: number;
  #started = false;
  /** True between the state's headers and the first entry: that one's own change would repeat them. */
  #fresh = false;
  #paused = false;
  #blockedAtMs = 0;

  constructor(
    socket: Socket,
    packager: RtmpPackager,
    options: RtmpPlayerOptions & { readonly events: RtmpPlayerEvents },
  ) {
    this.#socket = socket;
    this.#packager = packager;
    this.#options = options;
    this.#events = options.events;
    this.#next = this.#startOrEnd();
    packager.add(this);
    socket.on('drain', this.pump);
  }

  /** Called by the packager with what came since the last flush: entries `from` to `to` as one buffer. */
  deliver(from: number, to: number, batch: Buffer): void {
    const inStep = this.#next === from && this.#started && !this.#fresh && !this.#paused;
    if (!inStep || this.#socket.writableNeedDrain) return this.pump();
    this.#next = to;
    this.#write(batch);
  }

  /** Sends what the log holds for this viewer, as far as the socket takes it. */
  readonly pump = (): void => {
    const log = this.#packager.log;
    if (!this.#socket.writableNeedDrain) this.#blockedAtMs = 0;
    while (!this.#paused && !this.#socket.writableNeedDrain && !this.#socket.destroyed) {
      if (this.#next < log.start) this.#skip();
      if (!this.#started && !this.#begin()) return;
      if (this.#next >= log.end) return;
      const { bytes, next } = this.#packager.gather(this.#next, this.#options.maxWriteBytes, !this.#fresh);
      this.#fresh = false;
      this.#next = next;
      this.#write(bytes);
    }
  };

  /** True when the socket has taken nothing for longer than allowed. Called about once a second. */
  isStalled(nowMs: number): boolean {
    return this.#blockedAtMs > 0 && nowMs - this.#blockedAtMs > this.#options.stallTimeoutMs;
  }

  /** Pauses or goes on; going on starts at the newest key frame, since live is where the viewer wants to be. */
  setPaused(paused: boolean): void {
    this.#paused = paused;
    if (paused) return;
    this.#next = this.#startOrEnd();
    this.#started = false;
    this.pump();
  }

  streamEnded(reason: string): void {
    this.#events.ended(reason);
  }

  /** Leaves the packager. Idempotent. */
  close(): void {
    this.#packager.remove(this);
    this.#socket.off('drain', this.pump);
  }

  /** Finds a start point and sends the headers for it; false while there is none. */
  #begin(): boolean {
    const log = this.#packager.log;
    while (this.#next < log.end && log.at(this.#next)?.startPoint !== true) this.#next++;
    const entry = log.at(this.#next);
    if (entry === undefined) return false;
    this.#write(this.#packager.headersOf(entry.state));
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
    const log = this.#packager.log;
    return log.lastStartPoint >= 0 ? log.lastStartPoint : log.end;
  }

  #write(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (!this.#socket.write(bytes) && this.#blockedAtMs === 0) this.#blockedAtMs = performance.now();
  }
}
