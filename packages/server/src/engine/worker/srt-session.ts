import type { SrtEndMessage, SrtMessage } from '../wire.ts';
import { NativeError } from './native/codec.ts';
import { type SrtPipe, SrtReceiver, SrtSender } from './native/srt.ts';

/** Most bytes of one call: it takes a thread, a few of them suffice. */
const MAX_WRITE_BYTES = 1 << 16;
/** libsrt takes a peer for dead after 5 s without a sign of life; a connection that ended otherwise was closed. */
const SILENT_MS = 4000;
/** What was taken to be sent is sent within latency and this, also again. */
const LINGER_MS = 100;
const MAX_LINGER_MS = 2000;

/** How a connection tells what becomes of it. */
export interface SrtOutput {
  connected(): void;
  /** Bytes that came; resolves when more may come. */
  data(bytes: Buffer): Promise<void> | undefined;
  /** So many bytes were handed to libsrt. */
  sent(bytes: number): void;
}

/** One SRT connection inside a worker, from its attempt on. */
export class SrtSession {
  /** Resolves when all is freed, with why it is over. */
  readonly ended: Promise<SrtEndMessage>;
  readonly #message: SrtMessage;
  readonly #output: SrtOutput;
  #pipe: SrtPipe | undefined;
  #waiting: Buffer[] = [];
  #wake: (() => void) | undefined;
  #finishing = false;
  #interrupted = false;
  #lingering: NodeJS.Timeout | undefined;

  constructor(message: SrtMessage, output: SrtOutput) {
    this.#message = message;
    this.#output = output;
    this.ended = this.#run();
  }

  /** Bytes to be sent; a copy. */
  write(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#wake?.();
  }

  /** Ends it, after what waits has been sent. */
  finish(): void {
    if (this.#message.direction === 'receive' || this.#pipe === undefined) return this.interrupt();
    this.#finishing = true;
    this.#wake?.();
    const patienceMs = Math.min(this.#message.latencyMs + LINGER_MS, MAX_LINGER_MS);
    this.#lingering ??= setTimeout(() => this.interrupt(), patienceMs + LINGER_MS);
  }

  /** Ends it at once. Idempotent. */
  interrupt(): void {
    this.#interrupted = true;
    this.#pipe?.interrupt();
    this.#wake?.();
  }

  async #run(): Promise<SrtEndMessage> {
    try {
      return this.#message.direction === 'receive' ? await this.#receive() : await this.#send();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { code: 'failed', reason };
    } finally {
      clearTimeout(this.#lingering);
      await this.#pipe?.close();
      this.#pipe = undefined;
    }
  }

  async #receive(): Promise<SrtEndMessage> {
    const receiver = new SrtReceiver(this.#message);
    const failure = await this.#open(receiver);
    if (failure !== undefined) return failure;
    let lastMs = performance.now();
    for (let bytes = await receiver.read(); bytes !== undefined; bytes = await receiver.read()) {
      lastMs = performance.now();
      await this.#output.data(bytes);
      if (this.#interrupted) break;
    }
    return performance.now() - lastMs < SILENT_MS
      ? { code: 'ended', reason: 'the other side closed the SRT connection' }
      : { code: 'broken', reason: 'nothing came over SRT any more' };
  }

  async #send(): Promise<SrtEndMessage> {
    const sender = new SrtSender(this.#message);
    const failure = await this.#open(sender);
    if (failure !== undefined) return failure;
    while (!this.#interrupted) {
      const bytes = this.#take();
      if (bytes === undefined) {
        if (this.#finishing) break;
        await this.#more();
        continue;
      }
      if (!(await sender.write(bytes))) break;
      this.#output.sent(bytes.length);
    }
    // The interruption comes when it has lingered.
    if (this.#finishing) while (!this.#interrupted) await this.#more();
    return { code: 'ended', reason: 'the other side closed the SRT connection, or is gone' };
  }

  /** Undefined once it stands. */
  async #open(pipe: SrtPipe): Promise<SrtEndMessage | undefined> {
    this.#pipe = pipe;
    const { mode, connectTimeoutMs } = this.#message;
    const beganMs = performance.now();
    const timer = connectTimeoutMs > 0 ? setTimeout(() => pipe.interrupt(), connectTimeoutMs) : undefined;
    try {
      await pipe.open();
      if (this.#interrupted) return { code: 'ended', reason: 'closed' };
      this.#output.connected();
      return undefined;
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      return failureOf(mode, { tookMs: performance.now() - beganMs, error, connectTimeoutMs });
    } finally {
      clearTimeout(timer);
    }
  }

  #take(): Buffer | undefined {
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    let bytes = first.length;
    let count = 1;
    for (let next = this.#waiting[count]; next !== undefined; next = this.#waiting[++count]) {
      if (bytes + next.length > MAX_WRITE_BYTES) break;
      bytes += next.length;
    }
    const taken = this.#waiting.splice(0, count);
    return taken.length === 1 ? first : Buffer.concat(taken, bytes);
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

/** FFmpeg does not say why; but who refuses answers at once. */
function failureOf(
  mode: SrtMessage['mode'],
  { tookMs, error, connectTimeoutMs }: { tookMs: number; error: NativeError; connectTimeoutMs: number },
): SrtEndMessage {
  const patienceMs = connectTimeoutMs > 0 ? Math.min(connectTimeoutMs, SILENT_MS) : SILENT_MS;
  const isLate = tookMs > patienceMs * 0.9;
  if (mode === 'listener') {
    if (isLate) return { code: 'timeout', reason: 'nobody called' };
    return { code: 'failed', reason: `SRT can not listen there: ${error.message}` };
  }
  if (isLate) return { code: 'timeout', reason: 'nobody answers there by SRT' };
  return { code: 'refused', reason: 'the other side refused: passphrase, stream id or permission' };
}
