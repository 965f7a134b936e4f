import type {
  Adaptations,
  AdaptedStream,
  Counters,
  Log,
  Renditions,
  SessionFacts,
  Stream,
  StreamRegistry,
  StreamResolver,
} from '../../core/index.ts';
import { ACCEPTANCE } from './carriage.ts';
import { packagingFacts } from './explain.ts';
import type { HlsLadder } from './ladder/ladder.ts';
import type { HlsOptions } from './options.ts';
import { HlsPackager } from './packager.ts';
import type { HlsForm } from './position.ts';
import type { SegmentArchive } from './segment-archive.ts';

export interface HlsChannelsDeps {
  readonly streams: StreamRegistry;
  readonly resolvers: readonly StreamResolver[];
  readonly adaptations: Adaptations;
  /** Qualities of streams; absent: there is only the one that is published. */
  readonly renditions?: Renditions | undefined;
  /** Makes the archive of a new channel, which is disposed of with it; absent: segments are in memory alone. */
  openArchive?(streamName: string): SegmentArchive;
  readonly log: Log;
  readonly counters: Counters;
}

interface Channel {
  /** The stream in a form that HLS can carry. */
  readonly lease: AdaptedStream;
  readonly packager: HlsPackager;
  requestedMs: number;
  /** When the stream's end was noticed, monotonic milliseconds; undefined while it goes on. */
  endedMs: number | undefined;
}

/** The packagers by stream name: started on demand, stopped when nobody asks any more or some time after the end. */
export class HlsChannels {
  readonly #deps: HlsChannelsDeps;
  readonly #options: HlsOptions;
  readonly #channels = new Map<string, Channel>();
  #subscription: Disposable | undefined;
  #closed = false;

  constructor(deps: HlsChannelsDeps, options: HlsOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  get size(): number {
    return this.#channels.size;
  }

  /** Names of the streams that are being cut; not of those that ended and can still be fetched. */
  names(): readonly string[] {
    return [...this.#channels].filter(([, { packager }]) => !packager.ended).map(([name]) => name);
  }

  /** Begins to follow the streams that are published. */
  start(): void {
    const { events } = this.#deps.streams;
    this.#subscription = events.on('published', (stream) => this.#published(stream));
    if (this.#options.autoStart) for (const stream of this.#deps.streams.all()) this.#published(stream);
  }

  /** The packager of that name if there is one; nothing is started. */
  find(streamName: string, nowMs: number, _form: HlsForm = 'muxed'): HlsPackager | undefined {
    const channel = this.#channels.get(streamName);
    if (channel !== undefined) channel.requestedMs = nowMs;
    return channel?.packager;
  }

  /** True when that name gives each viewer a stream of its own: such can't be cut for all. */
  isPersonal(streamName: string): boolean {
    const { streams, resolvers } = this.#deps;
    if (streams.get(streamName) !== undefined) return false;
    return resolvers.find((r) => r.accepts(streamName))?.personal?.(streamName) === true;
  }

  /**
   * The packager of that name, started if need be; undefined when there is no such stream.
   * @throws what a resolver throws, such as MediaServerError FILE_NOT_FOUND
   */
  async open(streamName: string, _form: HlsForm = 'muxed'): Promise<HlsPackager | undefined> {
    const { streams, resolvers } = this.#deps;
    const stream = streams.get(streamName);
    if (stream !== undefined) return this.#packagerOf(stream);
    const nowMs = performance.now();
    const present = this.find(streamName, nowMs);
    const resolver = resolvers.find((r) => r.accepts(streamName));
    if (present !== undefined && (resolver === undefined || !this.#isOver(streamName, nowMs))) return present;
    const resolved = this.isPersonal(streamName) ? undefined : await resolver?.resolve(streamName);
    return resolved === undefined || resolved.ended || this.#closed ? undefined : this.#packagerOf(resolved);
  }

  /**
   * The ladder of that stream, started if need be; undefined when there is no such stream or it has no picture.
   * @throws what `open` throws, and MediaServerError TRANSCODING_LIMIT
   */
  async openLadder(_streamName: string): Promise<HlsLadder | undefined> {
    return undefined;
  }

  /** The ladder of that stream if it runs; nothing is started. */
  findLadder(_streamName: string, _nowMs: number): HlsLadder | undefined {
    return undefined;
  }

  /** What is known of a viewer of that stream; undefined while it is not packaged. */
  explain(streamName: string, lastRequestAgeMs: number): SessionFacts | undefined {
    const channel = this.#channels.get(streamName);
    return channel && packagingFacts(channel, this.#deps.adaptations, lastRequestAgeMs);
  }

  /** Stops what nobody asks for any more and drops what has ended. */
  sweep(nowMs: number): void {
    for (const [name, channel] of this.#channels) {
      if (channel.packager.ended) channel.endedMs ??= nowMs;
      channel.packager.checkRefusal();
      const over = channel.endedMs !== undefined && nowMs - channel.endedMs > this.#options.endedKeepMs;
      const idle = nowMs - channel.requestedMs > this.#options.providerTimeoutMs;
      if (!over && !idle) continue;
      this.#channels.delete(name);
      close(channel);
      this.#deps.log.info({ stream: name, reason: over ? 'ended' : 'idle' }, 'hls stopped');
    }
  }

  /** Stops the packager of that name, or begins anew for viewers that are there; false when there is none. */
  stop(streamName: string, hasViewers: boolean): boolean {
    const channel = this.#channels.get(streamName);
    if (channel === undefined || channel.packager.ended) return false;
    this.#deps.log.info({ stream: streamName, reason: 'by request' }, 'hls stopped');
    this.#channels.delete(streamName);
    const { source } = channel.lease;
    if (hasViewers && !source.ended) this.#begin(source, channel, { cutShort: true });
    else close(channel);
    return true;
  }

  /** Stops all packagers. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#subscription?.[Symbol.dispose]();
    for (const channel of this.#channels.values()) close(channel);
    this.#channels.clear();
  }

  /** True when every viewer had the time to see the end, so that whoever asks wants the source from its beginning. */
  #isOver(streamName: string, nowMs: number): boolean {
    const channel = this.#channels.get(streamName);
    if (channel?.endedMs === undefined) return false;
    return nowMs - channel.endedMs > channel.packager.window.targetSeconds * 3000;
  }

  /** Viewers of a publication that has ended go on with the next one of that name. */
  #published(stream: Stream): void {
    if (this.#options.autoStart || this.#channels.has(stream.name)) this.#packagerOf(stream);
  }

  #packagerOf(stream: Stream): HlsPackager {
    const present = this.#channels.get(stream.name);
    if (present?.lease.source === stream) {
      present.requestedMs = performance.now();
      return present.packager;
    }
    return this.#begin(stream, present);
  }

  /** Starts a packager; numbers go on where those of `present` end, and what of it can be fetched is kept. */
  #begin(stream: Stream, present: Channel | undefined, { cutShort } = { cutShort: false }): HlsPackager {
    const lease = this.#deps.adaptations.lease(stream, ACCEPTANCE[this.#options.container], { steady: true });
    const parts = { ...this.#deps, stream: lease.stream, leftOut: () => lease.leftOut };
    const packager = new HlsPackager(parts, this.#options, present?.packager.window);
    if (cutShort) present?.packager.close();
    present?.lease[Symbol.dispose]();
    this.#channels.set(stream.name, { lease, packager, requestedMs: performance.now(), endedMs: undefined });
    packager.start();
    this.#deps.log.info({ stream: stream.name, container: this.#options.container }, 'hls started');
    return packager;
  }
}

function close({ packager, lease }: Channel): void {
  packager.close();
  lease[Symbol.dispose]();
}
