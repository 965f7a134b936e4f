import type { Registry } from 'prom-client';
import type { Stream, StreamRegistry } from '../../core/index.ts';
import { audioVideoOffsetMs } from '../stream-times.ts';
import { counter, gauge } from './metric.ts';

/** Series of their own are given to this many streams at most, so that `/metrics` stays readable and bounded. */
const MAX_STREAMS = 1000;

/** The streams of the moment, each with series of its own up to a limit. */
export class StreamMetrics {
  readonly #registry: StreamRegistry;
  readonly #streams;
  readonly #omitted;
  readonly #perStream;

  constructor(streams: StreamRegistry, registry: Registry) {
    this.#registry = streams;
    const perStream = ['stream'];
    const perTrack = ['stream', 'kind'];
    this.#streams = gauge(registry, 'sluice_streams', 'streams that are live or whose viewers wait for the publisher');
    this.#omitted = gauge(registry, 'sluice_streams_omitted', 'streams without series of their own, over the limit');
    this.#perStream = {
      viewers: gauge(registry, 'sluice_stream_viewers', 'viewers of a stream over all protocols', perStream),
      bytes: counter(registry, 'sluice_stream_bytes_total', 'bytes received from the publisher', perTrack),
      frames: counter(registry, 'sluice_stream_frames_total', 'frames received from the publisher', perTrack),
      keyFrames: counter(registry, 'sluice_stream_key_frames_total', 'key frames of the video', perStream),
      bFrames: counter(registry, 'sluice_stream_b_frames_total', 'video frames shown before an earlier one', perStream),
      bitrate: gauge(registry, 'sluice_stream_bits_per_second', 'rate of what is received, bits a second', perTrack),
      fps: gauge(registry, 'sluice_stream_frames_per_second', 'video frames received a second', perStream),
      gop: gauge(registry, 'sluice_stream_gop_frames', 'frames from one key frame to the next', perStream),
      interval: gauge(registry, 'sluice_stream_key_frame_interval_seconds', 'time between key frames', perStream),
      offset: gauge(
        registry,
        'sluice_stream_audio_ahead_seconds',
        'by how much sound arrives ahead of its picture, seconds; negative when behind',
        perStream,
      ),
    };
  }

  refresh(): void {
    for (const metric of Object.values(this.#perStream)) metric.reset();
    this.#streams.set(this.#registry.size);
    this.#omitted.set(Math.max(0, this.#registry.size - MAX_STREAMS));
    for (const stream of this.#listed()) this.#refreshStream(stream);
  }

  /** All streams, or when they are too many those with the most viewers. */
  #listed(): readonly Stream[] {
    const all = [...this.#registry.all()];
    if (all.length <= MAX_STREAMS) return all;
    return all.sort((a, b) => b.viewers - a.viewers).slice(0, MAX_STREAMS);
  }

  #refreshStream(stream: Stream): void {
    const metrics = this.#perStream;
    const { name, videoRate, audioRate } = stream;
    metrics.viewers.set({ stream: name }, stream.viewers);
    for (const [kind, rate] of [['video', videoRate] as const, ['audio', audioRate] as const]) {
      if (rate.packets === 0) continue;
      const labels = { stream: name, kind };
      metrics.bytes.inc(labels, rate.bytes);
      metrics.frames.inc(labels, rate.packets);
      metrics.bitrate.set(labels, Math.round(rate.bitsPerSecond));
    }
    if (videoRate.packets === 0) return;
    metrics.keyFrames.inc({ stream: name }, videoRate.keyFrames);
    metrics.bFrames.inc({ stream: name }, videoRate.bFrames);
    metrics.fps.set({ stream: name }, videoRate.packetsPerSecond);
    metrics.gop.set({ stream: name }, videoRate.gop);
    metrics.interval.set({ stream: name }, videoRate.keyFrameIntervalUs / 1e6);
    if (audioRate.packets > 0) metrics.offset.set({ stream: name }, audioVideoOffsetMs(stream) / 1000);
  }
}
