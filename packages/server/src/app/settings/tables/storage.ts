import type { SettingEntry } from '../setting-entry.ts';

/** Settings of files elsewhere: S3 and what speaks like it. */
export const STORAGE_SETTINGS = {
  aws_s3_credentials: {
    type: 'string',
    default: '',
    secret: true,
    from: 'wcs',
    doc: 'Region, access key and secret key for S3, as `eu-central-1;KEY;SECRET`. For `vod://s3/…` and for uploads.',
  },
  vod_s3_endpoints: {
    type: 'string',
    default: '',
    from: 'own',
    doc: 'S3 servers in private networks or on this machine that viewers may name in `vod://s3/http://…`, such as `http://127.0.0.1:9000`; several with commas. Servers on the internet, and that of `record_s3_endpoint`, need not be named.',
  },
  record_s3_bucket: {
    type: 'string',
    default: '',
    from: 'own',
    doc: 'Bucket that finished recordings are uploaded to; empty: they are not.',
  },
  record_s3_endpoint: {
    type: 'string',
    format: 'httpUrl',
    default: '',
    from: 'own',
    doc: 'Address of a server that speaks like S3: `https://ams3.digitaloceanspaces.com`, `http://127.0.0.1:9000`. Empty: Amazon.',
  },
  record_s3_prefix: {
    type: 'string',
    default: '',
    from: 'own',
    doc: 'What names in the bucket begin with: `interviews/`.',
  },
  record_s3_delete_local: {
    type: 'boolean',
    default: false,
    from: 'own',
    doc: 'Delete recordings here when they have been uploaded.',
  },
  record_s3_path_style: {
    type: 'boolean',
    default: true,
    from: 'own',
    doc: 'Name the bucket in the path of addresses (`https://host/bucket/key`), not in the host; for Amazon the host is used in any case.',
  },
  record_s3_part_size: {
    type: 'integer',
    unit: 'MB',
    min: 5,
    max: 1024,
    default: 16,
    from: 'own',
    doc: 'Large files are uploaded in parts of this size; it is what an interruption costs.',
  },
  record_s3_concurrency: {
    type: 'integer',
    min: 1,
    max: 32,
    default: 2,
    from: 'own',
    doc: 'Files that are uploaded at the same time.',
  },
  record_s3_retry_time: {
    type: 'integer',
    unit: 'h',
    min: 0,
    max: 24 * 365,
    default: 72,
    from: 'own',
    doc: 'An upload that fails is tried again, less and less often, for this long; also after a restart.',
  },
} as const satisfies Record<string, SettingEntry>;
