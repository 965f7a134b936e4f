import { realpath, stat } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';

/** A file that may be sent. */
export interface RequestedFile {
  /** Where it really is. */
  readonly path: string;
  /** Its name below the folder of recordings, with slashes. */
  readonly name: string;
}

export interface ServedFolder {
  /** Absolute. */
  readonly root: string;
  /** Absolute folders whose files are not sent. */
  readonly excluded: readonly string[];
}

const MAX_COMPONENTS = 64;
const MAX_COMPONENT_BYTES = 255;

/**
 * Reads the path of an address below a folder: its parts, decoded. `malformed` for a broken encoding or a NUL; undefined
 * when no file that may be sent can have that name.
 */
export function parsePath(path: string): readonly string[] | 'malformed' | undefined {
  const parts: string[] = [];
  for (const encoded of path.split('/')) {
    let part: string;
    try {
      part = decodeURIComponent(encoded);
    } catch {
      return 'malformed';
    }
    if (part.includes('\0')) return 'malformed';
    // Hidden ones, `.` and `..` included; slashes that were encoded; backslashes, which are slashes on Windows.
    if (part === '' || part.startsWith('.') || /[/\\\p{Cc}]/u.test(part)) return undefined;
    if (Buffer.byteLength(part) > MAX_COMPONENT_BYTES) return undefined;
    parts.push(part);
  }
  return parts.length > MAX_COMPONENTS ? undefined : parts;
}

/** Finds a file by the parts of its name; undefined when there is none that may be sent. */
export async function findFile(folder: ServedFolder, parts: readonly string[]): Promise<RequestedFile | undefined> {
  const name = parts.join('/');
  // Recordings have their names in NFC; a client may have typed the letters otherwise.
  return (
    (await findNamed(folder, name)) ?? (name.normalize() === name ? undefined : findNamed(folder, name.normalize()))
  );
}

async function findNamed({ root, excluded }: ServedFolder, name: string): Promise<RequestedFile | undefined> {
  const realRoot = await existing(root);
  const path = realRoot && (await existing(join(realRoot, name)));
  if (realRoot === undefined || path === undefined || !isWithin(realRoot, path)) return undefined;
  // What a link leads to is judged by where it is.
  const realName = relative(realRoot, path).split(sep);
  if (realName.some((part) => part.startsWith('.'))) return undefined;
  for (const one of excluded) if (isWithin((await existing(one)) ?? resolve(one), path)) return undefined;
  const isFile = await stat(path).then(
    (facts) => facts.isFile(),
    () => false,
  );
  return isFile ? { path, name: realName.join('/') } : undefined;
}

async function existing(path: string): Promise<string | undefined> {
  return await realpath(path).catch(() => undefined);
}

/** True for what is below a folder. */
export function isWithin(folder: string, path: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
