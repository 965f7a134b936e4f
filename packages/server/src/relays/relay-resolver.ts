import type { RelayProtocol, ResolveRequest, Stream, StreamRegistry, StreamResolver } from '../core/index.ts';
import type { RelayServer } from './relay-server.ts';

export interface RelayResolverDeps {
  readonly streams: StreamRegistry;
  readonly relays: RelayServer;
  /** Those of the relay server. */
  readonly protocols: readonly RelayProtocol[];
}

/** Addresses that say all that is needed. */
const BY_NAME: ReadonlySet<string> = new Set('rtsp rtsps rtsph rtspu rtmp rtmps srt whep wheps'.split(' '));

/** Makes streams live whose names are addresses of cameras and servers: `rtsp://user:password@camera/path`. */
export class RelayResolver implements StreamResolver {
  readonly #deps: RelayResolverDeps;
  readonly #enabled: boolean;
  readonly #starting = new Map<string, Promise<Stream>>();

  constructor(deps: RelayResolverDeps, options: { readonly enabled: boolean }) {
    this.#deps = deps;
    this.#enabled = options.enabled;
  }

  accepts(name: string): boolean {
    if (!this.#enabled) return false;
    const end = name.indexOf('://');
    // No scheme is longer; names of streams may be.
    if (end < 3 || end > 8) return false;
    const scheme = name.slice(0, end).toLowerCase();
    return BY_NAME.has(scheme) && this.#deps.protocols.some((one) => one.schemes.includes(scheme) && one.pull);
  }

  starting(name: string): boolean {
    return this.#starting.has(name) || this.#deps.relays.starting(name) !== undefined;
  }

  /** @throws MediaServerError as `RelayServer.pullByName` */
  async resolve(name: string, request: ResolveRequest = {}): Promise<Stream | undefined> {
    const starting = this.#starting.get(name) ?? this.#deps.relays.starting(name);
    const present = this.#deps.streams.get(name);
    if (starting === undefined && present !== undefined) return present;
    return orAborted(starting ?? this.#start(name), request.signal);
  }

  #start(name: string): Promise<Stream> {
    const starting = this.#deps.relays.pullByName(name).finally(() => this.#starting.delete(name));
    this.#starting.set(name, starting);
    return starting;
  }
}

/** What a viewer that has gone does not wait for may go on for others. */
async function orAborted(stream: Promise<Stream>, signal: AbortSignal | undefined): Promise<Stream | undefined> {
  if (signal === undefined) return stream;
  let onAbort = (): void => {};
  const aborted = new Promise<undefined>((resolve) => {
    onAbort = () => resolve(undefined);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  try {
    return await Promise.race([stream, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
