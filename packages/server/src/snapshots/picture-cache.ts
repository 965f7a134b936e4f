import { createHash } from 'node:crypto';
import type { Stream } from '../core/index.ts';
import { newestKeyFrame } from './key-frames.ts';

/** Forms of one stream's picture that are kept at the same time. */
const MAX_FORMS = 16;

/** A picture file of a stream's key frame. */
export interface KeptFile {
  readonly bytes: Uint8Array;
  /** Of HTTP, with its quotes. */
  readonly etag: string;
}

interface Entry extends KeptFile {
  readonly stream: Stream;
  /** Which key frame it shows. */
  readonly version: string;
  /** Until when it is given out whatever the stream does, on the clock of `performance.now()`. */
  freshUntilMs: number;
}

/** Which key frame is a stream's newest one: another text for another frame. */
export function keyFrameVersion(stream: Stream): string {
  return `${stream.state.epoch}/${newestKeyFrame(stream)}`;
}

/**
 * Files of streams' newest key frames, by stream and form; those that were not asked for the longest go when there are
 * too many bytes. A file is good for some time, and as long as no newer key frame has come. The owner tells which streams
 * have ended: there may be others with their names.
 */
export class PictureCache {
  readonly #options: { readonly maxBytes: number; readonly freshMs: number };
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(options: { readonly maxBytes: number; readonly freshMs: number }) {
    this.#options = options;
  }

  /** What is kept, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The file, where it is still good. */
  find(stream: Stream, form: string, nowMs: number): KeptFile | undefined {
    const key = keyOf(stream, form);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.freshUntilMs <= nowMs && entry.version !== keyFrameVersion(stream)) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry;
  }

  /** Keeps a file that was made of the key frame of that version. */
  add(stream: Stream, form: string, file: { readonly bytes: Uint8Array; readonly version: string }): KeptFile {
    const { bytes, version } = file;
    const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
    const entry: Entry = { bytes, etag, stream, version, freshUntilMs: performance.now() + this.#options.freshMs };
    const key = keyOf(stream, form);
    this.#remove(key);
    // A stream that ended meanwhile would never be forgotten.
    if (stream.ended) return entry;
    this.#limitForms(stream);
    this.#entries.set(key, entry);
    this.#bytes += bytes.length;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#options.maxBytes) break;
      this.#remove(oldest);
    }
    return entry;
  }

  /** Lets go of all files of a stream. */
  forget(stream: Stream): void {
    for (const key of this.#keysOf(stream)) this.#remove(key);
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #limitForms(stream: Stream): void {
    const keys = this.#keysOf(stream);
    for (const key of keys.slice(0, Math.max(0, keys.length - MAX_FORMS + 1))) this.#remove(key);
  }

  #keysOf({ name }: Stream): string[] {
    return [...this.#entries].filter(([, entry]) => entry.stream.name === name).map(([key]) => key);
  }

  #remove(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes.length;
  }
}

function keyOf({ name }: Stream, form: string): string {
  return `${form} ${name}`;
}
