import type { RateMeter, Stream, StreamRegistry } from '../../core/index.ts';
import { audioVideoOffsetMs } from '../stream-times.ts';
import { escapeLabel } from './escape-label.ts';

/** Series of their own are given to this many streams at most, so that `/metrics` stays readable and bounded. */
const MAX_STREAMS = 1000;

/** A metric of which each stream has one series, or one for each of its tracks. */
interface Family {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  /** What is measured, with its unit. */
  readonly help: string;
  /** The value of a stream; undefined when it has none. */
  of?(stream: Stream): number | undefined;
  /** The value of a track, for metrics with the label `kind`. */
  ofTrack?(rate: RateMeter): number;
}

const FAMILIES: readonly Family[] = [
  {
    name: 'sluice_stream_viewers',
    type: 'gauge',
    help: 'viewers of a stream over all protocols',
    of: (stream) => stream.viewers,
  },
  {
    name: 'sluice_stream_bytes_total',
    type: 'counter',
    help: 'bytes received from the publisher',
    ofTrack: (rate) => rate.bytes,
  },
  {
    name: 'sluice_stream_frames_total',
    type: 'counter',
    help: 'frames received from the publisher',
    ofTrack: (rate) => rate.packets,
  },
  {
    name: 'sluice_stream_bits_per_second',
    type: 'gauge',
    help: 'rate of what is received, bits a second',
    ofTrack: (rate) => Math.round(rate.bitsPerSecond),
  },
  {
    name: 'sluice_stream_key_frames_total',
    type: 'counter',
    help: 'key frames of the video',
    of: videoOnly((rate) => rate.keyFrames),
  },
  {
    name: 'sluice_stream_b_frames_total',
    type: 'counter',
    help: 'video frames that are shown before one that came earlier',
    of: videoOnly((rate) => rate.bFrames),
  },
  {
    name: 'sluice_stream_frames_per_second',
    type: 'gauge',
    help: 'video frames received a second',
    of: videoOnly((rate) => rate.packetsPerSecond),
  },
  {
    name: 'sluice_stream_gop_frames',
    type: 'gauge',
    help: 'frames from one key frame to the next',
    of: videoOnly((rate) => rate.gop),
  },
  {
    name: 'sluice_stream_key_frame_interval_seconds',
    type: 'gauge',
    help: 'time from one key frame to the next, seconds',
    of: videoOnly((rate) => rate.keyFrameIntervalUs / 1e6),
  },
  {
    name: 'sluice_stream_audio_ahead_seconds',
    type: 'gauge',
    help: 'by how much sound arrives ahead of its picture, seconds; negative when behind',
    of: (stream) =>
      stream.videoRate.packets > 0 && stream.audioRate.packets > 0 ? audioVideoOffsetMs(stream) / 1000 : undefined,
  },
];

function videoOnly(value: (rate: RateMeter) => number): (stream: Stream) => number | undefined {
  return ({ videoRate }) => (videoRate.packets === 0 ? undefined : value(videoRate));
}

/**
 * The streams of the moment in the text format of Prometheus, each with series of its own up to a limit. Written
 * directly: with a thousand streams, the library's way through objects holds the server up five times as long.
 */
export function streamMetrics(streams: StreamRegistry): string {
  const listed = listedStreams(streams).map((stream) => ({ stream, label: `stream="${escapeLabel(stream.name)}"` }));
  const lines = [
    ...header('sluice_streams', 'gauge', 'streams that are live or whose viewers wait for the publisher'),
    `sluice_streams ${streams.size}`,
    ...header('sluice_streams_omitted', 'gauge', 'streams without series of their own, over the limit'),
    `sluice_streams_omitted ${streams.size - listed.length}`,
  ];
  for (const { name, type, help, of, ofTrack } of FAMILIES) {
    lines.push(...header(name, type, help));
    for (const { stream, label } of listed) {
      const value = of?.(stream);
      if (value !== undefined) lines.push(`${name}{${label}} ${value}`);
      if (ofTrack === undefined) continue;
      const { videoRate, audioRate } = stream;
      if (videoRate.packets > 0) lines.push(`${name}{${label},kind="video"} ${ofTrack(videoRate)}`);
      if (audioRate.packets > 0) lines.push(`${name}{${label},kind="audio"} ${ofTrack(audioRate)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function header(name: string, type: Family['type'], help: string): readonly string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

/** All streams, or when they are too many those with the most viewers. */
function listedStreams(streams: StreamRegistry): readonly Stream[] {
  const all = [...streams.all()];
  if (all.length <= MAX_STREAMS) return all;
  return all.sort((a, b) => b.viewers - a.viewers).slice(0, MAX_STREAMS);
}
