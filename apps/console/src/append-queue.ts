/** Above this the browser can not keep up, or has stopped taking media. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024;
/** Behind the position so much is kept, and what is older goes once there is twice as much. */
const KEEP_SECONDS = 10;

export interface AppendEvents {
  /** Media were taken in. */
  readonly appended: () => void;
  /** The browser refused them; `message` says why. */
  readonly broken: (message: string) => void;
}

/** Hands bytes to a source buffer one after the other, joined where several wait, and takes away what was played. */
export class AppendQueue {
  readonly #buffer: SourceBuffer;
  readonly #video: HTMLVideoElement;
  readonly #events: AppendEvents;
  readonly #aborter = new AbortController();
  /** Bytes, and types of what follows. */
  #waiting: (Uint8Array<ArrayBuffer> | string)[] = [];
  #bytes = 0;

  constructor(buffer: SourceBuffer, video: HTMLVideoElement, events: AppendEvents) {
    this.#buffer = buffer;
    this.#video = video;
    this.#events = events;
    const { signal } = this.#aborter;
    buffer.addEventListener('updateend', () => this.#onUpdateEnd(), { signal });
    buffer.addEventListener('error', () => events.broken('the browser stumbled over the media'), { signal });
  }

  /** Takes bytes; what can not be taken any more is told by `broken`. */
  push(bytes: ArrayBuffer): void {
    this.#waiting.push(new Uint8Array(bytes));
    this.#bytes += bytes.byteLength;
    if (this.#bytes > MAX_WAITING_BYTES) this.#events.broken('the browser does not keep up');
    else this.#go();
  }

  /** What is pushed from now on is of another type. */
  changeType(mimeType: string): void {
    this.#waiting.push(mimeType);
    this.#go();
  }

  /** Takes no more. Idempotent. */
  close(): void {
    this.#aborter.abort();
    this.#waiting = [];
  }

  #onUpdateEnd(): void {
    this.#events.appended();
    if (!this.#aborter.signal.aborted && !this.#trim()) this.#go();
  }

  #go(): void {
    try {
      while (!this.#buffer.updating && this.#waiting.length > 0) {
        if (typeof this.#waiting[0] === 'string') this.#buffer.changeType(this.#waiting.shift() as string);
        else this.#buffer.appendBuffer(this.#takeBytes());
      }
    } catch (error) {
      this.#events.broken(error instanceof Error ? error.message : String(error));
    }
  }

  /** All bytes up to the next change of their type. */
  #takeBytes(): Uint8Array<ArrayBuffer> {
    const change = this.#waiting.findIndex((item) => typeof item === 'string');
    const parts = this.#waiting.splice(0, change < 0 ? this.#waiting.length : change) as Uint8Array<ArrayBuffer>[];
    const bytes = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
    this.#bytes -= bytes;
    return joined(parts, bytes);
  }

  /** True when it began to take away what is old. */
  #trim(): boolean {
    const { buffered } = this.#buffer;
    const { currentTime } = this.#video;
    // What was pushed meanwhile may be on its way already.
    if (this.#buffer.updating || buffered.length === 0 || currentTime - buffered.start(0) < 2 * KEEP_SECONDS)
      return false;
    this.#buffer.remove(0, currentTime - KEEP_SECONDS);
    return true;
  }
}

function joined(parts: readonly Uint8Array<ArrayBuffer>[], bytes: number): Uint8Array<ArrayBuffer> {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
