import { readFile } from 'node:fs/promises';

/** Files that are read at the same time. */
const MAX_READING = 8;
/** Further ones that may wait for that; beyond it reads fail. */
const MAX_QUEUED = 512;

/**
 * Reads whole files, of which there may be many requests at the same time: each file once for all who want it, some at a
 * time, and what was read last stays at hand. So requests for small ranges cost no more than their segments do.
 */
export class FileReads {
  readonly #maxBytes: number;
  /** By path, the one that was used last at the end. */
  readonly #kept = new Map<string, Uint8Array>();
  readonly #running = new Map<string, Promise<Uint8Array | undefined>>();
  readonly #queue: (() => void)[] = [];
  #reading = 0;
  #bytes = 0;

  /** @param maxBytes Of files that stay at hand. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of files at hand. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The bytes of a file; undefined when it can't be read, or too many wait for others. */
  read(path: string): Promise<Uint8Array | undefined> {
    const kept = this.#kept.get(path);
    if (kept !== undefined) {
      this.#kept.delete(path);
      this.#kept.set(path, kept);
      return Promise.resolve(kept);
    }
    const running = this.#running.get(path);
    if (running !== undefined) return running;
    if (this.#queue.length >= MAX_QUEUED) return Promise.resolve(undefined);
    const reading = this.#read(path).finally(() => this.#running.delete(path));
    this.#running.set(path, reading);
    return reading;
  }

  /** Lets go of a file that is no more. */
  forget(path: string): void {
    const kept = this.#kept.get(path);
    if (kept === undefined) return;
    this.#kept.delete(path);
    this.#bytes -= kept.byteLength;
  }

  async #read(path: string): Promise<Uint8Array | undefined> {
    if (this.#reading >= MAX_READING) await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#reading++;
    try {
      const bytes = await readFile(path);
      this.#keep(path, bytes);
      return bytes;
    } catch {
      return undefined;
    } finally {
      this.#reading--;
      this.#queue.shift()?.();
    }
  }

  #keep(path: string, bytes: Uint8Array): void {
    this.#kept.set(path, bytes);
    this.#bytes += bytes.byteLength;
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#maxBytes) return;
      this.forget(oldest);
    }
  }
}
