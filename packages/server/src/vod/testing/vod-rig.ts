import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import { type FileStore, type OpenFile, Stream } from '../../core/index.ts';
import { testHub } from '../../core/testing/hub.ts';
import { Ticker } from '../../io/index.ts';
import { FolderStore } from '../folder-store.ts';
import { type VodOptions, VodResolver } from '../vod-resolver.ts';
import { Viewer } from './viewer.ts';

/** Files of this process that are open. */
export const openFiles = (): number => readdirSync('/proc/self/fd').length;

/** A resolver with a hub of its own, and its viewers. */
export class VodRig {
  readonly hub = testHub();
  readonly resolver: VodResolver;
  readonly #viewers: Viewer[] = [];
  readonly #filesBefore = openFiles();

  /** Plays the files of a folder, or of another store. */
  constructor(from: string | FileStore, options: Partial<VodOptions> = {}) {
    const store = typeof from === 'string' ? new FolderStore(from) : from;
    const stores = [{ store, readAheadMs: 1000 }];
    const defaults = { stores, loop: false, idleTimeoutMs: 200, readTimeoutMs: 5000, maxFiles: 300 };
    this.resolver = new VodResolver({ ...this.hub, ticker: new Ticker() }, { ...defaults, ...options });
  }

  /** Someone who watches the stream of that name, or that stream. */
  async view(what: string | Stream | undefined, startUs?: number): Promise<Viewer> {
    const isStream = what === undefined || what instanceof Stream;
    const viewer = new Viewer(isStream ? what : await this.resolver.resolve(what, { startUs }));
    this.#viewers.push(viewer);
    return viewer;
  }

  /** Ends everything and checks that nothing is left. */
  async close(): Promise<void> {
    for (const viewer of this.#viewers) viewer.leave();
    await this.resolver.close();
    expect(this.hub.sessions.size).toBe(0);
    expect(this.hub.streams.size).toBe(0);
    expect(this.resolver.all()).toEqual([]);
    await expect.poll(openFiles).toBe(this.#filesBefore);
  }
}

/** A store whose files do what a test wants. */
export class ScriptedStore implements FileStore {
  /** Called for each read: its bytes, or what else becomes of it. */
  onRead: (offset: number, length: number) => Promise<Uint8Array>;
  /** Files that are open. */
  openCount = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.onRead = (offset, length) => this.read(offset, length);
  }

  /** What is there, as it is there. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.#bytes.slice(offset, offset + length);
  }

  accepts(): boolean {
    return true;
  }

  async open(name: string): Promise<OpenFile> {
    this.openCount++;
    return {
      name,
      size: this.#bytes.length,
      read: (offset, length) => this.onRead(offset, length),
      close: async () => {
        this.openCount--;
      },
    };
  }
}
