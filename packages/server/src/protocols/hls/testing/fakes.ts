import type { MediaPacket, Track } from '@sluice/media';
import type { Counters, Log, Publisher, Stream } from '../../../core/index.ts';
import { Ticker, type TickListener } from '../../../io/index.ts';

export const VIDEO: Track = {
  id: 0,
  kind: 'video',
  codec: 'h264',
  clockRate: 90_000,
  parameters: [Uint8Array.of(0x67, 0x42, 0xc0, 0x1e), Uint8Array.of(0x68, 0xce)],
};

export const AUDIO: Track = {
  id: 1,
  kind: 'audio',
  codec: 'aac',
  clockRate: 48_000,
  parameters: [Uint8Array.of(0x11, 0x90)],
};

export const PUBLISHER: Publisher = { sessionId: 'test', close: () => {} };

/** A packet with one unit of `bytes` bytes. */
export function packet(track: Track, ms: number, key = true, bytes = 100): MediaPacket {
  const us = ms * 1000;
  return { track, units: [new Uint8Array(bytes)], ptsUs: us, dtsUs: us, key, byteLength: bytes };
}

export interface FeedOptions {
  readonly fromMs: number;
  readonly toMs: number;
  /** Distance of key frames; 1000 when left out. */
  readonly gopMs?: number;
  readonly video?: Track | undefined;
  readonly audio?: Track | undefined;
  readonly videoBytes?: number;
}

/** Publishes 25 pictures a second and an audio frame with each; leave a track out by giving undefined. */
export function feed(stream: Stream, options: FeedOptions): void {
  const { fromMs, toMs, gopMs = 1000, videoBytes = 100 } = options;
  const video = 'video' in options ? options.video : VIDEO;
  const audio = 'audio' in options ? options.audio : AUDIO;
  for (let ms = fromMs; ms < toMs; ms += 40) {
    if (video) stream.publish(packet(video, ms, (ms - fromMs) % gopMs === 0, videoBytes));
    if (audio) stream.publish(packet(audio, ms));
  }
}

/** A log that keeps warnings and errors. */
export function fakeLog(): Log & { readonly problems: string[] } {
  const problems: string[] = [];
  const log = {
    problems,
    child: () => log,
    debug: () => {},
    info: () => {},
    warn: (fields: object, message: string) => void problems.push(`${message} ${JSON.stringify(fields)}`),
    error: (fields: object, message: string) => void problems.push(`${message} ${JSON.stringify(fields)}`),
  };
  return log;
}

/** Counters that can be read. */
export function fakeCounters(): Counters & { readonly counts: Record<string, number> } {
  const counts: Record<string, number> = {};
  return {
    counts,
    count: (name, by = 1) => {
      counts[name] = (counts[name] ?? 0) + by;
    },
  };
}

/** A ticker that ticks when it is told to. */
export class ManualTicker extends Ticker {
  readonly listeners = new Set<TickListener>();

  override on(listener: TickListener): Disposable {
    this.listeners.add(listener);
    return { [Symbol.dispose]: () => void this.listeners.delete(listener) };
  }

  /** Ticks as if that many milliseconds from now had passed. */
  tickIn(ms: number): void {
    for (const listener of this.listeners) listener(performance.now() + ms);
  }
}
