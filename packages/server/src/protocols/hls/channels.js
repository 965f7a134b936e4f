import { HlsPackager } from './packager.js';
/** The packagers by stream name: started on demand, stopped when nobody asks any more or some time after the end. */
export class HlsChannels {
  #deps;
  #options;
  #channels = new Map();
  #subscription;
  #closed = false;
  constructor(deps, options) {
    this.#deps = deps;
    this.#options = options;
  }
  get size() {
    return this.#channels.size;
  }
  /** Begins to follow the streams that are published. */
  start() {
    const { events } = this.#deps.streams;
    this.#subscription = events.on('published', (stream) => this.#published(stream));
    if (this.#options.autoStart) for (const stream of this.#deps.streams.all()) this.#published(stream);
  }
  /** The packager of that name if there is one; nothing is started. */
  find(streamName, nowMs) {
    const channel = this.#channels.get(streamName);
    if (channel !== undefined) channel.requestedMs = nowMs;
    return channel?.packager;
  }
  /**
   * The packager of that name, started if need be; undefined when there is no such stream.
   * @throws what a resolver throws, such as MediaServerError FILE_NOT_FOUND
   */
  async open(streamName) {
    const { streams, resolvers } = this.#deps;
    const stream = streams.get(streamName);
    if (stream !== undefined) return this.#packagerOf(stream);
    const nowMs = performance.now();
    const present = this.find(streamName, nowMs);
    const resolver = resolvers.find((r) => r.accepts(streamName));
    if (present !== undefined && (resolver === undefined || !this.#isOver(streamName, nowMs))) return present;
    const resolved = await resolver?.resolve(streamName);
    return resolved === undefined || resolved.ended || this.#closed ? undefined : this.#packagerOf(resolved);
  }
  /** Stops what nobody asks for any more and drops what has ended. */
  sweep(nowMs) {
    for (const [name, channel] of this.#channels) {
      if (channel.packager.ended) channel.endedMs ??= nowMs;
      const over = channel.endedMs !== undefined && nowMs - channel.endedMs > this.#options.endedKeepMs;
      const idle = nowMs - channel.requestedMs > this.#options.providerTimeoutMs;
      if (!over && !idle) continue;
      this.#channels.delete(name);
      channel.packager.close();
      this.#deps.log.info({ stream: name, reason: over ? 'ended' : 'idle' }, 'hls stopped');
    }
  }
  /** Stops all packagers. Idempotent. */
  close() {
    this.#closed = true;
    this.#subscription?.[Symbol.dispose]();
    for (const channel of this.#channels.values()) channel.packager.close();
    this.#channels.clear();
  }
  /** True when every viewer had the time to see the end, so that whoever asks wants the source from its beginning. */
  #isOver(streamName, nowMs) {
    const channel = this.#channels.get(streamName);
    if (channel?.endedMs === undefined) return false;
    return nowMs - channel.endedMs > channel.packager.window.targetSeconds * 3000;
  }
  /** Viewers of a publication that has ended go on with the next one of that name. */
  #published(stream) {
    if (this.#options.autoStart || this.#channels.has(stream.name)) this.#packagerOf(stream);
  }
  #packagerOf(stream) {
    const present = this.#channels.get(stream.name);
    if (present?.packager.stream === stream) {
      present.requestedMs = performance.now();
      return present.packager;
    }
    const packager = new HlsPackager({ ...this.#deps, stream }, this.#options, present?.packager.window);
    this.#channels.set(stream.name, { packager, requestedMs: performance.now(), endedMs: undefined });
    packager.start();
    this.#deps.log.info({ stream: stream.name, container: this.#options.container }, 'hls started');
    return packager;
  }
}
//# sourceMappingURL=channels.js.map
