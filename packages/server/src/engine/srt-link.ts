import type { SrtConnection, SrtEndCode, SrtEvents, SrtOpen } from '../core/index.ts';
import {
  CLOSE,
  CONNECTED,
  ENDED,
  type Frame,
  OPEN,
  PACKET,
  readMessage,
  SENT,
  type SrtEndMessage,
  type SrtMessage,
  writeMessage,
} from './wire.ts';
import type { WorkerTask } from './worker-pool.ts';
import type { WorkerProcess } from './worker-process.ts';

/** Above this its owner is asked to wait. */
const HIGH_BYTES = 256 * 1024;
/** Below this it may go on. */
const LOW_BYTES = 64 * 1024;
/** An owner that does not wait is cut off. */
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;
/** A worker tells of the end of an attempt itself; this is for the time that it takes to start one. */
const START_MS = 3000;

export interface SrtLinkParts {
  readonly number: number;
  readonly open: SrtOpen;
  readonly events: SrtEvents;
  /** Called once, when no event follows. */
  onOver(link: SrtLink): void;
}

/** The server's half of an SRT connection. */
export class SrtLink implements SrtConnection, WorkerTask {
  readonly number: number;
  readonly weight = 1;
  readonly isSuspect = false;
  readonly endsWithWorker = true;
  readonly #parts: SrtLinkParts;
  readonly #beganMs = performance.now();
  #worker: WorkerProcess | undefined;
  #waiting: Uint8Array[] = [];
  #queuedBytes = 0;
  #full = false;
  #connected = false;
  #over = false;

  constructor(parts: SrtLinkParts) {
    this.#parts = parts;
    this.number = parts.number;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#over) return true;
    this.#queuedBytes += bytes.length;
    this.#waiting.push(bytes);
    this.flush();
    // Its owner is in the middle of something else: it hears of it afterwards.
    if (this.#queuedBytes > MAX_QUEUED_BYTES) queueMicrotask(() => this.#tooMuch());
    this.#full ||= this.#queuedBytes > HIGH_BYTES;
    return !this.#full;
  }

  close(): void {
    if (this.#over) return;
    // What waits goes out before: the worker ends it when that is sent.
    for (const bytes of this.#waiting) this.#worker?.send({ stream: this.number, type: PACKET }, [bytes]);
    this.#worker?.send({ stream: this.number, type: CLOSE }, []);
    this.#end();
  }

  attach(worker: WorkerProcess): void {
    this.#worker = worker;
    worker.send({ stream: this.number, type: OPEN }, [writeMessage(messageOf(this.#parts.open))]);
    this.flush();
  }

  detach(): void {
    this.#worker = undefined;
  }

  flush(): void {
    while (this.#worker?.canWrite) {
      const bytes = this.#waiting.shift();
      if (bytes === undefined) return;
      this.#worker.send({ stream: this.number, type: PACKET }, [bytes]);
    }
  }

  onFrame({ type, payload, timeUs }: Frame): void {
    if (this.#over) return;
    if (type === CONNECTED) {
      this.#connected = true;
      this.#parts.events.onConnected();
    } else if (type === PACKET) this.#parts.events.onData(new Uint8Array(payload));
    else if (type === SENT) this.#sent(timeUs);
    else if (type === ENDED) {
      const { reason, code } = readMessage<SrtEndMessage>(payload);
      this.#fail(reason, code);
    }
  }

  strike(): boolean {
    return true;
  }

  fail(reason: string): void {
    this.#fail(reason, 'failed');
  }

  /** Called every some hundred milliseconds: no worker may be had for a while. */
  tick(nowMs: number): void {
    const { connectTimeoutMs } = this.#parts.open;
    if (this.#connected || connectTimeoutMs <= 0 || nowMs - this.#beganMs < connectTimeoutMs + START_MS) return;
    this.#worker?.send({ stream: this.number, type: CLOSE }, []);
    this.#fail('no SRT connection came about in time', 'timeout');
  }

  #sent(bytes: number): void {
    this.#queuedBytes = Math.max(0, this.#queuedBytes - bytes);
    if (!this.#full || this.#queuedBytes > LOW_BYTES) return;
    this.#full = false;
    this.#parts.events.onWritable();
  }

  #tooMuch(): void {
    if (this.#over) return;
    this.#worker?.send({ stream: this.number, type: CLOSE }, []);
    this.#fail('too much waits to be sent by SRT', 'broken');
  }

  #fail(reason: string, code: SrtEndCode): void {
    if (this.#over) return;
    this.#end();
    this.#parts.events.onClosed(reason, code);
  }

  #end(): void {
    this.#over = true;
    this.#waiting = [];
    this.#parts.onOver(this);
  }
}

function messageOf({ mode, address, port, direction, ...more }: SrtOpen): SrtMessage {
  const { streamId, passphrase, latencyMs, connectTimeoutMs } = more;
  return { mode, address, port, direction, streamId, passphrase, latencyMs, connectTimeoutMs };
}
