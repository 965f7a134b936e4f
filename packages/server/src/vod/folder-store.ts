import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { type FileStore, MediaServerError, type OpenFile } from '../core/index.ts';

/** What the operating system says of a name that is no file, whatever the reason. */
const NO_FILE: ReadonlySet<string | undefined> = new Set([
  'ENOENT',
  'ENOTDIR',
  'ELOOP',
  'ENAMETOOLONG',
  'EINVAL',
  'EISDIR',
  'ENXIO',
  'ERR_INVALID_ARG_VALUE',
]);
/** A pipe in the folder must not hold up whoever names it. Windows has no such flag. */
const READ_ONLY = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * The files of a folder and of the folders below it. Links are followed while they stay inside; nothing outside can be
 * named, and nothing by `.` and `..`. A name may be percent-encoded where an address needs that.
 */
export class FolderStore implements FileStore {
  readonly #folder: string;

  /** `folder` is an absolute path; it need not exist yet. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** True for any name: to be asked after other stores. */
  accepts(_name: string): boolean {
    return true;
  }

  async open(name: string, signal: AbortSignal): Promise<OpenFile | undefined> {
    if (signal.aborted) return undefined;
    try {
      const path = (await this.#locate(name)) ?? (await this.#locate(decoded(name)));
      return path === undefined ? undefined : await LocalFile.open(name, path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (NO_FILE.has(code)) return undefined;
      throw new MediaServerError('FILE_UNREADABLE', `${name} can not be opened: ${code}`, { cause: error });
    }
  }

  /** The real path of a file below the folder, or undefined when there is no such file. */
  async #locate(name: string | undefined): Promise<string | undefined> {
    if (name === undefined || name === '' || hasDirections(name)) return undefined;
    try {
      const root = await realpath(this.#folder);
      const path = await realpath(resolve(root, name));
      return path.startsWith(root.endsWith(sep) ? root : root + sep) ? path : undefined;
    } catch (error) {
      if (NO_FILE.has((error as NodeJS.ErrnoException).code)) return undefined;
      throw error;
    }
  }
}

/** Who may play what is decided by the name: `free/../paid.mp4` is not to count as one of `free/`. */
function hasDirections(name: string): boolean {
  return name.split(/[/\\]/).some((part) => part === '.' || part === '..');
}

/** Undefined for a name that is not percent-encoded. */
function decoded(name: string): string | undefined {
  if (!name.includes('%')) return undefined;
  try {
    return decodeURIComponent(name);
  } catch {
    return undefined;
  }
}

/** An ordinary file, open for reading. */
export class LocalFile implements OpenFile {
  readonly name: string;
  /** As it was when the file was opened. */
  readonly size: number;
  readonly #handle: FileHandle;

  private constructor(name: string, handle: FileHandle, size: number) {
    this.name = name;
    this.#handle = handle;
    this.size = size;
  }

  /** Undefined for what is no ordinary file. @throws what the operating system says */
  static async open(name: string, path: string): Promise<LocalFile | undefined> {
    const handle = await open(path, READ_ONLY);
    try {
      const facts = await handle.stat();
      if (facts.isFile()) return new LocalFile(name, handle, facts.size);
    } catch (error) {
      await handle.close();
      throw error;
    }
    await handle.close();
    return undefined;
  }

  /** Fewer bytes than asked for are given only at the end of the file. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const buffer = new Uint8Array(Math.max(0, Math.min(length, this.size - offset)));
    let filled = 0;
    // One read gives less than asked for at the end of the file, and where a signal or the storage cuts it short.
    while (filled < buffer.length) {
      const { bytesRead } = await this.#handle.read(buffer, filled, buffer.length - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled === buffer.length ? buffer : buffer.subarray(0, filled);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
