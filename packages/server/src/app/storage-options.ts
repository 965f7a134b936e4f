import { join, resolve, sep } from 'node:path';
import { type AccessControl, type Counters, type Log, MediaServerError } from '../core/index.ts';
import type { OutboundGuard } from '../io/index.ts';
import { type DownloadOptions, RecordingDownloads, Uploads, type UploadsOptions } from '../recording/index.ts';
import {
  checkBucketName,
  parseS3Credentials,
  S3Clients,
  S3FileStore,
  type S3FileStoreOptions,
  S3Store,
  type S3StoreOptions,
} from '../storage/index.ts';
import type { VodStore } from '../vod/index.ts';
import { webHeaders } from './protocol-options.ts';
import type { Recording } from './recording-options.ts';
import type { Settings } from './settings/index.ts';

/** Files elsewhere, and files of recordings on their way to somewhere else. */
export interface Storage {
  /** Stores that files are played from. */
  readonly stores: readonly VodStore[];
  /** Begins with what an earlier run of the server has left to be uploaded. After the recorder. */
  start(): void;
  /** Stops within seconds; uploads go on with the next start. */
  close(): Promise<void>;
}

/** All that the settings say about S3. */
export interface StorageOptions {
  readonly credentials: ReturnType<typeof parseS3Credentials>;
  readonly files: S3FileStoreOptions;
  /** Undefined when recordings are not uploaded. */
  readonly target: S3StoreOptions | undefined;
  readonly uploads: UploadsOptions;
}

const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;
const STALL_TIMEOUT_MS = 60_000;

/**
 * Reads what the settings say about S3.
 * @throws MediaServerError CONFIG_INVALID
 */
export function storageOptions(settings: Settings): StorageOptions {
  const credentials = parseS3Credentials(settings.aws_s3_credentials);
  const endpoint = originOf(settings.record_s3_endpoint, 'record_s3_endpoint');
  const trusted = settings.vod_s3_endpoints.split(',').map((text) => originOf(text.trim(), 'vod_s3_endpoints'));
  const bucket = settings.record_s3_bucket;
  const prefix = prefixOf(settings.record_s3_prefix);
  if (bucket !== '') checkBucketName(bucket);
  if (bucket !== '' && credentials === undefined) {
    throw new MediaServerError('CONFIG_INVALID', 'record_s3_bucket needs aws_s3_credentials=REGION;KEY;SECRET');
  }
  return {
    credentials,
    files: {
      readAheadMs: settings.vod_mp4_container_new_buffer_ms,
      readTimeoutMs: settings.vod_read_timeout,
      trustedEndpoints: [endpoint, ...trusted].filter((one) => one !== undefined),
    },
    target:
      bucket === ''
        ? undefined
        : {
            endpoint,
            pathStyle: settings.record_s3_path_style,
            trusted: true,
            bucket,
            prefix,
            partBytes: settings.record_s3_part_size * MIB,
          },
    uploads: {
      concurrency: settings.record_s3_concurrency,
      retryTimeMs: settings.record_s3_retry_time * HOUR_MS,
      deleteLocal: settings.record_s3_delete_local,
      keepExisting: settings.record_existing_file === 'keep',
    },
  };
}

/** Makes what {@link storageOptions} tell of. Nothing of S3's library is loaded before it is needed. */
export function makeStorage(
  options: StorageOptions,
  parts: {
    readonly recording: Recording;
    readonly outbound: OutboundGuard;
    readonly log: Log;
    readonly counters: Counters;
  },
): Storage {
  const { recording, outbound, log, counters } = parts;
  const clients = new S3Clients(options.credentials, { outbound: outbound.withoutPrivateNetworks });
  const files = new S3FileStore(clients, options.files);
  const { ledger, scripts } = recording;
  const uses = (path: string): boolean => scripts.uses(path);
  const store = options.target && new S3Store(clients, options.target);
  const uploads = store && new Uploads({ ledger, store, uses, log, counters }, options.uploads);
  return {
    stores: [{ store: files, readAheadMs: options.files.readAheadMs }],
    start: () => uploads?.start(),
    close: async () => {
      await Promise.all([uploads?.close(), files.close()]);
      clients.close();
    },
  };
}

/** Downloads of recordings; undefined when they are off. */
export function makeDownloads(
  settings: Settings,
  dataDir: string,
  hub: {
    readonly recording: Recording;
    readonly access: AccessControl;
    readonly log: Log;
    readonly counters: Counters;
  },
): RecordingDownloads | undefined {
  if (!settings.record_download_enabled) return undefined;
  const { ledger, finisher } = hub.recording;
  return new RecordingDownloads({ ...hub, ledger, finisher }, downloadOptions(settings, dataDir, hub.recording));
}

function downloadOptions(
  settings: Settings,
  dataDir: string,
  { recordDir, tempDir }: Pick<Recording, 'recordDir' | 'tempDir'>,
): DownloadOptions {
  const named = settings.record_fragments_dir;
  const folder = named === '' ? recordDir : resolve(dataDir, named);
  // Parts are deleted some day, so they must not lie among recordings.
  const fragmentsDir = (recordDir + sep).startsWith(folder + sep) ? join(folder, '.fragments') : folder;
  return {
    recordDir,
    excluded: [tempDir, fragmentsDir],
    fragmentsDir,
    fragmentsMaxBytes: settings.record_fragments_max_bytes,
    disposition: settings.record_response_content_disposition_header_value,
    headers: webHeaders(settings),
    maxDownloads: settings.record_max_downloads,
    stallTimeoutMs: STALL_TIMEOUT_MS,
  };
}

function originOf(text: string, setting: string): string | undefined {
  if (text === '') return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isOrigin = url !== undefined && /^https?:$/.test(url.protocol) && url.pathname === '/' && url.username === '';
  if (isOrigin && url.search === '' && url.hash === '' && url.password === '') return url.origin;
  throw new MediaServerError(
    'CONFIG_INVALID',
    `${setting} must be the address of a server without a path, such as https://ams3.digitaloceanspaces.com; buckets are named elsewhere`,
  );
}

function prefixOf(text: string): string {
  const prefix = text.replace(/^\/+/, '');
  if (Buffer.byteLength(prefix) <= 512 && !/\p{Cc}/u.test(prefix) && !prefix.split('/').some(isDirection))
    return prefix;
  throw new MediaServerError(
    'CONFIG_INVALID',
    'record_s3_prefix must be less than 512 bytes, without ".." and the like',
  );
}

function isDirection(part: string): boolean {
  return part === '.' || part === '..';
}
