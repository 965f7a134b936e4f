import { stat } from 'node:fs/promises';
import type { ApplicationChange, NewApplication } from '@sluice/contract';
import type { Log } from '../../../core/index.ts';
import { changeApplicationFile, readApplicationFile } from './application-file.ts';
import { ApplicationError, readApplication, type StoredApplication } from './stored-application.ts';

/** The file is looked at this often, so that the command line works beside a running server. */
const DEFAULT_POLL_MS = 1000;

export interface ApplicationStoreOptions {
  readonly file: string;
  readonly log: Log;
  readonly pollIntervalMs?: number | undefined;
}

/** The applications of this server: those of a file, which may be changed by others at any time. */
export class ApplicationStore {
  readonly #file: string;
  readonly #log: Log;
  readonly #pollIntervalMs: number;
  readonly #listeners = new Set<() => void>();
  #byKey: ReadonlyMap<string, StoredApplication>;
  #seen = '';
  #timer: NodeJS.Timeout | undefined;
  #looking = false;

  /** @throws MediaServerError CONFIG_INVALID when the file can't be used */
  constructor({ file, log, pollIntervalMs = DEFAULT_POLL_MS }: ApplicationStoreOptions) {
    this.#file = file;
    this.#log = log;
    this.#pollIntervalMs = pollIntervalMs;
    this.#byKey = index(readApplicationFile(file));
  }

  /** Follows changes of the file from now on. One that can't be used is logged, and changes nothing. */
  start(): void {
    this.#timer ??= setInterval(() => void this.#look(), this.#pollIntervalMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** The application that clients name by this key. */
  get(appKey: string): StoredApplication | undefined {
    return this.#byKey.get(appKey);
  }

  all(): readonly StoredApplication[] {
    return [...this.#byKey.values()];
  }

  /** The application of that name. */
  named(name: string): StoredApplication | undefined {
    return this.all().find((application) => application.name === name);
  }

  /** Calls `listener` after each change. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Adds an application. @throws ApplicationError 400 for a value that can't be, 409 for a name or key in use */
  async add(application: NewApplication): Promise<StoredApplication> {
    const added = readApplication(application);
    await this.#change((applications) => [...applications, added]);
    return added;
  }

  /** Changes the application of that name. @throws ApplicationError */
  async update(change: ApplicationChange): Promise<StoredApplication> {
    let changed: StoredApplication | undefined;
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    await this.#change((applications) => {
      const old = existing(applications, change.name);
      const updated = readApplication({ ...old, ...given });
      changed = updated;
      return applications.map((application) => (application === old ? updated : application));
    });
    // The callback has run: it throws otherwise.
    return changed as StoredApplication;
  }

  /** Removes the application of that name: clients that name it are refused from now on. @throws ApplicationError 404 */
  async remove(name: string): Promise<void> {
    await this.#change((applications) => {
      const gone = existing(applications, name);
      return applications.filter((application) => application !== gone);
    });
  }

  async #change(change: (applications: readonly StoredApplication[]) => readonly StoredApplication[]): Promise<void> {
    this.#byKey = index(await changeApplicationFile(this.#file, change, this.all()));
    this.#changed();
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const found = await stat(this.#file).catch(() => undefined);
      const seen = found === undefined ? '' : `${found.ino} ${found.size} ${found.mtimeMs}`;
      if (seen === this.#seen || this.#timer === undefined) return;
      this.#seen = seen;
      // Without it nobody would be asked about anything, and some programs take a file away before they write it anew.
      if (found === undefined) throw new Error(`${this.#file} is gone`);
      this.#byKey = index(readApplicationFile(this.#file, this.all()));
      this.#changed();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#log.error({ why }, 'the file of applications can not be used; the applications stay as they were');
    } finally {
      this.#looking = false;
    }
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

function existing(applications: readonly StoredApplication[], name: string): StoredApplication {
  const found = applications.find((application) => application.name === name);
  if (found === undefined) throw new ApplicationError(404, `there is no application "${name}"`);
  return found;
}

function index(applications: readonly StoredApplication[]): ReadonlyMap<string, StoredApplication> {
  return new Map(applications.map((application) => [application.appKey, application]));
}
