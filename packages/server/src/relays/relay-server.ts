import {
  findStream,
  MediaServerError,
  nameForOthers,
  type PullStart,
  type PushOptions,
  type PushStart,
  type RelayFacts,
  type RelayProtocol,
  type RelaySound,
  type Relays,
  type Stream,
  withoutCredentials,
} from '../core/index.ts';
import { DEFAULT_RELAY_OPTIONS, type RelayOptions } from './options.ts';
import { PullRelay } from './pull-relay.ts';
import { PushRelay, type PushSource } from './push-relay.ts';
import type { Relay, RelayDeps, RelayEnv, RelaySpec } from './relay.ts';
import { openSoundFile } from './sound/sound-file.ts';

/** A connection that does not end when it is told to is not waited for longer. */
const CLOSE_WAIT_MS = 2000;
/** How often relays are looked after. */
const TICK_MS = 50;
const HAS_SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;
const SPEAKS_OUR_PROTOCOL = /^wss?:/i;

/** Streams that are pulled from other servers and pushed to them. */
export class RelayServer implements Relays {
  readonly #deps: RelayDeps;
  readonly #options: RelayOptions;
  readonly #env: RelayEnv;
  /** By what must not be there twice. */
  readonly #relays = new Map<string, Relay>();
  /** What begins at this moment. */
  readonly #beginning = new Set<string>();
  /** Relays that are over and whose connections are not yet. */
  readonly #closing = new Map<Relay, Promise<void>>();
  #tick: Disposable | undefined;
  #tickedMs = 0;
  #closed = false;

  constructor(deps: RelayDeps, options: Partial<RelayOptions> = {}) {
    this.#deps = deps;
    this.#options = { ...DEFAULT_RELAY_OPTIONS, ...options };
    this.#env = { deps, options: this.#options, onOver: (relay) => this.#onOver(relay) };
  }

  all(): readonly RelayFacts[] {
    return Array.from(this.#relays.values(), (relay) => relay.facts());
  }

  get(mediaSessionId: string): RelayFacts | undefined {
    return this.#find(mediaSessionId)?.facts();
  }

  async pull(start: PullStart): Promise<RelayFacts> {
    return (await this.#pull(start)).facts();
  }

  /**
   * For a viewer that asks for an address as the name of a stream: the stream, once it has media. Concurrent calls share
   * one relay, which is gone again when its first attempt comes to nothing.
   * @throws MediaServerError SOURCE_NOT_FOUND, SOURCE_UNREACHABLE, SOURCE_REFUSED, SOURCE_INVALID, and those of `pull`
   */
  async pullByName(url: string): Promise<Stream> {
    return (await this.#pull({ url, origin: 'viewer' })).first;
  }

  /** The relay that publishes that stream, while it may yet come to nothing: what becomes of it. */
  starting(streamName: string): Promise<Stream> | undefined {
    const relay = this.#pullOf(streamName);
    return relay?.spec.origin === 'viewer' && relay.starting ? relay.first : undefined;
  }

  /** True when that stream is pulled from that address. */
  isPulled(streamName: string, url: string): boolean {
    return this.#pullOf(streamName)?.spec.target === this.#target(url);
  }

  async push(start: PushStart): Promise<RelayFacts> {
    const { streamName, url, remoteStreamName, appKey = 'defaultApp', origin = 'api', ...options } = start;
    const spec = this.#spec('push', { streamName, url, remoteStreamName, appKey, origin, options });
    return this.#begin(spec, async () => {
      // What the settings say is tried until it works, also where a name can't be resolved at this moment.
      if (origin !== 'settings') await this.#deps.outbound.resolve(spec.target);
      if (this.isPulled(streamName, url)) throw new MediaServerError('URL_INVALID', 'the stream is pulled from there');
      if (options.sound !== undefined) await this.#tryOut(options.sound);
      const source = await this.#source(streamName);
      return () => this.#makePush(spec, source);
    }).then((relay) => relay.facts());
  }

  end(matches: (relay: RelayFacts) => boolean, reason: string): number {
    const found = [...this.#relays.values()].filter((relay) => matches(relay.facts()));
    for (const relay of found) relay.close(reason);
    return found.length;
  }

  setMuted(mediaSessionId: string, muted: boolean): void {
    this.#pushOf(mediaSessionId).setMuted(muted);
  }

  async setSound(mediaSessionId: string, sound: RelaySound | undefined): Promise<void> {
    this.#pushOf(mediaSessionId);
    if (sound !== undefined) await this.#tryOut(sound);
    this.#pushOf(mediaSessionId).setSound(sound);
  }

  /** Ends all, and waits a moment for their connections. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const relay of [...this.#relays.values()]) relay.close('server stops');
    await Promise.all(this.#closing.values());
  }

  async #pull(start: PullStart): Promise<PullRelay> {
    const { url, streamName = url, remoteStreamName, record, appKey = 'defaultApp', origin = 'api' } = start;
    const spec = this.#spec('pull', { streamName, url, remoteStreamName, appKey, origin, options: {}, record });
    return this.#begin(spec, async () => {
      await this.#deps.outbound.resolve(spec.target);
      return () => new PullRelay(this.#env, spec);
    });
  }

  /** Has a relay made and begins it; until then its place is taken. */
  async #begin<T extends Relay>(spec: RelaySpec, prepare: () => Promise<() => T>): Promise<T> {
    const key = keyOf(spec);
    if (this.#relays.has(key) || this.#beginning.has(key))
      throw new MediaServerError(
        'RELAY_BUSY',
        `${withoutCredentials(spec.url)}: the same is ${spec.direction}ed already`,
      );
    this.#checkRoom();
    this.#beginning.add(key);
    try {
      const make = await prepare();
      const relay = make();
      const before = Array.from(this.#closing).find(([{ spec: other }]) => keyOf(other) === key);
      this.#relays.set(key, relay);
      this.#tick ??= this.#deps.ticker.on((nowMs) => this.#onTick(nowMs));
      relay.start(before?.[1]);
      if (this.#closed) relay.close('server stops');
      return relay;
    } finally {
      this.#beginning.delete(key);
    }
  }

  #makePush(spec: RelaySpec, source: PushSource): PushRelay {
    if (!source.stream.ended) return new PushRelay(this.#env, spec, source);
    source.hold.abort();
    throw new MediaServerError('STREAM_NOT_FOUND', 'the stream has ended meanwhile');
  }

  #checkRoom(): void {
    const { maxRelays } = this.#options;
    if (this.#closed) throw new MediaServerError('RELAY_LIMIT', 'the server stops');
    if (this.#relays.size + this.#beginning.size >= maxRelays)
      throw new MediaServerError('RELAY_LIMIT', `the limit of ${maxRelays} relays is reached (relay_max)`);
  }

  #spec(direction: 'pull' | 'push', wish: SpecWish): RelaySpec {
    const { url, streamName, remoteStreamName, record: asked = false, ...rest } = wish;
    const target = this.#target(url);
    const protocol = this.#protocolOf(target, direction);
    protocol.check?.(target, direction);
    // Another server of ours has to be told the name; elsewhere the address says it.
    const named = remoteStreamName ?? (SPEAKS_OUR_PROTOCOL.test(target) ? nameForOthers(streamName) : undefined);
    const record = direction === 'pull' && (asked || this.#options.recorded.includes(protocol.protocol));
    return { direction, protocol, url, target, streamName, remoteStreamName: named, record, ...rest };
  }

  #target(url: string): string {
    return HAS_SCHEME.test(url) ? url : `${this.#options.defaultScheme}://${url}`;
  }

  /** @throws MediaServerError URL_INVALID */
  #protocolOf(url: string, direction: 'pull' | 'push'): RelayProtocol {
    const scheme = url.slice(0, url.indexOf(':')).toLowerCase();
    const speaks = (protocol: RelayProtocol): boolean =>
      protocol.schemes.includes(scheme) && protocol[direction] !== undefined;
    const protocol = this.#deps.protocols.find(speaks);
    if (protocol !== undefined) return protocol;
    throw new MediaServerError('URL_INVALID', `nothing can be ${direction}ed by addresses of ${scheme.slice(0, 32)}:`);
  }

  async #source(streamName: string): Promise<PushSource> {
    const hold = new AbortController();
    const stream = await findStream(this.#deps, streamName, { waitMs: 0, signal: hold.signal });
    if (stream !== undefined && !stream.ended) return { stream, hold };
    hold.abort();
    throw new MediaServerError(
      'STREAM_NOT_FOUND',
      `there is no stream "${withoutCredentials(streamName).slice(0, 256)}"`,
    );
  }

  async #tryOut(sound: RelaySound): Promise<void> {
    const file = await openSoundFile(this.#deps.resolvers, sound);
    file[Symbol.dispose]();
  }

  #find(mediaSessionId: string): Relay | undefined {
    for (const relay of this.#relays.values()) if (relay.mediaSessionId === mediaSessionId) return relay;
    return undefined;
  }

  #pushOf(mediaSessionId: string): PushRelay {
    const relay = this.#find(mediaSessionId);
    if (relay instanceof PushRelay) return relay;
    throw new MediaServerError('RELAY_NOT_FOUND', `nothing is pushed with the id ${mediaSessionId.slice(0, 64)}`);
  }

  #pullOf(streamName: string): PullRelay | undefined {
    for (const relay of this.#relays.values())
      if (relay instanceof PullRelay && relay.spec.streamName === streamName) return relay;
    return undefined;
  }

  #onTick(nowMs: number): void {
    if (nowMs - this.#tickedMs < TICK_MS) return;
    this.#tickedMs = nowMs;
    for (const relay of [...this.#relays.values()]) relay.tick(nowMs);
  }

  #onOver(relay: Relay): void {
    const key = keyOf(relay.spec);
    if (this.#relays.get(key) === relay) this.#relays.delete(key);
    if (this.#relays.size === 0) {
      this.#tick?.[Symbol.dispose]();
      this.#tick = undefined;
    }
    this.#closing.set(
      relay,
      releasedInTime(relay).finally(() => this.#closing.delete(relay)),
    );
  }
}

/** What was asked for, of both directions. */
interface SpecWish extends Pick<RelaySpec, 'url' | 'streamName' | 'remoteStreamName' | 'appKey' | 'origin'> {
  readonly options: PushOptions;
  readonly record?: boolean | undefined;
}

function keyOf({ direction, target, streamName, remoteStreamName }: RelaySpec): string {
  return JSON.stringify([direction, target, streamName, remoteStreamName]);
}

async function releasedInTime(relay: Relay): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, CLOSE_WAIT_MS);
  });
  await Promise.race([relay.released, late]);
  clearTimeout(timer);
}
