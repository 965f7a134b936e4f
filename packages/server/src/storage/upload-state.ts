/** A part that is there. */
export interface SentPart {
  /** Of its bytes, hexadecimal. */
  readonly md5: string;
  /** What the server calls it; mostly the same. */
  readonly etag: string;
}

/** An upload in parts that can go on, after a restart too. */
export interface UploadState {
  readonly uploadId: string;
  readonly partBytes: number;
  /** Of the file here; another file is uploaded from its start. */
  readonly size: number;
  readonly mtimeMs: number;
  /** By part number, from 1; with holes. */
  readonly parts: ReadonlyMap<number, SentPart>;
}

const MAX_PARTS = 10_000;
const MAX_TEXT = 4 * 1024 * 1024;

/** The text that is kept of it. */
export function writeUploadState(state: UploadState): string {
  const parts = Array.from(state.parts, ([number, { md5, etag }]) =>
    etag === md5 ? [number, md5] : [number, md5, etag],
  );
  return JSON.stringify({ ...state, parts });
}

/** Reads {@link writeUploadState}'s text; undefined for anything else, which begins anew then. */
export function readUploadState(text: string | undefined): UploadState | undefined {
  if (text === undefined || text.length > MAX_TEXT) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { uploadId, partBytes, size, mtimeMs, parts } = value as Record<string, unknown>;
  if (typeof uploadId !== 'string' || uploadId === '' || !Array.isArray(parts)) return undefined;
  if (!isCount(partBytes) || partBytes === 0 || !isCount(size) || typeof mtimeMs !== 'number') return undefined;
  return { uploadId, partBytes, size, mtimeMs, parts: partsOf(parts) };
}

function partsOf(list: readonly unknown[]): Map<number, SentPart> {
  const parts = new Map<number, SentPart>();
  for (const item of list.slice(0, MAX_PARTS)) {
    if (!Array.isArray(item)) continue;
    const [number, md5, etag = md5] = item as unknown[];
    if (!isCount(number) || number < 1 || number > MAX_PARTS) continue;
    if (typeof md5 !== 'string' || typeof etag !== 'string') continue;
    parts.set(number, { md5, etag });
  }
  return parts;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
