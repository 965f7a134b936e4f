import { createHash } from 'node:crypto';
import { mkdir, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fitBytes, safeComponent } from '../io/index.ts';
import type { AutoSnapshotOptions } from './options.ts';

const ENDINGS = { png: 'png', jpeg: 'jpg' } as const;
/** Files of ours, also of another format or naming; and what a crash left of one. */
const FILE = /^(\d{1,16})\.(?:png|jpg)$/;
const UNFINISHED = /^\.\d{1,16}\.(?:png|jpg)\.tmp$/;
/** Room for the mark that tells apart what would get the same name. */
const MARKED_BYTES = 200;

/**
 * Name of the folder of a stream's pictures: the stream's own where that can be a name of a file, else something like it
 * with a mark that no other stream has.
 */
export function folderName(streamName: string): string {
  const safe = safeComponent(streamName);
  if (safe === streamName) return safe;
  // UTF-8 would not tell apart halves of characters.
  const mark = createHash('sha256').update(Buffer.from(streamName, 'utf16le')).digest('hex').slice(0, 12);
  return safeComponent(fitBytes(safe, MARKED_BYTES), `~${mark}`) || `~${mark}`;
}

/**
 * Deletes the pictures in folders that were not written to for the longest, until there are at most `max`. Those in
 * `kept` stay, and so do files that are not ours.
 * @throws Error of the file system
 */
export async function trimFolders(dir: string, max: number, kept: ReadonlySet<string>): Promise<void> {
  const entries = await readdir(dir, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const excess = folders.length - max;
  if (excess <= 0) return;
  const aged: { readonly name: string; readonly mtimeMs: number }[] = [];
  for (const name of folders) {
    if (!kept.has(name)) aged.push({ name, mtimeMs: (await stat(join(dir, name))).mtimeMs });
  }
  aged.sort((a, b) => a.mtimeMs - b.mtimeMs);
  for (const { name } of aged.slice(0, excess)) await removeFolder(join(dir, name));
}

async function removeFolder(path: string): Promise<void> {
  const names = await readdir(path);
  const own = names.filter((name) => FILE.test(name) || UNFINISHED.test(name));
  for (const name of own) await rm(join(path, name), { force: true });
  if (own.length === names.length) await rmdir(path);
}

interface StoredPicture {
  readonly number: number;
  readonly name: string;
}

/** The pictures of one stream in files, the newest so many of them. Calls must not overlap. */
export class SnapshotFolder {
  /** Name of its folder. */
  readonly name: string;
  readonly #path: string;
  readonly #options: AutoSnapshotOptions;
  /** From the oldest on; undefined before the folder was read. */
  #pictures: StoredPicture[] | undefined;

  constructor(streamName: string, options: AutoSnapshotOptions) {
    this.name = folderName(streamName);
    this.#path = join(options.dir, this.name);
    this.#options = options;
  }

  /**
   * Writes a picture and deletes what is too many; the file appears whole.
   * @throws Error of the file system
   */
  async add(bytes: Uint8Array): Promise<void> {
    await mkdir(this.#path, { recursive: true });
    this.#pictures ??= await this.#read();
    const { naming, format, retention } = this.#options;
    const last = this.#pictures.at(-1)?.number ?? 0;
    const number = naming === 'number' ? last + 1 : Math.max(last + 1, Date.now());
    const name = `${number}.${ENDINGS[format]}`;
    const unfinished = join(this.#path, `.${name}.tmp`);
    try {
      await writeFile(unfinished, bytes);
      await rename(unfinished, join(this.#path, name));
    } catch (error) {
      await rm(unfinished, { force: true });
      // Somebody may have taken the folder away, and its files.
      this.#pictures = undefined;
      throw error;
    }
    this.#pictures.push({ number, name });
    await this.#trim(this.#pictures, retention);
  }

  async #trim(pictures: StoredPicture[], retention: number): Promise<void> {
    while (pictures.length > retention) {
      const oldest = pictures[0];
      if (oldest === undefined) return;
      await rm(join(this.#path, oldest.name), { force: true });
      pictures.shift();
    }
  }

  async #read(): Promise<StoredPicture[]> {
    const pictures: StoredPicture[] = [];
    for (const name of await readdir(this.#path)) {
      const number = FILE.exec(name)?.[1];
      if (number !== undefined) pictures.push({ number: Number(number), name });
      else if (UNFINISHED.test(name)) await rm(join(this.#path, name), { force: true });
    }
    return pictures.sort((a, b) => a.number - b.number);
  }
}
