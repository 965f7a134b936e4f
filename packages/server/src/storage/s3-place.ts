/** A file in S3. */
export interface S3Place {
  /** Origin of the server, `https://host:port`; undefined for Amazon. */
  readonly endpoint: string | undefined;
  readonly bucket: string;
  /** As S3 knows it, not encoded. */
  readonly key: string;
}

export const S3_PREFIX = 's3/';
/** S3 takes keys of so many bytes. */
const MAX_KEY_BYTES = 1024;
const MAX_NAME_CHARACTERS = 4096;
const CONTROLS = /\p{Cc}/u;

/**
 * Reads a name of a file: `s3/bucket/key` for Amazon, `s3/https://host/bucket/key` (or `http://`) for other servers; with
 * `%20` for spaces. Undefined when it names no file, or something else beside it (user, query, fragment).
 */
export function parseS3Place(name: string): S3Place | undefined {
  if (!name.startsWith(S3_PREFIX) || name.length > MAX_NAME_CHARACTERS) return undefined;
  const rest = name.slice(S3_PREFIX.length);
  const match = /^(https?:\/\/[^/]*)\/(.*)$/is.exec(rest);
  const endpoint = match === null ? undefined : originOf(match[1] ?? '');
  if (match !== null && endpoint === undefined) return undefined;
  return placeIn(endpoint, match === null ? rest : (match[2] ?? ''));
}

function placeIn(endpoint: string | undefined, path: string): S3Place | undefined {
  const slash = path.indexOf('/');
  const bucket = path.slice(0, Math.max(slash, 0));
  const key = decoded(path.slice(slash + 1));
  // General purpose buckets (naming rules of S3), and the underscores and capitals of old ones.
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/.test(bucket)) return undefined;
  if (key === undefined || key === '' || Buffer.byteLength(key) > MAX_KEY_BYTES) return undefined;
  // Clients of HTTP would take such parts for directions, not for names.
  if (key.split('/').some((part) => part === '.' || part === '..')) return undefined;
  return { endpoint, bucket, key };
}

/** The key that a path of an address stands for. */
function decoded(path: string): string | undefined {
  if (/[?#\\]/.test(path)) return undefined;
  try {
    const key = decodeURIComponent(path);
    return CONTROLS.test(key) ? undefined : key;
  } catch {
    return undefined;
  }
}

function originOf(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || text.includes('@') || url.hostname === '') return undefined;
  return url.origin;
}
