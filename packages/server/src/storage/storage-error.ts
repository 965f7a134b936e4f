/** Why something in an object store did not succeed, in words that tell an operator what to do. */
export class StorageError extends Error {
  /** Another try of the same is useless until somebody changes something. */
  readonly permanent: boolean;
  /** S3's word for it (`NoSuchKey`, `SlowDown`), or that of the network (`ECONNRESET`). */
  readonly code: string;
  /** HTTP status; 0 without an answer. */
  readonly status: number;

  // Without the library's own error as its cause: that holds connections, and the signature of the request.
  constructor(message: string, facts: { permanent: boolean; code: string; status?: number }) {
    super(message);
    this.name = 'StorageError';
    this.permanent = facts.permanent;
    this.code = facts.code;
    this.status = facts.status ?? 0;
  }
}

/** What is meant, by S3's own codes; an operator can do something about each. */
const ADVICE: Readonly<Record<string, string>> = {
  NoSuchBucket: 'the bucket does not exist; check record_s3_bucket, and the region in aws_s3_credentials',
  AccessDenied: 'access is denied; check what the key of aws_s3_credentials may do in the bucket',
  InvalidAccessKeyId: 'the access key is not known there; check the key in aws_s3_credentials',
  SignatureDoesNotMatch: 'the signature is wrong; check the secret in aws_s3_credentials',
  AuthorizationHeaderMalformed: 'the region is wrong; check the region in aws_s3_credentials',
  PermanentRedirect: 'the bucket is in another region; check the region in aws_s3_credentials',
  RequestTimeTooSkewed: 'the clocks differ; check the time of this machine',
};
/** Answers to HEAD have no body that could name the code. */
const CODE_OF_STATUS: Readonly<Record<number, string>> = { 301: 'PermanentRedirect', 403: 'AccessDenied' };
const PERMANENT_STATUS: ReadonlySet<number> = new Set([301, 307, 400, 401, 403, 404, 405, 411, 412, 413, 414, 501]);
/** 4xx that another try may cure. */
const PASSING: ReadonlySet<string> = new Set([
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'TooManyRequests',
  'BadDigest',
  'InvalidDigest',
  'XAmzContentSHA256Mismatch',
  'IncompleteBody',
  'OperationAborted',
  'NoSuchUpload',
  'InvalidPart',
  'InvalidPartOrder',
]);

/** Tells what an error of the S3 client means. */
export function storageError(error: unknown, what: string): StorageError {
  if (error instanceof StorageError) return error;
  const code = codeOf(error);
  const status = statusOf(error);
  const permanent = PERMANENT_STATUS.has(status) && !PASSING.has(code);
  const advice = ADVICE[code] ?? ADVICE[CODE_OF_STATUS[status] ?? ''];
  return new StorageError(`${what}: ${advice ?? wordsOf(error, code, status)}`, {
    permanent,
    code,
    status,
  });
}

function wordsOf(error: unknown, code: string, status: number): string {
  // An answer that is no XML, of a proxy say, makes messages of any length out of its body.
  const message = error instanceof Error ? error.message.replaceAll(/\s+/g, ' ').slice(0, 200) : String(error);
  return [code, status === 0 ? '' : `(HTTP ${status})`, message === code ? '' : message].filter(Boolean).join(' ');
}

function codeOf(error: unknown): string {
  const { code, Code, name, cause } = error as { code?: unknown; Code?: unknown; name?: unknown; cause?: unknown };
  for (const candidate of [Code, code, (cause as { code?: unknown } | undefined)?.code, name]) {
    if (typeof candidate === 'string' && candidate !== '' && candidate !== 'Error') return candidate.slice(0, 100);
  }
  return 'Unknown';
}

function statusOf(error: unknown): number {
  const { $metadata, $response } = error as {
    $metadata?: { httpStatusCode?: number };
    $response?: { statusCode?: number };
  };
  return $metadata?.httpStatusCode ?? $response?.statusCode ?? 0;
}
