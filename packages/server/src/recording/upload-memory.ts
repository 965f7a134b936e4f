/** What is kept of an upload in the ledger, beyond what is shown. */
export interface UploadMemory {
  /** When it was tried first, milliseconds since 1970. */
  readonly sinceMs: number;
  /** Number that was added to its name because others had it; 0 for none. */
  readonly suffix: number;
  /** Its name there without that; the file here may have got another one meanwhile. */
  readonly name: string;
  /** How the object store goes on with it. */
  readonly resume?: string | undefined;
  /** It is done, and the file here is still to be deleted. */
  readonly deleting?: boolean | undefined;
}

/** The text that is kept. */
export function writeMemory(memory: UploadMemory): string {
  return JSON.stringify(memory);
}

/** Reads {@link writeMemory}'s text; undefined for anything else. */
export function readMemory(text: string | undefined): UploadMemory | undefined {
  if (text === undefined) return undefined;
  try {
    const { sinceMs, suffix, name, resume, deleting } = JSON.parse(text) as Partial<
      Record<keyof UploadMemory, unknown>
    >;
    if (typeof sinceMs !== 'number' || !Number.isSafeInteger(suffix) || typeof name !== 'string') return undefined;
    const known = { sinceMs, suffix: suffix as number, name, deleting: deleting === true };
    return typeof resume === 'string' ? { ...known, resume } : known;
  } catch {
    return undefined;
  }
}

/** Name in the object store: `folder/name~1.mp4` for the first suffix. */
export function keyOf({ name, suffix }: UploadMemory): string {
  if (suffix === 0) return name;
  const dot = name.lastIndexOf('.');
  const end = dot > name.lastIndexOf('/') ? dot : name.length;
  return `${name.slice(0, end)}~${suffix}${name.slice(end)}`;
}
