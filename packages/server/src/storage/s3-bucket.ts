import type { S3Client } from '@aws-sdk/client-s3';
import { backOffMs, pause } from './back-off.ts';
import type { ClientLease, S3Sdk } from './s3-clients.ts';
import { type StorageError, storageError } from './storage-error.ts';

/** An object as the server describes it. */
export interface HeadFacts {
  readonly size: number;
  /** Without quotes; empty where there is none. */
  readonly etag: string;
}

interface Place {
  readonly Bucket: string;
  readonly Key: string;
}

const RETRY = { firstMs: 250, maxMs: 4000 };
/** Tries of one request; who asked tries all of it again later, after much longer. */
const TRIES = 4;
const ANSWER_TIMEOUT_MS = 180_000;

/** Requests about one object, each tried a few times. All throw StorageError, or the reason of the signal. */
export class BucketRequests {
  readonly place: Place;
  readonly sdk: S3Sdk;
  readonly signal: AbortSignal;
  readonly #client: S3Client;

  constructor(lease: ClientLease, place: { readonly bucket: string; readonly key: string }, signal: AbortSignal) {
    this.place = { Bucket: place.bucket, Key: place.key };
    this.sdk = lease.sdk;
    this.#client = lease.client;
    this.signal = signal;
  }

  /** Runs a request; `make` is called for each try. */
  async run<T>(what: string, make: (client: S3Client, abortSignal: AbortSignal) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      this.signal.throwIfAborted();
      try {
        const abortSignal = AbortSignal.any([this.signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
        return await make(this.#client, abortSignal);
      } catch (error) {
        this.signal.throwIfAborted();
        const failure = storageError(error, what);
        if (failure.permanent || tries >= TRIES || ANEW.has(failure.code)) throw failure;
        await pause(backOffMs(tries, RETRY), this.signal);
      }
    }
  }

  /** What is there; undefined when nothing is, `unknown` where the key may write but not read. */
  async head(): Promise<HeadFacts | 'unknown' | undefined> {
    try {
      const answer = await this.run('asking for the object', (client, abortSignal) =>
        client.send(new this.sdk.HeadObjectCommand(this.place), { abortSignal }),
      );
      return { size: answer.ContentLength ?? -1, etag: plainEtag(answer.ETag) };
    } catch (error) {
      this.signal.throwIfAborted();
      const { status } = error as StorageError;
      // HEAD has no body that could say which of the two is not there; what is sent next does.
      if (status === 404) return undefined;
      if (status === 403) return 'unknown';
      throw error;
    }
  }
}

/** Codes after which the same request can not succeed, but the whole upload can. */
const ANEW: ReadonlySet<string> = new Set(['NoSuchUpload', 'InvalidPart', 'InvalidPartOrder', 'FileChanged', 'EXISTS']);

/** An entity tag without its quotes. */
export function plainEtag(etag: string | undefined): string {
  return (etag ?? '').replaceAll('"', '');
}
