import { stat } from 'node:fs/promises';
import type { Log } from '../../core/index.ts';
import { RateLimiter } from '../../io/index.ts';
import { hashPassword, randomPassword } from './password-hash.ts';
import { createUsers, readUsers, type StoredUser } from './users-file.ts';

/** Who may log in. */
export interface UserStore {
  /** The user of that name as of now, also one who is not active. */
  find(name: string): Promise<StoredUser | undefined>;
}

/** Nobody may log in. */
export const NO_USERS: UserStore = { find: async () => undefined };

export const FIRST_USER = 'admin';

/** The users in a file, which others may change at any time: the command line does. */
export class Users implements UserStore {
  readonly #file: string;
  readonly #log: Log;
  readonly #logLimit = new RateLimiter(1);
  #users = new Map<string, StoredUser>();
  #version = '';
  #refreshing: Promise<void> | undefined;

  constructor(file: string, log: Log) {
    this.#file = file;
    this.#log = log;
  }

  /**
   * Reads the file, or makes it with the user `admin`, who has `adminPassword` or else one that is made up.
   * @returns the password that was made up; nobody can find it out later
   * @throws MediaServerError CONFIG_INVALID for a file that can't be used
   */
  async start(adminPassword: string): Promise<string | undefined> {
    const made = adminPassword === '' ? randomPassword() : undefined;
    const users = await readUsers(this.#file);
    const created =
      users === undefined &&
      (await createUsers(this.#file, [
        { name: FIRST_USER, passwordHash: await hashPassword(made ?? adminPassword), active: true },
      ]));
    await this.#load();
    return created ? made : undefined;
  }

  async find(name: string): Promise<StoredUser | undefined> {
    // Requests that come while the file is looked at share the look.
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    await this.#refreshing;
    return this.#users.get(name);
  }

  /** A file that has become unusable changes nothing: a slip in it must not lock everybody out, nor let anybody in. */
  async #refresh(): Promise<void> {
    try {
      if ((await this.#currentVersion()) !== this.#version) await this.#load();
    } catch (err) {
      if (this.#logLimit.take() >= 0)
        this.#log.error({ err, file: this.#file }, 'the file of the users can not be read: those known before count');
    }
  }

  async #load(): Promise<void> {
    // The version first: what changes between the two is read again then.
    const version = await this.#currentVersion();
    const users = await readUsers(this.#file);
    this.#users = new Map(users?.map((user) => [user.name, user]));
    this.#version = version;
  }

  async #currentVersion(): Promise<string> {
    try {
      const { ino, mtimeNs, size } = await stat(this.#file, { bigint: true });
      return `${ino} ${mtimeNs} ${size}`;
    } catch (error) {
      // A file that is gone has no users.
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'none';
      throw error;
    }
  }
}
