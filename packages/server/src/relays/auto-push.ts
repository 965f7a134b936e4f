import { type Log, MediaServerError, type Stream, type StreamRegistry } from '../core/index.ts';
import type { RelayServer } from './relay-server.ts';

export interface AutoPushOptions {
  /** Where to; `{streamName}` stands for the name of the stream. */
  readonly url: string;
  /** Names of streams that are pushed; all by default. */
  readonly streams: RegExp | undefined;
  /** What servers that get streams by RTMP are told before their names. */
  readonly namePrefix: string;
}

export interface AutoPushDeps {
  readonly streams: StreamRegistry;
  readonly relays: RelayServer;
  readonly log: Log;
}

const NAME = '{streamName}';

/** Pushes each stream that is published here to another server, as the settings say. */
export class AutoPush {
  readonly #deps: AutoPushDeps;
  readonly #options: AutoPushOptions;
  #listeners: readonly Disposable[] = [];
  /** Names under which streams arrive elsewhere, or here when the address is our own. */
  readonly #arrivals = new Map<Stream, string>();

  constructor(deps: AutoPushDeps, options: AutoPushOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Begins with the streams that there are. */
  start(): void {
    const { streams } = this.#deps;
    this.#listeners = [
      streams.events.on('published', (stream) => this.#consider(stream)),
      streams.events.on('ended', (stream) => this.#arrivals.delete(stream)),
    ];
    for (const stream of streams.all()) this.#consider(stream);
  }

  /** Begins no more pushes; those that there are end with the relay server. Idempotent. */
  close(): void {
    for (const listener of this.#listeners) listener[Symbol.dispose]();
    this.#arrivals.clear();
  }

  #consider(stream: Stream): void {
    const { name } = stream;
    if (this.#options.streams?.test(name) === false || this.#arrivals.has(stream)) return;
    if (this.#cameByPush(name)) {
      this.#deps.log.info({ stream: name.slice(0, 256) }, 'not pushed by the settings: it came by such a push');
      return;
    }
    // Whoever publishes it has to be through with that first.
    queueMicrotask(() => void this.#push(stream));
  }

  async #push(stream: Stream): Promise<void> {
    const { name } = stream;
    const url = this.#options.url.replaceAll(NAME, () => encodeURIComponent(name));
    if (stream.ended || this.#arrivals.has(stream) || this.#deps.relays.isPulled(name, url)) return;
    this.#arrivals.set(stream, this.#arrivalOf(name, url));
    // The name is in it already.
    const fullUrl = this.#options.url.includes(NAME) || undefined;
    try {
      await this.#deps.relays.push({ streamName: name, url, fullUrl, origin: 'settings' });
    } catch (error) {
      if (error instanceof MediaServerError && error.code === 'RELAY_BUSY') return;
      this.#deps.log.warn({ reason: String(error) }, 'a stream can not be pushed by the settings');
    }
  }

  /** A name that one of our own pushes gives, or one that has been through two servers that push to each other. */
  #cameByPush(name: string): boolean {
    const { namePrefix } = this.#options;
    if (namePrefix !== '' && name.startsWith(namePrefix + namePrefix)) return true;
    return [...this.#arrivals].some(([{ name: own }, arrival]) => arrival === name && own !== name);
  }

  #arrivalOf(name: string, url: string): string {
    if (!this.#options.url.includes(NAME)) return this.#options.namePrefix + name;
    const last = url.split(/[?#]/, 1)[0]?.split('/').at(-1) ?? '';
    try {
      return decodeURIComponent(last);
    } catch {
      return last;
    }
  }
}
