import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { md5Of, type Slice, streamOf } from './file-slice.ts';
import { type BucketRequests, plainEtag } from './s3-bucket.ts';
import { StorageError } from './storage-error.ts';
import { type SentPart, type UploadState, writeUploadState } from './upload-state.ts';

/** A file that is being uploaded. */
export interface FileToSend {
  readonly handle: FileHandle;
  readonly size: number;
  readonly mtimeMs: number;
  readonly contentType: string;
}

export interface MultipartParts {
  readonly requests: BucketRequests;
  readonly file: FileToSend;
  readonly partBytes: number;
  readonly resume: UploadState | undefined;
  /** Fails when an object of that name is there by now. */
  readonly keepExisting: boolean;
  onResumable(state: string): void;
  onProgress(progress: number): void;
}

/** Parts that are sent cost a line in the ledger not oftener than this. */
const TELL_EVERY_MS = 5000;
const MAX_PARTS = 10_000;
const MIB = 1024 * 1024;

/** Uploads a file in parts, goes on with an earlier upload of it, and gives the ETag of the whole. */
export class MultipartUpload {
  readonly #parts: MultipartParts;
  readonly #sent = new Map<number, SentPart>();
  readonly #partBytes: number;
  #uploadId = '';
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(parts: MultipartParts) {
    this.#parts = parts;
    // No more than 10 000 parts are allowed.
    const fits = parts.partBytes * MAX_PARTS >= parts.file.size;
    this.#partBytes = fits ? parts.partBytes : Math.ceil(parts.file.size / MAX_PARTS / MIB) * MIB;
  }

  /** @throws StorageError, or the reason of the signal after what can be resumed has been told */
  async run(): Promise<string> {
    const { size } = this.#parts.file;
    const known = await this.#begin();
    this.#tell();
    try {
      for (let number = 1; (number - 1) * this.#partBytes < size; number++) {
        const offset = (number - 1) * this.#partBytes;
        const slice = { offset, length: Math.min(this.#partBytes, size - offset) };
        await this.#send(number, slice, known.get(number));
        if (performance.now() - this.#toldMs >= TELL_EVERY_MS) this.#tell();
      }
    } finally {
      this.#tell();
    }
    return await this.#complete();
  }

  /** Finds what an earlier try has sent, or begins anew. */
  async #begin(): Promise<ReadonlyMap<number, SentPart>> {
    const { resume, file } = this.#parts;
    if (resume !== undefined) {
      this.#uploadId = resume.uploadId;
      const same = resume.size === file.size && resume.mtimeMs === file.mtimeMs && resume.partBytes === this.#partBytes;
      if (same) {
        const parts = await this.#listed(resume);
        if (parts !== undefined) return parts;
      } else await abortUpload(this.#parts.requests, resume.uploadId);
    }
    const { requests } = this.#parts;
    const answer = await requests.run('beginning the upload', (client, abortSignal) => {
      const command = new requests.sdk.CreateMultipartUploadCommand({
        ...requests.place,
        ContentType: file.contentType,
      });
      return client.send(command, { abortSignal });
    });
    if (answer.UploadId === undefined) {
      throw new StorageError('the server gave no id for an upload', { permanent: false, code: 'NoUploadId' });
    }
    this.#uploadId = answer.UploadId;
    return new Map();
  }

  /** What the server has of it; undefined when it knows nothing of it any more. */
  async #listed(resume: UploadState): Promise<ReadonlyMap<number, SentPart> | undefined> {
    const { requests } = this.#parts;
    const found = new Map<number, SentPart>();
    let PartNumberMarker: string | undefined;
    try {
      for (let pages = 0; pages <= MAX_PARTS; pages++) {
        const asked = { ...requests.place, UploadId: resume.uploadId, PartNumberMarker };
        const page = await requests.run('listing what was sent', (client, abortSignal) =>
          client.send(new requests.sdk.ListPartsCommand(asked), { abortSignal }),
        );
        for (const { PartNumber = 0, ETag } of page.Parts ?? []) {
          const etag = plainEtag(ETag);
          const kept = resume.parts.get(PartNumber);
          found.set(PartNumber, kept?.etag === etag ? kept : { md5: etag, etag });
        }
        if (page.IsTruncated !== true || page.NextPartNumberMarker === undefined) break;
        PartNumberMarker = page.NextPartNumberMarker;
      }
      return found;
    } catch (error) {
      requests.signal.throwIfAborted();
      const { code, permanent } = error as StorageError;
      if (code === 'NoSuchUpload') return undefined;
      // Servers that can't list (or don't let us) are believed what they said of each part; the end checks it.
      if (permanent) return resume.parts;
      throw error;
    }
  }

  /** Sends a part, unless the server has it. What it has is compared with the file, which costs reading it. */
  async #send(number: number, slice: Slice, known: SentPart | undefined): Promise<void> {
    const { requests, file } = this.#parts;
    const md5 = await md5Of(file.handle, slice, requests.signal);
    this.#sent.set(number, known?.md5 === md5 ? known : await this.#put(number, slice, md5));
    this.#parts.onProgress((slice.offset + slice.length) / file.size);
  }

  async #put(number: number, slice: Slice, md5: string): Promise<SentPart> {
    const { requests, file, onProgress } = this.#parts;
    return await requests.run(`sending part ${number}`, async (client, abortSignal) => {
      const Body = streamOf(file.handle, slice, (bytes) => onProgress((slice.offset + bytes) / file.size));
      const command = new requests.sdk.UploadPartCommand({
        ...requests.place,
        UploadId: this.#uploadId,
        PartNumber: number,
        Body,
        ContentLength: slice.length,
        ContentMD5: Buffer.from(md5, 'hex').toString('base64'),
      });
      try {
        const answer = await client.send(command, { abortSignal });
        return { md5, etag: checkedEtag(answer, md5) };
      } finally {
        Body.destroy();
      }
    });
  }

  async #complete(): Promise<string> {
    const { requests, keepExisting } = this.#parts;
    const Parts = Array.from(this.#sent, ([PartNumber, { etag }]) => ({ PartNumber, ETag: `"${etag}"` }));
    try {
      const answer = await requests.run('completing the upload', (client, abortSignal) => {
        const command = new requests.sdk.CompleteMultipartUploadCommand({
          ...requests.place,
          UploadId: this.#uploadId,
          MultipartUpload: { Parts },
          ...(keepExisting ? { IfNoneMatch: '*' } : {}),
        });
        return client.send(command, { abortSignal });
      });
      return this.#checkWhole(plainEtag(answer.ETag));
    } catch (error) {
      requests.signal.throwIfAborted();
      const { code, status } = error as StorageError;
      // It may have been completed by a request whose answer was lost.
      const head = code === 'NoSuchUpload' || status === 412 ? await requests.head() : undefined;
      if (head !== undefined && head !== 'unknown' && this.isWhole(head.etag)) return head.etag;
      throw status === 412 ? takenError(requests) : error;
    }
  }

  /** True when an ETag is the one of this file in these parts: the MD5 of the MD5s of its parts. */
  isWhole(etag: string): boolean {
    return etag === this.#wholeEtag;
  }

  get #wholeEtag(): string {
    const hash = createHash('md5');
    for (const { md5 } of this.#sent.values()) hash.update(Buffer.from(md5, 'hex'));
    return `${hash.digest('hex')}-${this.#sent.size}`;
  }

  #checkWhole(etag: string): string {
    // Encryption with keys of its own makes ETags that say nothing; then that of a part said nothing, too.
    const telling = [...this.#sent.values()].every((part) => part.etag === part.md5) && /^[0-9a-f]{32}-\d+$/.test(etag);
    if (!telling || this.isWhole(etag)) return etag;
    throw new StorageError(`what is there is not what was sent (ETag ${etag}, should be ${this.#wholeEtag})`, {
      permanent: false,
      code: 'WrongETag',
    });
  }

  #tell(): void {
    const { file, onResumable } = this.#parts;
    this.#toldMs = performance.now();
    const { size, mtimeMs } = file;
    const state = { uploadId: this.#uploadId, partBytes: this.#partBytes, size, mtimeMs, parts: this.#sent };
    onResumable(writeUploadState(state));
  }
}

/** What the server says that it has: its ETag, where that is an MD5 the right one. */
export function checkedEtag(
  answer: { readonly ETag?: string | undefined; readonly ServerSideEncryption?: string | undefined },
  md5: string,
): string {
  const etag = plainEtag(answer.ETag);
  // With keys of KMS the ETag is no MD5; the server has checked Content-MD5 in any case.
  const opaque = answer.ServerSideEncryption?.startsWith('aws:kms') === true || !/^[0-9a-f]{32}$/.test(etag);
  if (opaque || etag === md5) return etag;
  throw new StorageError(`what is there is not what was sent (ETag ${etag}, should be ${md5})`, {
    permanent: false,
    code: 'WrongETag',
  });
}

/** Another object has that name already. */
export function takenError({ place }: BucketRequests): StorageError {
  const message = `another object has the name ${place.Key} already`;
  return new StorageError(message, { permanent: true, code: 'EXISTS', status: 412 });
}

/** Has the server forget the parts of an upload; one that it does not know is fine. */
export async function abortUpload(requests: BucketRequests, UploadId: string): Promise<void> {
  try {
    await requests.run('giving the upload up', (client, abortSignal) =>
      client.send(new requests.sdk.AbortMultipartUploadCommand({ ...requests.place, UploadId }), { abortSignal }),
    );
  } catch {
    // What is left is for the bucket's lifecycle rules.
    requests.signal.throwIfAborted();
  }
}
