import { realpath } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { MediaServerError, type Stream, type StreamResolver } from '../core/index.ts';
import { type VodDeps, VodLive } from './vod-live.ts';

const SCHEME = 'vod-live://';

export interface VodResolverOptions {
  /** Folder that files are played from; nothing outside of it can be named. */
  readonly mediaDir: string;
  readonly idleTimeoutMs: number;
}

/** Plays `vod-live://file.mp4` as a stream of that name: started by the first viewer, shared, ended after the last. */
export class VodResolver implements StreamResolver {
  readonly #deps: VodDeps;
  readonly #options: VodResolverOptions;
  readonly #starting = new Map<string, Promise<Stream | undefined>>();
  readonly #playing = new Set<VodLive>();
  #closed = false;

  constructor(deps: VodDeps, options: VodResolverOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  accepts(name: string): boolean {
    return name.startsWith(SCHEME);
  }

  resolve(name: string): Promise<Stream | undefined> {
    const present = this.#deps.streams.get(name);
    if (present !== undefined || this.#closed) return Promise.resolve(present);
    let starting = this.#starting.get(name);
    if (starting === undefined) {
      starting = this.#start(name).finally(() => this.#starting.delete(name));
      this.#starting.set(name, starting);
    }
    return starting;
  }

  /** Starts a file under a name of its own, from any place: for the server's demo, never for names from outside. */
  async play(streamName: string, path: string): Promise<void> {
    await this.#run(streamName, { path, idleTimeoutMs: 0 });
  }

  /** Ends all publications and waits for their files. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled([...this.#starting.values()]);
    const playing = [...this.#playing];
    for (const vod of playing) vod.close('server stops');
    await Promise.all(playing.map((vod) => vod.closed));
  }

  async #start(name: string): Promise<Stream | undefined> {
    const path = await this.#locate(name.slice(SCHEME.length));
    if (path === undefined) return undefined;
    return this.#run(name, { path, idleTimeoutMs: this.#options.idleTimeoutMs });
  }

  async #run(streamName: string, file: { path: string; idleTimeoutMs: number }): Promise<Stream> {
    const vod = await VodLive.start(this.#deps, { streamName, ...file });
    this.#playing.add(vod);
    void vod.closed.finally(() => this.#playing.delete(vod));
    this.#deps.log.info({ stream: streamName, file: file.path }, 'file published as live');
    return vod.stream;
  }

  /** The real path of a file below the media folder, or undefined when there is no such file. */
  async #locate(file: string): Promise<string | undefined> {
    try {
      const root = await realpath(this.#options.mediaDir);
      const path = await realpath(resolve(root, file));
      if (path.startsWith(root + sep)) return path;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ERR_INVALID_ARG_VALUE') return undefined;
      throw new MediaServerError('FILE_NOT_FOUND', `${file} can not be opened: ${code}`, { cause: error });
    }
    return undefined;
  }
}
