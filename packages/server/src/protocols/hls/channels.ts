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
import { AutoLadders } from './ladder/auto-ladders.ts';
import type { HlsLadder } from './ladder/ladder.ts';
import { StreamLadder } from './ladder/stream-ladder.ts';
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
  readonly streamName: string;
  readonly form: HlsForm;
  /** The stream in a form that HLS can carry. */
  readonly lease: AdaptedStream;
  readonly packager: HlsPackager;
  readonly archive: SegmentArchive | undefined;
  requestedMs: number;
  /** When the stream's end was noticed, monotonic milliseconds; undefined while it goes on. */
  endedMs: number | undefined;
}

/**
 * The packagers by stream name, in each form that is asked for: started on demand, stopped when nobody asks any more or
 * some time after the end.
 */
export class HlsChannels {
  readonly #deps: HlsChannelsDeps;
  readonly #options: HlsOptions;
  /** By form and stream name, see {@link keyOf}. */
  readonly #channels = new Map<string, Channel>();
  readonly #ladders = new Map<string, StreamLadder>();
  readonly #autoLadders: AutoLadders | undefined;
  #subscription: Disposable | undefined;
  #closed = false;

  constructor(deps: HlsChannelsDeps, options: HlsOptions) {
    this.#deps = deps;
    this.#options = options;
    const { streams, log } = deps;
    const openLadder = (name: string): Promise<HlsLadder | undefined> => this.openLadder(name);
    this.#autoLadders = options.autoStartLadders ? new AutoLadders({ streams, log, openLadder }) : undefined;
  }

  get size(): number {
    return this.#channels.size;
  }

  /** Names of the streams that are being cut; not of those that ended and can still be fetched. */
  names(): readonly string[] {
    const running = [...this.#channels.values()].filter(({ packager }) => !packager.ended);
    const ladders = [...this.#ladders.values()].filter(({ leader }) => !leader.ended);
    return [...new Set([...running, ...ladders].map(({ streamName }) => streamName))];
  }

  /** Begins to follow the streams that are published. */
  start(): void {
    const { events } = this.#deps.streams;
    this.#subscription = events.on('published', (stream) => this.#published(stream));
    if (this.#options.autoStart) for (const stream of this.#deps.streams.all()) this.#published(stream);
  }

  /** The packager of that name if there is one; nothing is started. */
  find(streamName: string, nowMs: number, form: HlsForm = 'muxed'): HlsPackager | undefined {
    const channel = this.#channels.get(keyOf(streamName, form));
    if (channel !== undefined) channel.requestedMs = nowMs;
    return channel?.packager;
  }

  /** The packager of the stream of that name that is live now, if there is one; nothing is started. */
  findOfLive(streamName: string, nowMs: number, form: HlsForm): HlsPackager | undefined {
    const channel = this.#channels.get(keyOf(streamName, form));
    if (channel === undefined || channel.lease.source !== this.#deps.streams.get(streamName)) return undefined;
    channel.requestedMs = nowMs;
    return channel.packager;
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
  async open(streamName: string, form: HlsForm = 'muxed'): Promise<HlsPackager | undefined> {
    const { streams, resolvers } = this.#deps;
    const stream = streams.get(streamName);
    if (stream !== undefined) return this.#packagerOf(stream, form);
    const nowMs = performance.now();
    const present = this.find(streamName, nowMs, form);
    const resolver = resolvers.find((r) => r.accepts(streamName));
    if (present !== undefined && (resolver === undefined || !this.#isOver(keyOf(streamName, form), nowMs)))
      return present;
    const resolved = this.isPersonal(streamName) ? undefined : await resolver?.resolve(streamName);
    return resolved === undefined || resolved.ended || this.#closed ? undefined : this.#packagerOf(resolved, form);
  }

  /**
   * The ladder of that stream, started if need be; undefined when there is no such stream or it has no picture.
   * @throws what `open` throws, and MediaServerError TRANSCODING_LIMIT
   */
  async openLadder(streamName: string): Promise<HlsLadder | undefined> {
    const { renditions } = this.#deps;
    if (renditions?.enabled('hls') !== true || this.#options.container === 'ts') return undefined;
    const ended = this.findLadder(streamName, performance.now());
    // Its viewers are to see the end; whoever asks later wants the source from its beginning.
    if (ended?.leader.ended === true && !ended.isOver && this.#deps.streams.get(streamName) === undefined) return ended;
    const source = await this.#sourceOf(streamName);
    const present = this.findLadder(streamName, performance.now());
    if (present !== undefined && (source === undefined || present.source === source)) return present;
    const ladder = source && renditions.ladder(source, 'hls');
    if (source === undefined || ladder === undefined || this.#closed) return undefined;
    present?.close();
    const begun = new StreamLadder(source, ladder, { ...this.#deps, renditions }, this.#options);
    this.#ladders.set(streamName, begun);
    begun.start();
    return begun;
  }

  /** The stream itself, or what a resolver makes of its name. */
  async #sourceOf(streamName: string): Promise<Stream | undefined> {
    const { streams, resolvers } = this.#deps;
    const stream = streams.get(streamName);
    if (stream !== undefined || this.isPersonal(streamName)) return stream;
    const resolved = await resolvers.find((r) => r.accepts(streamName))?.resolve(streamName);
    return resolved?.ended === true ? undefined : resolved;
  }

  /** The ladder of that stream if it runs; nothing is started. */
  findLadder(streamName: string, nowMs: number): StreamLadder | undefined {
    const ladder = this.#ladders.get(streamName);
    ladder?.touch(nowMs);
    return ladder;
  }

  /** The ladder of the stream of that name that is live now, if it runs; nothing is started. */
  findLadderOfLive(streamName: string, nowMs: number): StreamLadder | undefined {
    const isLive = this.#ladders.get(streamName)?.source === this.#deps.streams.get(streamName);
    return isLive ? this.findLadder(streamName, nowMs) : undefined;
  }

  /** What is known of a viewer of that stream; undefined while it is not packaged. */
  explain(streamName: string, lastRequestAgeMs: number): SessionFacts | undefined {
    const channel = FORMS.map((form) => this.#channels.get(keyOf(streamName, form))).find(
      (found) => found !== undefined,
    );
    const packaged = channel ?? this.#ladders.get(streamName)?.leading;
    return packaged && packagingFacts(packaged, this.#deps.adaptations, lastRequestAgeMs);
  }

  /** Stops what nobody asks for any more and drops what has ended. */
  sweep(nowMs: number): void {
    this.#autoLadders?.sweep(nowMs);
    for (const [key, channel] of this.#channels) {
      if (channel.packager.ended) channel.endedMs ??= nowMs;
      channel.packager.checkRefusal();
      const over = channel.endedMs !== undefined && nowMs - channel.endedMs > this.#options.endedKeepMs;
      const idle = nowMs - channel.requestedMs > this.#options.providerTimeoutMs;
      if (!over && !idle) continue;
      this.#channels.delete(key);
      close(channel);
      this.#deps.log.info({ stream: channel.streamName, reason: over ? 'ended' : 'idle' }, 'hls stopped');
    }
    for (const [name, ladder] of this.#ladders) {
      if (!ladder.sweep(nowMs)) continue;
      this.#ladders.delete(name);
      ladder.close();
      this.#deps.log.info({ stream: name }, 'ladder stopped');
    }
  }

  /** Stops the packager of that name, or begins anew for viewers that are there; false when there is none. */
  stop(streamName: string, hasViewers: boolean): boolean {
    const channels = FORMS.map((form) => this.#channels.get(keyOf(streamName, form)));
    const running = channels.filter((channel) => channel !== undefined && !channel.packager.ended);
    for (const channel of running) if (channel !== undefined) this.#stopChannel(channel, hasViewers);
    return this.#stopLadder(streamName) || running.length > 0;
  }

  /** Whoever asks for it begins it anew. */
  #stopLadder(streamName: string): boolean {
    const ladder = this.#ladders.get(streamName);
    if (ladder === undefined || ladder.leader.ended) return false;
    this.#ladders.delete(streamName);
    ladder.close();
    this.#deps.log.info({ stream: streamName, reason: 'by request' }, 'ladder stopped');
    return true;
  }

  #stopChannel(channel: Channel, hasViewers: boolean): void {
    const { streamName, form, lease } = channel;
    this.#deps.log.info({ stream: streamName, reason: 'by request' }, 'hls stopped');
    this.#channels.delete(keyOf(streamName, form));
    if (hasViewers && !lease.source.ended) this.#begin(lease.source, form, { present: channel, cutShort: true });
    else close(channel);
  }

  /** Stops all packagers. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#subscription?.[Symbol.dispose]();
    for (const channel of this.#channels.values()) close(channel);
    this.#channels.clear();
    for (const ladder of this.#ladders.values()) ladder.close();
    this.#ladders.clear();
  }

  /** True when every viewer had the time to see the end, so that whoever asks wants the source from its beginning. */
  #isOver(key: string, nowMs: number): boolean {
    const channel = this.#channels.get(key);
    if (channel?.endedMs === undefined) return false;
    return nowMs - channel.endedMs > channel.packager.window.targetSeconds * 3000;
  }

  /** Viewers of a publication that has ended go on with the next one of that name. */
  #published(stream: Stream): void {
    for (const form of FORMS) {
      const isAsked = this.#channels.has(keyOf(stream.name, form));
      if (isAsked || (this.#options.autoStart && form === 'muxed')) this.#packagerOf(stream, form);
    }
  }

  #packagerOf(stream: Stream, form: HlsForm): HlsPackager {
    const present = this.#channels.get(keyOf(stream.name, form));
    if (present?.lease.source === stream) {
      present.requestedMs = performance.now();
      return present.packager;
    }
    return this.#begin(stream, form, { present, cutShort: false });
  }

  /** Starts a packager; numbers go on where those of `present` end, and what of it can be fetched is kept. */
  #begin(stream: Stream, form: HlsForm, { present, cutShort }: Beginning): HlsPackager {
    const { name: streamName } = stream;
    const lease = this.#deps.adaptations.lease(stream, ACCEPTANCE[this.#options.container], { steady: true });
    const archive = present?.archive ?? this.#openArchive(streamName);
    const parts = { ...this.#deps, stream: lease.stream, form, archive, leftOut: () => lease.leftOut };
    const packager = new HlsPackager(parts, this.#options, present?.packager);
    if (cutShort) present?.packager.close();
    present?.lease[Symbol.dispose]();
    const requestedMs = performance.now();
    const channel = { streamName, form, lease, packager, archive, requestedMs, endedMs: undefined };
    this.#channels.set(keyOf(streamName, form), channel);
    packager.start();
    this.#deps.log.info({ stream: streamName, container: this.#options.container, form }, 'hls started');
    return packager;
  }

  #openArchive(streamName: string): SegmentArchive | undefined {
    return this.#options.dvrWindowMs > 0 ? this.#deps.openArchive?.(streamName) : undefined;
  }
}

/** What a packager takes over from the one before it. */
interface Beginning {
  readonly present: Channel | undefined;
  /** The earlier one is not at its end: nothing of it is kept. */
  readonly cutShort: boolean;
}

const FORMS: readonly HlsForm[] = ['muxed', 'split'];

function keyOf(streamName: string, form: HlsForm): string {
  return `${form} ${streamName}`;
}

function close({ packager, lease, archive }: Channel): void {
  packager.close();
  archive?.[Symbol.dispose]();
  lease[Symbol.dispose]();
}
