import type { MediaPacket } from '@sluice/media';
import { MediaServerError } from '../core/index.ts';
import { FileClock } from './file-clock.ts';
import type { MediaFile } from './media-file.ts';

export interface ReadAheadOptions {
  /** Where to begin in the file, microseconds. */
  readonly fromUs: number;
  /** The stream's time of the first packet. */
  readonly baseUs: number;
  /** Begin anew at the end. */
  readonly loop: boolean;
  /** How much media may wait, milliseconds and bytes. */
  readonly maxMs: number;
  readonly maxBytes: number;
}

/** Packets that may wait however small and short they are. */
const MAX_PACKETS = 4096;

/** A packet that was read: with its times in the stream, and its time in the file. */
export interface ReadPacket {
  readonly packet: MediaPacket;
  readonly fileUs: number;
}

/** Reads a file a little ahead of where it is played. */
export class ReadAhead {
  readonly #file: MediaFile;
  readonly #options: ReadAheadOptions;
  readonly #clock: FileClock;
  /** What was read, of which the first `#taken` are gone. */
  #queue: ReadPacket[] = [];
  #taken = 0;
  #bytes = 0;
  #onRoom: (() => void) | undefined;
  #onFirst: (() => void) | undefined;
  #finished = false;
  #failure: MediaServerError | undefined;
  #closed = false;

  constructor(file: MediaFile, options: ReadAheadOptions) {
    this.#file = file;
    this.#options = options;
    this.#clock = new FileClock(options.baseUs);
  }

  /** All of the file has been read. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Why nothing more comes of it. */
  get failure(): MediaServerError | undefined {
    return this.#failure;
  }

  /** Time in the stream at which all that has been read is over. */
  get endUs(): number {
    return this.#clock.endUs;
  }

  /**
   * Begins to read; resolves when there is a first packet.
   * @throws MediaServerError FILE_INVALID, FILE_UNREADABLE
   */
  async start(): Promise<void> {
    const first = new Promise<void>((resolve) => {
      this.#onFirst = resolve;
    });
    void this.#run();
    await first;
    if (this.#failure !== undefined && this.peek() === undefined) throw this.#failure;
  }

  /** The next packet, if it is there. */
  peek(): ReadPacket | undefined {
    return this.#queue[this.#taken];
  }

  /** Takes the packet that `peek` gave. */
  take(): void {
    const entry = this.#queue[this.#taken];
    if (entry === undefined) return;
    this.#bytes -= entry.packet.byteLength;
    this.#taken++;
    if (this.#taken === this.#queue.length || this.#taken >= MAX_PACKETS) {
      this.#queue = this.#queue.slice(this.#taken);
      this.#taken = 0;
    }
    if (!this.#full) this.#onRoom?.();
  }

  /** Reads no more and forgets what was read. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#taken = 0;
    this.#bytes = 0;
    this.#onRoom?.();
  }

  get #full(): boolean {
    const first = this.peek();
    const last = this.#queue.at(-1);
    if (first === undefined || last === undefined) return false;
    const { maxMs, maxBytes } = this.#options;
    return (
      last.packet.dtsUs - first.packet.dtsUs > maxMs * 1000 ||
      this.#bytes > maxBytes ||
      this.#queue.length - this.#taken >= MAX_PACKETS
    );
  }

  async #run(): Promise<void> {
    try {
      await this.#read(this.#options.fromUs);
      while (this.#options.loop && !this.#closed) {
        this.#clock.rewind(this.#file.durationUs);
        await this.#read(0);
      }
      this.#finished = true;
    } catch (error) {
      this.#failure = error instanceof MediaServerError ? error : unexpected(this.#file.name, error);
    } finally {
      this.#onFirst?.();
    }
  }

  async #read(fromUs: number): Promise<void> {
    let empty = true;
    for await (const packet of this.#file.packets(fromUs)) {
      empty = false;
      if (this.#closed) return;
      this.#queue.push({ packet: this.#clock.map(packet), fileUs: packet.dtsUs });
      this.#bytes += packet.byteLength;
      this.#onFirst?.();
      // A promise at a time: whoever takes a packet goes on here, at the latest in the next turn.
      while (this.#full && !this.#closed) await this.#room();
    }
    // A round without a packet would be followed by the next one at once, for ever.
    if (empty && !this.#closed) throw new MediaServerError('FILE_INVALID', `${this.#file.name} has no samples`);
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#onRoom = () => {
        this.#onRoom = undefined;
        resolve();
      };
    });
  }
}

function unexpected(name: string, cause: unknown): MediaServerError {
  return new MediaServerError('FILE_INVALID', `${name} can not be played: ${String(cause)}`, { cause });
}
