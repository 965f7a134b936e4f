import { readFileSync, statSync } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MediaServerError } from '../../../core/index.ts';
import {
  ApplicationError,
  defaultApplications,
  readApplication,
  type StoredApplication,
} from './stored-application.ts';

const MAX_APPLICATIONS = 10_000;
const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** A writer that is still at it after so long has died. */
const STALE_LOCK_MS = 10_000;
const LOCK_WAIT_MS = 2000;
const LOCK_POLL_MS = 20;

/**
 * The applications in the file; `absent` when there is none, which are the defaults if not said otherwise.
 * @throws MediaServerError CONFIG_INVALID that names the file and what is wrong in it
 */
export function readApplicationFile(file: string, absent = defaultApplications()): readonly StoredApplication[] {
  let text: string;
  try {
    if (statSync(file).size > MAX_FILE_BYTES) throw new Error(`it is larger than ${MAX_FILE_BYTES} bytes`);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return absent;
    throw invalid(file, error);
  }
  try {
    return parseApplications(text);
  } catch (error) {
    throw invalid(file, error);
  }
}

/**
 * Writes what `change` makes of the file's applications, as one step: two programs that change it at once do not undo
 * each other, and a reader sees the old file or the new one. Waits while another program writes.
 * @throws ApplicationError what `change` throws, or for two of one name or key; MediaServerError CONFIG_INVALID
 */
export async function changeApplicationFile(
  file: string,
  change: (applications: readonly StoredApplication[]) => readonly StoredApplication[],
  absent?: readonly StoredApplication[],
): Promise<readonly StoredApplication[]> {
  // The new file is the lock at the same time.
  const newFile = `${file}.new`;
  const handle = await openExclusively(newFile);
  try {
    const applications = change(readApplicationFile(file, absent));
    checkDistinct(applications);
    await handle.writeFile(`${JSON.stringify({ applications }, undefined, 2)}\n`);
    await handle.sync();
    await rename(newFile, file);
    await syncFolder(dirname(file));
    return applications;
  } catch (error) {
    await rm(newFile, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

function parseApplications(text: string): readonly StoredApplication[] {
  const value: unknown = JSON.parse(text);
  const list: unknown = typeof value === 'object' && value !== null && 'applications' in value && value.applications;
  if (!Array.isArray(list)) throw new Error('it has no list "applications"');
  if (list.length > MAX_APPLICATIONS) throw new Error(`it has more than ${MAX_APPLICATIONS} applications`);
  const applications = list.map((item: unknown, i) => {
    try {
      return readApplication(item);
    } catch (error) {
      throw new Error(`entry ${i + 1}: ${messageOf(error)}`, { cause: error });
    }
  });
  checkDistinct(applications);
  return applications;
}

function checkDistinct(applications: readonly StoredApplication[]): void {
  for (const field of ['name', 'appKey'] as const) {
    const seen = new Set<string>();
    for (const application of applications) {
      const value = application[field];
      if (seen.has(value)) throw new ApplicationError(409, `two applications have the ${field} "${value}"`);
      seen.add(value);
    }
  }
}

async function openExclusively(newFile: string): Promise<FileHandle> {
  const deadline = Date.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      await mkdir(dirname(newFile), { recursive: true });
      return await open(newFile, 'wx', 0o600);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw invalid(newFile, error);
      if ((await ageMs(newFile)) > STALE_LOCK_MS) await rm(newFile, { force: true });
      else if (Date.now() > deadline) throw invalid(newFile, new Error('another program is writing it; try again'));
      else await sleep(LOCK_POLL_MS);
    }
  }
}

async function ageMs(file: string): Promise<number> {
  const found = await stat(file).catch(() => undefined);
  return found === undefined ? 0 : Date.now() - found.mtimeMs;
}

/** So that the rename itself survives a power cut. Not every file system lets a folder be synced. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

function invalid(file: string, cause: unknown): MediaServerError {
  return new MediaServerError('CONFIG_INVALID', `${file}: ${messageOf(cause)}`, { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
