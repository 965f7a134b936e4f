import { stat } from 'node:fs/promises';
import { type Log, MediaServerError } from '../../core/index.ts';
import { RateLimiter } from '../../io/index.ts';
import { hashPassword, passwordFault, randomPassword } from './password-hash.ts';
import { createUsers, readUsers, type StoredUser } from './users-file.ts';

/** Who may log in. */
export interface UserStore {
  /** The user of that name as of now, also one who is not active. */
  find(name: string): Promise<StoredUser | undefined>;
}

/** Nobody may log in. */
export const NO_USERS: UserStore = { find: async () => undefined };

export const FIRST_USER = 'admin';

const NO_FILE = 'none';

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
   * Reads the file, if there is one.
   * @throws MediaServerError CONFIG_INVALID for a file that can't be used
   */
  start(): Promise<void> {
    return this.#load();
  }

  /**
   * Makes the file if there is none, with the user `admin`, who has `adminPassword` or else one that is made up.
   * @returns the password that was made up; nobody can find it out later
   * @throws MediaServerError CONFIG_INVALID when the password or the folder can't be used
   */
  async makeFirst(adminPassword: string): Promise<string | undefined> {
    const fault = adminPassword === '' ? undefined : passwordFault(adminPassword);
    if (fault !== undefined) throw new MediaServerError('CONFIG_INVALID', `admin_password ${fault}`);
    if ((await this.#currentVersion()) !== NO_FILE) return undefined;
    const password = adminPassword || randomPassword();
    const passwordHash = await hashPassword(password);
    let created: boolean;
    try {
      created = await createUsers(this.#file, [{ name: FIRST_USER, passwordHash, active: true }]);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new MediaServerError('CONFIG_INVALID', `can't write the file of the users: ${why}`, { cause });
    }
    await this.#load();
    return created && adminPassword === '' ? password : undefined;
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
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return NO_FILE;
      throw error;
    }
  }
}
