import type { Readable } from 'node:stream';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { backOffMs, pause } from './back-off.ts';
import type { ClientLease } from './s3-clients.ts';
import type { S3Place } from './s3-place.ts';
import { StorageError, storageError } from './storage-error.ts';

/** What is known of a file in S3 since it was opened. */
export interface S3ObjectFacts {
  readonly size: number;
  /** Undefined where the server tells none; then a file that is replaced is only noticed by its size. */
  readonly etag: string | undefined;
}

export interface RangeReaderOptions {
  /** A read to which nothing comes for this long is given up. */
  readonly timeoutMs: number;
}

interface Wanted {
  readonly offset: number;
  readonly length: number;
}

const RETRY = { firstMs: 100, maxMs: 2000 };
/** A try that brings nothing for this part of the time is replaced by another one. */
const TRIES_PER_TIMEOUT = 3;

/** Reads ranges of one object, over connections that break and servers that fail for a moment. */
export class RangeReader {
  readonly #lease: ClientLease;
  readonly #place: S3Place;
  readonly #options: RangeReaderOptions;
  #facts: S3ObjectFacts | undefined;

  constructor(lease: ClientLease, place: S3Place, options: RangeReaderOptions) {
    this.#lease = lease;
    this.#place = place;
    this.#options = options;
  }

  /**
   * Asks what there is, and reads the first bytes on the way; undefined when there is no such file.
   * @throws StorageError
   */
  async open(length: number, signal: AbortSignal): Promise<{ facts: S3ObjectFacts; head: Uint8Array } | undefined> {
    try {
      const head = await this.#read({ offset: 0, length }, signal);
      return this.#facts === undefined ? undefined : { facts: this.#facts, head };
    } catch (error) {
      const { code } = error as Partial<StorageError>;
      if (code === 'NoSuchKey' || code === 'NoSuchBucket') return undefined;
      // An empty file has no range (RFC 9110 §15.5.17).
      if (code === 'InvalidRange') return { facts: { size: 0, etag: undefined }, head: new Uint8Array(0) };
      throw error;
    }
  }

  /**
   * Reads exactly that range.
   * @throws StorageError also when the file is another one by now
   */
  read(offset: number, length: number, signal: AbortSignal): Promise<Uint8Array> {
    return this.#read({ offset, length }, signal);
  }

  /** Reads with as many tries as it takes, each going on where the one before it stopped. */
  async #read({ offset, length }: Wanted, signal: AbortSignal): Promise<Uint8Array> {
    let buffer = new Uint8Array(length);
    let filled = 0;
    let tries = 0;
    let progressMs = performance.now();
    for (;;) {
      try {
        const answer = await this.#request({ offset: offset + filled, length: length - filled }, signal);
        if (offset + length > answer.size) buffer = buffer.subarray(0, Math.max(answer.size - offset, 0));
        await this.#consume(answer.body, signal, (chunk) => {
          const room = buffer.byteLength - filled;
          buffer.set(chunk.byteLength > room ? chunk.subarray(0, room) : chunk, filled);
          filled += Math.min(room, chunk.byteLength);
          progressMs = performance.now();
          tries = 0;
          return filled < buffer.byteLength;
        });
        if (filled === buffer.byteLength) return buffer;
        throw new StorageError('the connection ended in the middle', { permanent: false, code: 'Truncated' });
      } catch (error) {
        signal.throwIfAborted();
        const failure = storageError(error, `s3 ${this.#place.bucket}/${this.#place.key}`);
        const leftMs = this.#options.timeoutMs - (performance.now() - progressMs);
        if (failure.permanent || failure.code === 'InvalidRange' || leftMs <= 0) throw failure;
        tries++;
        await pause(Math.min(backOffMs(tries, RETRY), leftMs), signal);
      }
    }
  }

  async #request({ offset, length }: Wanted, signal: AbortSignal): Promise<{ body: Readable; size: number }> {
    const { sdk, client } = this.#lease;
    const { bucket: Bucket, key: Key } = this.#place;
    const Range = `bytes=${offset}-${offset + length - 1}`;
    const command = new sdk.GetObjectCommand({ Bucket, Key, Range, IfMatch: this.#facts?.etag });
    // Only for the head of the answer: a body may take its time as long as it comes.
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), this.#patienceMs);
    const abortSignal = AbortSignal.any([signal, late.signal]);
    const answer = await client.send(command, { abortSignal }).finally(() => clearTimeout(timer));
    const body = answer.Body as Readable | undefined;
    if (body === undefined) throw new StorageError('an answer without a body', { permanent: false, code: 'NoBody' });
    // Until it is read there is nobody else to hear of its errors.
    body.once('error', () => undefined);
    try {
      return { body, size: this.#check(answer, offset) };
    } catch (error) {
      body.destroy();
      throw error;
    }
  }

  /** Makes sure that the answer is of the file that was opened, and begins where it should; gives the file's size. */
  #check(answer: GetObjectCommandOutput, offset: number): number {
    const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(answer.ContentRange ?? '');
    const start = range === null ? 0 : Number(range[1]);
    const size = Number(range === null ? (answer.ContentLength ?? Number.NaN) : range[2]);
    if (start !== offset || !Number.isSafeInteger(size)) {
      throw new StorageError('the server does not give parts of files (Range)', { permanent: true, code: 'NoRanges' });
    }
    this.#facts ??= { size, etag: answer.ETag };
    if (this.#facts.size === size && this.#facts.etag === answer.ETag) return size;
    throw new StorageError('it was replaced while it was being read', { permanent: true, code: 'Replaced' });
  }

  get #patienceMs(): number {
    return Math.max(250, this.#options.timeoutMs / TRIES_PER_TIMEOUT);
  }

  /** Hands the body over until `take` has enough; ends its connection when it stops in between. */
  async #consume(body: Readable, signal: AbortSignal, take: (chunk: Uint8Array) => boolean): Promise<void> {
    const stop = (): void => void body.destroy(new StorageError('nothing came', { permanent: false, code: 'Silence' }));
    let timer = setTimeout(stop, this.#patienceMs);
    signal.addEventListener('abort', stop, { once: true });
    try {
      signal.throwIfAborted();
      for await (const chunk of body) {
        clearTimeout(timer);
        if (!take(chunk as Uint8Array)) break;
        timer = setTimeout(stop, this.#patienceMs);
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
  }
}
