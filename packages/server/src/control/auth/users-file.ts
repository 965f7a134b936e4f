import { randomBytes } from 'node:crypto';
import { type FileHandle, link, mkdir, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MediaServerError } from '../../core/index.ts';
import { isPasswordHash } from './password-hash.ts';

/** Somebody who may use the REST API and the console. */
export interface StoredUser {
  readonly name: string;
  /** Hash of the password, see password-hash.ts. */
  readonly passwordHash: string;
  /** False: may not log in for now. */
  readonly active: boolean;
}

export const USERS_FILE = 'users.json';

const MAX_BYTES = 1024 * 1024;
const MAX_USERS = 1000;
const PRIVATE = 0o600;

/** Whether a user can have that name: no colon, which ends a name in HTTP Basic, and nothing that confuses a terminal. */
export function isUserName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/.test(name);
}

/**
 * The users in that file, or undefined when there is no such file.
 * @throws MediaServerError CONFIG_INVALID, naming file and fault but no hash, when it can't be read or used
 */
export async function readUsers(file: string): Promise<readonly StoredUser[] | undefined> {
  let text: string;
  try {
    const handle = await open(file, 'r');
    try {
      text = await readBounded(handle);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw unusable(file, cause instanceof Error ? cause.message : String(cause), cause);
  }
  return parseUsers(file, text);
}

/**
 * Writes the file whole: whoever reads it at that moment sees the old one or the new one. Only its owner may read it.
 * @throws when the folder can't be written to
 */
export async function writeUsers(file: string, users: readonly StoredUser[]): Promise<void> {
  await writeBeside(file, users, (made) => rename(made, file));
}

/** The same for a file that must not exist yet; false, and nothing is written, when it does. */
export async function createUsers(file: string, users: readonly StoredUser[]): Promise<boolean> {
  return await writeBeside(file, users, async (made) => {
    try {
      await link(made, file);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
      if (error.code === 'EEXIST') {
        await unlink(made);
        return false;
      }
      // Not every file system has links.
      await rename(made, file);
      return true;
    }
    await unlink(made);
    return true;
  });
}

async function writeBeside<T>(
  file: string,
  users: readonly StoredUser[],
  put: (made: string) => Promise<T>,
): Promise<T> {
  const list = users.map(({ name, passwordHash, active }) => ({ name, password: passwordHash, active }));
  await mkdir(dirname(file), { recursive: true });
  const made = `${file}.${randomBytes(6).toString('hex')}.new`;
  try {
    const handle = await open(made, 'wx', PRIVATE);
    try {
      await handle.writeFile(`${JSON.stringify({ version: 1, users: list }, undefined, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    return await put(made);
  } catch (error) {
    await unlink(made).catch(() => {});
    throw error;
  }
}

/** Reads a byte more than allowed at most, whatever is behind the name. */
async function readBounded(handle: FileHandle): Promise<string> {
  const buffer = Buffer.alloc(MAX_BYTES + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
    length += bytesRead;
    if (length > MAX_BYTES) throw new Error('it is larger than 1 MiB');
    if (bytesRead === 0) return buffer.toString('utf8', 0, length);
  }
}

function parseUsers(file: string, text: string): readonly StoredUser[] {
  const list = userList(file, text);
  if (list.length > MAX_USERS) throw unusable(file, `it has more than ${MAX_USERS} users`);
  const names = new Set<string>();
  return list.map((item, index) => {
    const user = parseUser(item);
    if (user === undefined) throw unusable(file, `entry ${index + 1} of "users" is not {name, password, active}`);
    if (names.has(user.name)) throw unusable(file, `the user ${user.name} is in it twice`);
    names.add(user.name);
    return user;
  });
}

function userList(file: string, text: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message quotes the text, and so maybe a hash.
    throw unusable(file, 'it is not JSON');
  }
  const fields: { version?: unknown; users?: unknown } = typeof value === 'object' && value !== null ? value : {};
  const { version, users } = fields;
  if (version !== 1 || !Array.isArray(users)) throw unusable(file, 'it is not {"version": 1, "users": [...]}');
  return users;
}

function parseUser(item: unknown): StoredUser | undefined {
  if (typeof item !== 'object' || item === null) return undefined;
  if (!('name' in item && 'password' in item && 'active' in item)) return undefined;
  const { name, password, active } = item;
  if (typeof name !== 'string' || typeof password !== 'string' || typeof active !== 'boolean') return undefined;
  return isUserName(name) && isPasswordHash(password) ? { name, passwordHash: password, active } : undefined;
}

function unusable(file: string, why: string, cause?: unknown): MediaServerError {
  return new MediaServerError('CONFIG_INVALID', `${file} can not be used: ${why}`, { cause });
}
