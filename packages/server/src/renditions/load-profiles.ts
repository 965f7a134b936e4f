import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { type LadderUse, MediaServerError } from '../core/index.ts';
import { DEFAULT_PROFILES } from './profile.ts';
import { type ReadProfiles, readProfiles } from './read-profiles.ts';

/** Profiles with what is to be logged of their file. */
export interface LoadedProfiles extends ReadProfiles {
  /** False when there is no such file: these are the built-in ones. */
  readonly fromFile: boolean;
}

const MAX_FILE_BYTES = 64 * 1024;

/**
 * Reads the profiles of a file; the built-in ones when it is not there.
 * @throws MediaServerError CONFIG_INVALID when it can not be read, is too large, or has a value that is not allowed
 */
export async function loadProfiles(file: string, use: LadderUse): Promise<LoadedProfiles> {
  const content = await contentOf(file);
  if (content === undefined) return { profiles: DEFAULT_PROFILES[use], warnings: [], fromFile: false };
  return { ...readProfiles(content, basename(file), use), fromFile: true };
}

async function contentOf(file: string): Promise<string | undefined> {
  try {
    await using handle = await open(file, 'r');
    // One byte more than allowed, whatever the size is said to be: it may be a pipe.
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(MAX_FILE_BYTES + 1), 0, MAX_FILE_BYTES + 1);
    if (bytesRead <= MAX_FILE_BYTES) return buffer.toString('utf8', 0, bytesRead);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new MediaServerError('CONFIG_INVALID', `${file} can not be read: ${(cause as Error).message}`, { cause });
  }
  throw new MediaServerError('CONFIG_INVALID', `${file} has more than ${MAX_FILE_BYTES} bytes`);
}
