import { randomInt } from 'node:crypto';
import { ntpOfUnixMs, rtpClockRate, type Track } from '@sluice/media';
import type { Stream } from '../../../core/index.ts';
import { StreamClock } from '../../../rtp/index.ts';

const TIMESTAMPS = 2 ** 32;

/**
 * What all packets of a stream have in common, however many ways there are to send them: who they are from (RFC 3550
 * §5.1), and what their timestamps mean.
 */
export class StreamSource {
  readonly ssrc: Readonly<Record<Track['kind'], number>> = {
    video: randomInt(1, TIMESTAMPS),
    audio: randomInt(1, TIMESTAMPS),
  };
  readonly clock = new StreamClock();
  readonly #offset: Readonly<Record<Track['kind'], number>> = {
    video: randomInt(TIMESTAMPS),
    audio: randomInt(TIMESTAMPS),
  };

  /** RTP timestamp of an instant of the stream, 32 bits. */
  timestamp(track: Track, ptsUs: number): number {
    const ticks = this.#offset[track.kind] + Math.round((ptsUs * rtpClockRate(track)) / 1e6);
    return ((ticks % TIMESTAMPS) + TIMESTAMPS) % TIMESTAMPS;
  }

  /** The instant as sender reports tell it. */
  ntp(ptsUs: number): ReturnType<typeof ntpOfUnixMs> {
    return ntpOfUnixMs(this.clock.unixUs(ptsUs) / 1000);
  }
}

/** The sources of streams, as long as the streams are there. */
export class StreamSources {
  readonly #sources = new WeakMap<Stream, StreamSource>();

  /** The same for one stream every time. */
  of(stream: Stream): StreamSource {
    let source = this.#sources.get(stream);
    if (source === undefined) {
      source = new StreamSource();
      this.#sources.set(stream, source);
    }
    return source;
  }
}
