import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { SessionRegistry, Stream, StreamRegistry } from '../../core/index.ts';
import type { PrometheusCounters } from './prometheus-counters.ts';

/** Series of their own are given to this many streams at most, so that `/metrics` stays readable and bounded. */
const MAX_STREAMS = 1000;

export interface ServerMetricsDeps {
  readonly streams: StreamRegistry;
  readonly sessions: SessionRegistry;
  readonly counters: PrometheusCounters;
  readonly version: string;
}

/** Everything that `/metrics` tells: the process, the counters, and the streams and sessions of the moment. */
export class ServerMetrics {
  readonly #deps: ServerMetricsDeps;
  readonly #maxStreams: number;
  readonly #registry = new Registry();
  readonly #streams = this.#gauge('sluice_streams', 'streams that are live or whose viewers wait for the publisher');
  readonly #omitted = this.#gauge('sluice_streams_omitted', 'streams without series of their own, over the limit');
  readonly #sessions = this.#gauge('sluice_sessions', 'publications and playbacks', ['protocol', 'media_type']);
  readonly #viewers = this.#gauge('sluice_stream_viewers', 'viewers of a stream over all protocols', ['stream']);
  readonly #bytes = this.#counter('sluice_stream_bytes_total', 'bytes received from the publisher');
  readonly #frames = this.#counter('sluice_stream_frames_total', 'frames received from the publisher');
  readonly #bitrate = this.#gauge('sluice_stream_bits_per_second', 'rate of what is received', ['stream', 'kind']);

  constructor(deps: ServerMetricsDeps, maxStreams = MAX_STREAMS) {
    this.#deps = deps;
    this.#maxStreams = maxStreams;
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Begins to measure the process (event-loop delay, garbage collection). Once. */
  start(): void {
    collectDefaultMetrics({ register: this.#registry });
    this.#deps.counters.register(this.#registry);
    const info = this.#gauge('sluice_info', 'always 1; the labels tell the versions', ['version', 'node']);
    info.set({ version: this.#deps.version, node: process.version }, 1);
  }

  /** The text that Prometheus scrapes. */
  render(): Promise<string> {
    this.#refreshSessions();
    this.#refreshStreams();
    return this.#registry.metrics();
  }

  close(): void {
    this.#registry.clear();
  }

  #refreshSessions(): void {
    this.#sessions.reset();
    for (const session of this.#deps.sessions.all()) {
      const { protocol, mediaType } = session.describe();
      this.#sessions.inc({ protocol, media_type: mediaType });
    }
  }

  #refreshStreams(): void {
    const { streams } = this.#deps;
    for (const metric of [this.#viewers, this.#bytes, this.#frames, this.#bitrate]) metric.reset();
    this.#streams.set(streams.size);
    this.#omitted.set(Math.max(0, streams.size - this.#maxStreams));
    for (const stream of this.#listed()) this.#refreshStream(stream);
  }

  /** All streams, or when they are too many those with the most viewers. */
  #listed(): readonly Stream[] {
    const all = [...this.#deps.streams.all()];
    if (all.length <= this.#maxStreams) return all;
    return all.sort((a, b) => b.viewers - a.viewers).slice(0, this.#maxStreams);
  }

  #refreshStream(stream: Stream): void {
    this.#viewers.set({ stream: stream.name }, stream.viewers);
    for (const [kind, rate] of [['video', stream.videoRate] as const, ['audio', stream.audioRate] as const]) {
      if (rate.packets === 0) continue;
      const labels = { stream: stream.name, kind };
      this.#bytes.inc(labels, rate.bytes);
      this.#frames.inc(labels, rate.packets);
      this.#bitrate.set(labels, Math.round(rate.bitsPerSecond));
    }
  }

  #gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge<string> {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }

  #counter(name: string, help: string): Counter<string> {
    return new Counter({ name, help, labelNames: ['stream', 'kind'], registers: [this.#registry] });
  }
}
