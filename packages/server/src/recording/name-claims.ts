import { randomUUID } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { copyFile, link, lstat, mkdir, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import type { Log } from '../core/index.ts';
import { numberedName, safeComponent } from '../io/index.ts';
import type { Ledger } from './ledger.ts';
import type { StoredRecording } from './stored-recording.ts';
import { syncFolder } from './sync-folder.ts';

export interface NameClaimsParts {
  /** Absolute folder of recordings. */
  readonly recordDir: string;
  /** What becomes of a file whose name a new one takes. */
  readonly existingFile: 'keep' | 'overwrite';
  readonly ledger: Ledger;
  readonly log: Log;
}

/** A finished file that wants a name. */
export interface Claim {
  /** Id in the ledger. */
  readonly id: string;
  /** Absolute path of the file; it is not there any more when it has its name. */
  readonly finishedPath: string;
  /** The name that it wants, below the folder of recordings. */
  readonly fileName: string;
  /** Told the name that it gets, before it does. */
  onChosen(path: string, fileName: string): Promise<void>;
}

/** After so many files of one name the number is replaced by something that is surely new. */
const MAX_NUMBER = 10_000;
/** Errors of file systems that have no hard links. */
const NO_LINKS: ReadonlySet<string | undefined> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
  'EINVAL',
]);

/**
 * Gives finished files their names. At any moment, also one at which the server is killed, every file that was recorded
 * has a name of its own: files that have one already are never lost, and no two files get the same.
 */
export class NameClaims {
  readonly #parts: NameClaimsParts;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: NameClaimsParts) {
    this.#parts = parts;
  }

  /**
   * Resolves with the path that the file has got; one after the other.
   * @throws the errors of I/O; the file stays where it was
   */
  claim(claim: Claim): Promise<string> {
    const mine = this.#last.then(() => this.#claim(claim));
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  async #claim(claim: Claim): Promise<string> {
    const wanted = await this.#folderOf(claim.fileName);
    const finishedPath = await onDiskOf(wanted.folder, claim);
    for (let number = 0; ; number++) {
      const name = number === 0 ? wanted.name : numberedName(wanted.name, number);
      const path = join(wanted.folder, name);
      const before = await lstatOf(path);
      if (before?.isDirectory()) continue;
      if (before !== undefined && !(await isSame(finishedPath, before))) await this.#makeRoom(path, before, claim.id);
      await claim.onChosen(path, this.#nameBelow(path));
      if (!(await moved(finishedPath, path, before))) continue;
      await syncFolder(wanted.folder);
      return path;
    }
  }

  /** What has that name is kept under another one, or is to be overwritten. */
  async #makeRoom(path: string, found: Stats, id: string): Promise<void> {
    const { ledger, existingFile, log } = this.#parts;
    const owner = await this.#ownerOf(path, found, id);
    // An empty file marks a name that was claimed when the server was killed.
    if (found.size === 0 && owner === undefined) return;
    if (existingFile === 'overwrite') {
      log.info({ path, id }, 'a recording is overwritten by one of the same name');
      if (owner !== undefined) ledger.remove(owner.entry.id);
      return;
    }
    await keepUnder(path, async (kept) => {
      log.info({ path, kept }, 'a recording gives its name to a newer one');
      if (owner === undefined) return;
      ledger.update(owner.entry.id, { path: kept, entry: { fileName: this.#nameBelow(kept) } });
      await ledger.flushed();
    });
  }

  /** The other recording whose file has that path. */
  async #ownerOf(path: string, found: Stats, id: string): Promise<StoredRecording | undefined> {
    let owner: StoredRecording | undefined;
    for (const recording of this.#parts.ledger.withPath(path)) {
      const { entry, finishedPath } = recording;
      if (entry.id === id) continue;
      if (entry.state === 'finalising' && finishedPath !== undefined) {
        // It wants the path, and has it only when its file is there, not where it was before.
        const other = await lstatOf(finishedPath);
        if (other !== undefined && !isSameFile(other, found)) continue;
        return recording;
      }
      owner = recording;
    }
    return owner;
  }

  /** Makes the folders of a name. Links that lead out of the folder of recordings are not followed. */
  async #folderOf(fileName: string): Promise<{ readonly folder: string; readonly name: string }> {
    const { recordDir } = this.#parts;
    await mkdir(recordDir, { recursive: true });
    const root = await realpath(recordDir);
    const components = fileName.split('/');
    const name = components.pop() as string;
    let folder = recordDir;
    for (const component of components) {
      folder = join(folder, component);
      if (await isFolderWithin(folder, root)) continue;
      // No such folder can be had: its name becomes a part of the file's.
      return { folder: recordDir, name: safeComponent(fileName) };
    }
    return { folder, name };
  }

  #nameBelow(path: string): string {
    return relative(this.#parts.recordDir, path).split(sep).join('/');
  }
}

async function isFolderWithin(folder: string, root: string): Promise<boolean> {
  try {
    await mkdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const resolved = await realpath(folder).catch(() => '');
  return resolved.startsWith(`${root}${sep}`) && (await stat(resolved)).isDirectory();
}

/** The finished file on the disk of the folder of its name: a folder below that of recordings can be another disk. */
async function onDiskOf(folder: string, { id, finishedPath }: Claim): Promise<string> {
  const file = await stat(finishedPath);
  if ((await stat(folder)).dev === file.dev) return finishedPath;
  const beside = pathBeside(folder, id);
  await copyFile(finishedPath, beside);
  await using copy = await open(beside, 'r+');
  await copy.sync();
  return beside;
}

/** Where a copy is made of the file of a recording that gets its name in that folder. */
export function pathBeside(folder: string, id: string): string {
  return join(folder, `.${safeComponent(id)}.new`);
}

/** Gives a file its name, in one step; false when another program was faster. */
async function moved(from: string, to: string, before: Stats | undefined): Promise<boolean> {
  if (before !== undefined) {
    if (await isSame(from, before)) await rm(from);
    else await rename(from, to);
    return true;
  }
  const linked = await linkedTo(from, to);
  if (linked === 'taken') return false;
  if (linked === 'linked') await rm(from);
  else await rename(from, to);
  return true;
}

/**
 * Keeps the file of a path under another name too; the path may be overwritten then. That name is told as soon as it is
 * certain: should the server be killed then, the next try chooses the same.
 */
async function keepUnder(path: string, onChosen: (kept: string) => Promise<void>): Promise<void> {
  const before = await lstat(path);
  for (let number = 1; ; number++) {
    const name = number < MAX_NUMBER ? numberedName(basename(path), number) : randomName(path);
    const kept = join(dirname(path), name);
    const result = await linkedTo(path, kept);
    // It is that very file or an empty one when the server was killed before the name was taken.
    const found = result === 'taken' ? await lstatOf(kept) : undefined;
    const isMarked = result === 'marked' || (found?.isFile() === true && found.size === 0);
    if (result === 'taken' && !isMarked && !(found !== undefined && isSameFile(found, before))) continue;
    await onChosen(kept);
    if (isMarked) await rename(path, kept);
    return syncFolder(dirname(path));
  }
}

function randomName(path: string): string {
  const dot = path.lastIndexOf('.');
  return safeComponent(`${randomUUID()}~${basename(path).slice(0, 100)}`, dot > 0 ? path.slice(dot).slice(0, 20) : '');
}

/** `marked`: there are no hard links here, an empty file has the name now. */
async function linkedTo(from: string, to: string): Promise<'linked' | 'marked' | 'taken'> {
  try {
    await link(from, to);
    return 'linked';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return 'taken';
    if (!NO_LINKS.has(code)) throw error;
  }
  try {
    await (await open(to, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o640)).close();
    return 'marked';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return 'taken';
    throw error;
  }
}

/** True when a path is another name of that very file. */
async function isSame(path: string, other: Stats): Promise<boolean> {
  const one = await lstatOf(path);
  return one !== undefined && isSameFile(one, other);
}

function isSameFile(one: Stats, other: Stats): boolean {
  return one.ino === other.ino && one.dev === other.dev;
}

/** Undefined when nothing is there. */
export async function lstatOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
