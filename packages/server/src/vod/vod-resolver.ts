import { basename } from 'node:path';
import {
  type FileStore,
  type FileStream,
  type FileStreams,
  MediaServerError,
  type OpenFile,
  type ResolveRequest,
  type Stream,
  type StreamResolver,
} from '../core/index.ts';
import { type FilePlayOptions, FilePublication, type VodDeps } from './file-publication.ts';
import { LocalFile } from './folder-store.ts';
import { MediaFile } from './media-file.ts';
import { PatientFile } from './patient-file.ts';
import { audienceOf, isVodName, parseVodName } from './vod-name.ts';

/** A store with how much of its files is to be read ahead. */
export interface VodStore {
  readonly store: FileStore;
  readonly readAheadMs: number;
}

export interface VodOptions {
  /** Asked in order. */
  readonly stores: readonly VodStore[];
  /** Streams of `vod-live://` begin anew at the end of their file. */
  readonly loop: boolean;
  /** Streams of `vod-live://` go on for this long after their last viewer, milliseconds. */
  readonly idleTimeoutMs: number;
  /** A file whose storage gives nothing for this long is given up, milliseconds. */
  readonly readTimeoutMs: number;
  /** Files that may play at the same time. */
  readonly maxFiles: number;
}

/** Local files are read so far ahead, milliseconds: longer than a disk takes to wake up matters little to a player. */
export const LOCAL_READ_AHEAD_MS = 1000;

/** How a file is to be played, but for where it is. */
type HowToPlay = Omit<FilePlayOptions, 'readAheadMs'>;

/**
 * Plays files: `vod-live://file.mp4` as a stream of that name, started by the first viewer, shared, ended after the
 * last; `vod://file.mp4` to each viewer from the beginning, as a stream that only that viewer has.
 */
export class VodResolver implements StreamResolver, FileStreams {
  readonly #deps: VodDeps;
  readonly #options: VodOptions;
  readonly #starting = new Map<string, Promise<Stream>>();
  /** Files that are being opened, with what gives that up. */
  readonly #opening = new Map<Promise<FilePublication>, AbortController>();
  readonly #playing = new Set<FilePublication>();
  #closed = false;

  constructor(deps: VodDeps, options: VodOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  accepts(name: string): boolean {
    return isVodName(name);
  }

  personal(name: string): boolean {
    return audienceOf(name) === 'personal';
  }

  /** @throws MediaServerError FILE_NOT_FOUND, FILE_INVALID, FILE_UNREADABLE, STREAM_NAME_INVALID, STREAM_LIMIT */
  async resolve(name: string, request: ResolveRequest = {}): Promise<Stream | undefined> {
    const parsed = parseVodName(name);
    if (parsed === undefined || this.#closed) return undefined;
    const { audience, file, startUs } = parsed;
    const how = { streamName: name, uri: name, audience, loop: this.#options.loop };
    if (audience === 'personal') {
      const loop = request.loop ?? false;
      const personal = { ...how, loop, startUs: startUs ?? request.startUs ?? 0, idleTimeoutMs: undefined };
      return this.#playPersonal(file, personal, request.signal);
    }
    const present = this.#deps.streams.get(name);
    if (present !== undefined) return present;
    let starting = this.#starting.get(name);
    if (starting === undefined) {
      const { idleTimeoutMs } = this.#options;
      starting = this.#play(file, { ...how, startUs: startUs ?? 0, idleTimeoutMs })
        .then(({ stream }) => stream)
        .finally(() => this.#starting.delete(name));
      this.#starting.set(name, starting);
    }
    return starting;
  }

  async startup(uri: string, options: { readonly streamName: string; readonly loop?: boolean }): Promise<void> {
    const parsed = parseVodName(uri);
    if (parsed?.audience !== 'live')
      throw new MediaServerError('STREAM_NAME_INVALID', `${uri.slice(0, 256)} does not begin with vod-live://`);
    const { streamName, loop = this.#options.loop } = options;
    const { idleTimeoutMs } = this.#options;
    const startUs = parsed.startUs ?? 0;
    await this.#play(parsed.file, { streamName, uri, audience: 'live', startUs, loop, idleTimeoutMs });
  }

  all(): readonly FileStream[] {
    return Array.from(this.#playing, (publication) => publication.facts());
  }

  terminate(match: { readonly uri?: string | undefined; readonly streamName?: string | undefined }): boolean {
    const found = [...this.#playing].filter(
      ({ options: { uri, streamName } }) =>
        (match.uri === undefined || match.uri === uri) &&
        (match.streamName === undefined || match.streamName === streamName),
    );
    for (const publication of found) publication.close('terminated');
    return found.length > 0;
  }

  /**
   * Plays a file of any place over and over under a name of its own, for ever: for the server's demo, never for names
   * from outside.
   * @throws MediaServerError FILE_NOT_FOUND, FILE_INVALID, FILE_UNREADABLE, STREAM_NAME_BUSY
   */
  async playForEver(streamName: string, path: string): Promise<void> {
    const uri = `vod-live://${basename(path)}`;
    const how = { streamName, uri, audience: 'live', startUs: 0, loop: true, idleTimeoutMs: undefined } as const;
    const open = () => LocalFile.open(streamName, path);
    await this.#track((signal) => this.#start(open, { ...how, readAheadMs: LOCAL_READ_AHEAD_MS }, signal));
  }

  /** Ends all that plays and waits for its files. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const search of this.#opening.values()) search.abort();
    await Promise.allSettled([...this.#opening.keys()]);
    const playing = [...this.#playing];
    for (const publication of playing) publication.close('server stops');
    await Promise.all(playing.map(({ closed }) => closed));
  }

  async #playPersonal(file: string, how: HowToPlay, signal: AbortSignal | undefined): Promise<Stream | undefined> {
    const publication = await this.#play(file, how, signal);
    const leave = (): void => publication.close('the viewer has left');
    signal?.addEventListener('abort', leave, { once: true });
    if (signal?.aborted === true) leave();
    return publication.stream;
  }

  async #play(file: string, how: HowToPlay, signal?: AbortSignal): Promise<FilePublication> {
    const { maxFiles, stores } = this.#options;
    if (this.#playing.size + this.#opening.size >= maxFiles)
      throw new MediaServerError('STREAM_LIMIT', `the limit of ${maxFiles} files is reached (vod_max_files)`);
    const found = stores.find(({ store }) => store.accepts(file));
    if (found === undefined) throw notFound(file);
    const { store, readAheadMs } = found;
    return this.#track((ended) => this.#start(() => store.open(file, ended), { ...how, readAheadMs }, ended), signal);
  }

  /** Keeps count of a file from before it is opened until it is closed; `signal` and our own end give up opening it. */
  async #track(
    start: (signal: AbortSignal) => Promise<FilePublication>,
    signal?: AbortSignal,
  ): Promise<FilePublication> {
    const search = new AbortController();
    const abort = (): void => search.abort();
    signal?.addEventListener('abort', abort, { once: true });
    if (signal?.aborted === true) abort();
    const opening = start(search.signal);
    this.#opening.set(opening, search);
    try {
      const publication = await opening;
      this.#playing.add(publication);
      void publication.closed.then(() => this.#playing.delete(publication));
      return publication;
    } catch (error) {
      this.#deps.counters.count('vod_bad_files');
      throw error;
    } finally {
      this.#opening.delete(opening);
      signal?.removeEventListener('abort', abort);
    }
  }

  async #start(
    open: () => Promise<OpenFile | undefined>,
    options: FilePlayOptions,
    signal: AbortSignal,
  ): Promise<FilePublication> {
    const found = await open();
    if (found === undefined) throw notFound(options.uri);
    const patient = new PatientFile(found, this.#options.readTimeoutMs);
    const leave = (): void => void patient.close();
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    try {
      this.#deps.counters.count('vod_files_opened');
      const file = await MediaFile.open(patient);
      const publication = await FilePublication.start(this.#deps, file, options);
      const { streamName, audience, startUs } = options;
      const { skipped } = file;
      this.#deps.log.info({ stream: streamName, audience, startUs, skipped }, 'file plays');
      return publication;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }
}

function notFound(name: string): MediaServerError {
  return new MediaServerError('FILE_NOT_FOUND', `there is no file "${name.slice(0, 256)}"`);
}
