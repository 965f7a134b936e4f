import type { OverviewAudio, OverviewLayer, OverviewStream, OverviewVideo } from '@sluice/contract';

const CODEC_NAMES: Readonly<Record<string, string>> = {
  flv1: 'Sorenson H.263',
  h264: 'H.264',
  h265: 'H.265',
  av1: 'AV1',
  vp8: 'VP8',
  vp9: 'VP9',
  aac: 'AAC',
  opus: 'Opus',
  pcma: 'G.711 A-law',
  pcmu: 'G.711 µ-law',
  g722: 'G.722',
  g726: 'G.726',
  l16: 'PCM',
  mjpeg: 'Motion JPEG',
  speex: 'Speex',
};

/** `2 d 3 h`, `3 h 4 min`, `4 min 5 s` or `5 s`. */
export function formatDuration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [Math.floor(s / 86_400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${s % 60} s` : `${s} s`;
}

/** `2.41 Mbit/s`, `128 kbit/s`, or a dash while nothing was measured. */
export function formatBitrate(bitsPerSecond: number): string {
  if (bitsPerSecond <= 0) return '–';
  if (bitsPerSecond >= 1_000_000) return `${(bitsPerSecond / 1_000_000).toFixed(2)} Mbit/s`;
  return `${Math.round(bitsPerSecond / 1000)} kbit/s`;
}

/** Sum of both tracks' bit rates. */
export function totalBitrate(stream: OverviewStream): string {
  return formatBitrate((stream.video?.bitrate ?? 0) + (stream.audio?.bitrate ?? 0));
}

/** Without the port, which tells an operator nothing; empty when nobody publishes. */
export function publisherAddress(stream: OverviewStream): string {
  const address = stream.publisher?.remoteAddress ?? '';
  // IPv6 without a port has colons too.
  return address.replace(/^(?:\[(.*)\]|([^:]*)):\d+$/, '$1$2');
}

/** `every 2.0 s`, or a dash until two key frames were seen. */
export function keyFrameSummary({ keyFrameIntervalMs }: OverviewStream): string {
  return keyFrameIntervalMs > 0 ? `every ${(keyFrameIntervalMs / 1000).toFixed(1)} s` : '–';
}

/** `sound 40 ms ahead`, `in step`, or empty when there is only one of both. */
export function offsetSummary({ avOffsetMs, video, audio }: OverviewStream): string {
  if (video === null || audio === null) return '';
  if (Math.abs(avOffsetMs) < 1) return 'in step';
  return `sound ${Math.abs(avOffsetMs)} ms ${avOffsetMs > 0 ? 'ahead' : 'behind'}`;
}

/** `H.264 1280×720`, or a dash when there is no video. */
export function videoSummary(video: OverviewVideo | null): string {
  if (video === null) return '–';
  const size = video.width > 0 ? ` ${video.width}×${video.height}` : '';
  return `${codecName(video.codec)}${size}`;
}

/** `30 fps · GOP 60`, as far as it is known. */
export function frameSummary(video: OverviewVideo | null): string {
  if (video === null) return '';
  const parts: string[] = [];
  if (video.fps > 0) parts.push(`${Number(video.fps.toFixed(1))} fps`);
  if (video.gopFrames > 0) parts.push(`GOP ${video.gopFrames}`);
  return parts.join(' · ');
}

/** `1280×720 1.1 Mbit/s · 640×360 paused`: the sizes of a publisher that sends several at once. */
export function layerSummary(layers: readonly OverviewLayer[]): string {
  return layers
    .map(({ rid, width, height, bitrate, state }) => {
      const size = width > 0 ? `${width}×${height}` : rid;
      return `${size} ${state === 'active' ? formatBitrate(bitrate) : state === 'paused' ? 'paused' : 'not sent'}`;
    })
    .join(' · ');
}

/** `AAC 48 kHz stereo`, or a dash when there is no audio. */
export function audioSummary(audio: OverviewAudio | null): string {
  if (audio === null) return '–';
  const rate = audio.sampleRate > 0 ? ` ${Number((audio.sampleRate / 1000).toFixed(2))} kHz` : '';
  return `${codecName(audio.codec)}${rate}${channelName(audio.channels)}`;
}

/** The name that people use for a codec. */
export function codecName(codec: string): string {
  return CODEC_NAMES[codec] ?? codec;
}

function channelName(channels: number): string {
  if (channels <= 0) return '';
  if (channels === 1) return ' mono';
  return channels === 2 ? ' stereo' : ` ${channels} channels`;
}

/** `1.5 GB`, `20 MB`, `300 kB`, `12 B`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${Math.round(bytes)} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1000;
  while (value >= 999.5 && units.length > 1) {
    value /= 1000;
    units.shift();
  }
  return `${value >= 100 ? Math.round(value) : Number(value.toFixed(1))} ${units[0]}`;
}

/** What is past since a time of the server's clock, as far as both clocks agree. */
export function formatAge(sinceMs: number, nowMs: number): string {
  return formatDuration((nowMs - sinceMs) / 1000);
}
