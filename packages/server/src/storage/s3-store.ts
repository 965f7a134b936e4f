import { open } from 'node:fs/promises';
import { MediaServerError, type ObjectStore, type UploadJob } from '../core/index.ts';
import { md5Of, streamOf } from './file-slice.ts';
import { abortUpload, checkedEtag, type FileToSend, MultipartUpload, takenError } from './multipart-upload.ts';
import { BucketRequests, plainEtag } from './s3-bucket.ts';
import type { S3Clients, S3Endpoint } from './s3-clients.ts';
import { StorageError } from './storage-error.ts';
import { readUploadState } from './upload-state.ts';

export interface S3StoreOptions extends S3Endpoint {
  readonly bucket: string;
  /** What names there begin with; empty or `folder/`. */
  readonly prefix: string;
  /** Files up to this size go in one request, others in parts of it. */
  readonly partBytes: number;
}

const MAX_KEY_BYTES = 1024;

/** Puts files into a bucket of S3. */
export class S3Store implements ObjectStore {
  readonly #clients: S3Clients;
  readonly #options: S3StoreOptions;

  constructor(clients: S3Clients, options: S3StoreOptions) {
    this.#clients = clients;
    this.#options = options;
  }

  locationOf(key: string): string {
    return `s3://${this.#options.bucket}/${this.#options.prefix}${key}`;
  }

  /** @throws StorageError, or the reason of the job's signal */
  async upload(job: UploadJob): Promise<{ readonly etag: string; readonly location: string }> {
    using lease = await this.#clients.lease(this.#options);
    const requests = new BucketRequests(lease, { bucket: this.#options.bucket, key: this.#key(job.key) }, job.signal);
    await using handle = await openFile(job.path);
    const { size, mtimeMs } = await handle.stat();
    const file = { handle, size, mtimeMs, contentType: job.contentType };
    const etag =
      size <= this.#options.partBytes
        ? await this.#uploadWhole(requests, job, file)
        : await this.#uploadParts(requests, job, file);
    await verify(requests, { size, etag });
    const after = await handle.stat();
    if (after.size !== size || after.mtimeMs !== mtimeMs) {
      throw new StorageError('the file was changed while it was uploaded', { permanent: false, code: 'FileChanged' });
    }
    return { etag, location: this.locationOf(job.key) };
  }

  async abandon(key: string, resume: string): Promise<void> {
    const state = readUploadState(resume);
    if (state === undefined) return;
    using lease = await this.#clients.lease(this.#options);
    const signal = AbortSignal.timeout(30_000);
    await abortUpload(
      new BucketRequests(lease, { bucket: this.#options.bucket, key: this.#key(key) }, signal),
      state.uploadId,
    );
  }

  async #uploadWhole(requests: BucketRequests, job: UploadJob, file: FileToSend): Promise<string> {
    const { keepExisting = false } = job;
    const slice = { offset: 0, length: file.size };
    const md5 = await md5Of(file.handle, slice, job.signal);
    if (keepExisting && (await isThere(requests, md5))) return md5;
    const answer = await requests.run('sending the file', async (client, abortSignal) => {
      const Body = streamOf(file.handle, slice, (bytes) => job.onProgress(bytes / Math.max(file.size, 1)));
      const command = new requests.sdk.PutObjectCommand({
        ...requests.place,
        Body: file.size === 0 ? '' : Body,
        ContentLength: file.size,
        ContentMD5: Buffer.from(md5, 'hex').toString('base64'),
        ContentType: file.contentType,
        ...(keepExisting ? { IfNoneMatch: '*' } : {}),
      });
      try {
        const etag = checkedEtag(await client.send(command, { abortSignal }), md5);
        return { etag };
      } catch (error) {
        if (keepExisting && isTaken(error) && !(await isThere(requests, md5))) throw takenError(requests);
        if (keepExisting && isTaken(error)) return { etag: md5 };
        throw error;
      } finally {
        Body.destroy();
      }
    });
    job.onProgress(1);
    return answer.etag;
  }

  async #uploadParts(requests: BucketRequests, job: UploadJob, file: FileToSend): Promise<string> {
    const resume = readUploadState(job.resume);
    const { keepExisting = false } = job;
    const upload = new MultipartUpload({
      requests,
      file,
      partBytes: this.#options.partBytes,
      resume,
      keepExisting,
      onResumable: (state) => job.onResumable(state),
      onProgress: (progress) => job.onProgress(progress),
    });
    // An upload that goes on has looked when it began, and looks again when it is completed.
    if (keepExisting && resume === undefined) {
      const head = await requests.head();
      if (head !== undefined && head !== 'unknown') throw takenError(requests);
    }
    return await upload.run();
  }

  #key(key: string): string {
    const whole = `${this.#options.prefix}${key}`;
    if (Buffer.byteLength(whole) <= MAX_KEY_BYTES) return whole;
    throw new StorageError(`the name has more than ${MAX_KEY_BYTES} bytes`, { permanent: true, code: 'KeyTooLong' });
  }
}

/** True when that very file is there already; throws when another one has its name. */
async function isThere(requests: BucketRequests, md5: string): Promise<boolean> {
  const head = await requests.head();
  if (head === undefined || head === 'unknown') return false;
  if (head.etag === md5) return true;
  throw takenError(requests);
}

function isTaken(error: unknown): boolean {
  const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
  return $metadata?.httpStatusCode === 412;
}

/** Makes sure that what is there has the size and ETag of what was sent, as far as we may look. */
async function verify(requests: BucketRequests, sent: { readonly size: number; readonly etag: string }): Promise<void> {
  const head = await requests.head();
  if (head === 'unknown') return;
  const found = head === undefined ? 'nothing' : `${head.size} bytes with ETag ${head.etag}`;
  if (head !== undefined && head.size === sent.size && plainEtag(head.etag) === sent.etag) return;
  throw new StorageError(`found ${found} where ${sent.size} bytes with ETag ${sent.etag} were sent`, {
    permanent: false,
    code: 'WrongObject',
  });
}

async function openFile(path: string) {
  try {
    return await open(path);
  } catch (error) {
    const { code = 'Unknown' } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') throw error;
    throw new StorageError(`${path} is not there any more`, { permanent: true, code });
  }
}

/** Refuses names of buckets that no server takes. @throws MediaServerError CONFIG_INVALID */
export function checkBucketName(name: string): void {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/.test(name)) return;
  throw new MediaServerError(
    'CONFIG_INVALID',
    `record_s3_bucket "${name}" is no name of a bucket: 2 to 63 letters, digits, dots, dashes and underscores`,
  );
}
