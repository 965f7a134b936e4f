import type Hls from 'hls.js';
import type { ErrorData, HlsConfig, Level } from 'hls.js';
import { formatBitrate } from './format.ts';
import { bufferedAhead, type PlayerSource, type SourceEvents, type SourceTarget } from './player-source.ts';
import { serverClock } from './server-clock.ts';
import type { PeerFact } from './webrtc/peer-facts.ts';

const MAX_MEDIA_ERRORS = 3;
const HLS_TYPE = 'application/vnd.apple.mpegurl';
/** Parts of segments are loaded as they come into being. */
const LOW_LATENCY: Partial<HlsConfig> = { lowLatencyMode: true, backBufferLength: 10, maxLiveSyncPlaybackRate: 1.1 };
/** Whole segments; more is kept ahead. */
const STEADY: Partial<HlsConfig> = { lowLatencyMode: false, backBufferLength: 30, maxLiveSyncPlaybackRate: 1.1 };
/** Behind the edge on a network that hesitates, seconds. */
const CALM_SECONDS = 4;
/** Longer than any delay that could be: the clocks or the playlist are wrong then. */
const MAX_DELAY_SECONDS = 3600;

/** What HLS needs beside what all sources get. */
export interface HlsEvents extends SourceEvents {
  /** hls.js, with or without what several qualities need. */
  readonly library: typeof Hls;
  readonly lowLatency: boolean;
}

/** Plays an HLS address by hls.js, or by the browser itself where only that can. */
export function openHls(video: HTMLVideoElement, target: SourceTarget, events: HlsEvents): PlayerSource | undefined {
  if (events.library.isSupported()) return new HlsSource(video, target, events);
  if (video.canPlayType(HLS_TYPE) !== '') return new NativeHlsSource(video, target.url, events);
  events.impossible('This browser can not play HLS. Try another browser, or the RTMP address in VLC.');
  return undefined;
}

class HlsSource implements PlayerSource {
  #hls: Hls;
  readonly #video: HTMLVideoElement;
  readonly #target: SourceTarget;
  readonly #events: HlsEvents;
  #mediaErrors = 0;

  constructor(video: HTMLVideoElement, target: SourceTarget, events: HlsEvents) {
    this.#video = video;
    this.#target = target;
    this.#events = events;
    this.#hls = this.#open();
  }

  /** Begins anew: a stream that got another track in the meantime does not fit what was set up for the old ones. */
  reload(): void {
    this.#hls.destroy();
    this.#hls = this.#open();
  }

  /** Goes on loading: the playlist alone, once the buffer is full. */
  pause(): void {}

  resume(): void {
    const edge = this.#hls.liveSyncPosition;
    if (edge !== null && edge > this.#video.currentTime) this.#video.currentTime = edge;
    this.#events.ready();
  }

  delaySeconds(): number | undefined {
    const latency = this.#hls.latency > 0 ? this.#hls.latency : undefined;
    return shownSince(this.#hls.playingDate) ?? latency;
  }

  async facts(): Promise<readonly PeerFact[]> {
    const { levels, currentLevel, autoLevelEnabled } = this.#hls;
    const level = levels[currentLevel];
    if (level === undefined || levels.length < 2) return [];
    const size = level.height > 0 ? `${level.width} × ${level.height}, ` : '';
    const about = autoLevelEnabled ? 'Chosen by what the line takes.' : 'Chosen by hand.';
    return [{ id: 'quality', label: 'Quality', value: `${size}${formatBitrate(level.bitrate)}`, about }];
  }

  close(): void {
    this.#hls.destroy();
  }

  #open(): Hls {
    const { library, lowLatency } = this.#events;
    const calm = this.#target.calm ? { liveSyncDuration: CALM_SECONDS } : {};
    const hls = new library({ ...(lowLatency ? LOW_LATENCY : STEADY), ...calm });
    hls.on(library.Events.MANIFEST_PARSED, () => {
      const level = levelNamed(hls.levels, this.#target.quality);
      if (level >= 0) hls.loadLevel = level;
      this.#events.ready();
    });
    hls.on(library.Events.ERROR, (_event, data) => {
      if (data.fatal) this.#onFatal(data);
    });
    hls.attachMedia(this.#video);
    hls.loadSource(this.#target.url);
    return hls;
  }

  #onFatal(data: ErrorData): void {
    const { failed, impossible, library } = this.#events;
    if (data.type !== library.ErrorTypes.MEDIA_ERROR) {
      const status = data.response?.code ?? 0;
      const kind = status === 404 ? 'absent' : status === 503 ? 'early' : 'trouble';
      if (status === 415) impossible(`${serverMessage(data)}. Choose FLV, or use VLC.`);
      else failed(networkMessage(status), kind);
      return;
    }
    const errors = this.#mediaErrors++;
    if (errors === 0) this.#hls.recoverMediaError();
    else if (errors < MAX_MEDIA_ERRORS) failed('The stream has changed. Beginning anew…', 'trouble');
    else impossible(`This browser can not play this stream as HLS (${data.details}).`);
  }
}

class NativeHlsSource implements PlayerSource {
  readonly #video: HTMLVideoElement;
  readonly #url: string;
  readonly #events: SourceEvents;
  readonly #onError = (): void => this.#events.failed('The stream can not be loaded. Trying again…', 'trouble');

  constructor(video: HTMLVideoElement, url: string, events: SourceEvents) {
    this.#video = video;
    this.#url = url;
    this.#events = events;
    video.addEventListener('error', this.#onError);
    this.reload();
  }

  reload(): void {
    this.#video.src = this.#url;
    this.#events.ready();
  }

  pause(): void {}

  resume(): void {
    this.#events.ready();
  }

  delaySeconds(): number | undefined {
    const { seekable, currentTime } = this.#video;
    const ahead = seekable.length > 0 ? Math.max(0, seekable.end(seekable.length - 1) - currentTime) : undefined;
    // Safari tells which time of day the timeline begins at.
    const start = (this.#video as { getStartDate?: () => Date }).getStartDate?.();
    const shown = start === undefined ? Number.NaN : start.getTime() + currentTime * 1000;
    return shownSince(Number.isNaN(shown) ? null : new Date(shown)) ?? ahead ?? bufferedAhead(this.#video);
  }

  close(): void {
    this.#video.removeEventListener('error', this.#onError);
  }
}

/** Seconds since the server got what is shown, by its own clock (EXT-X-PROGRAM-DATE-TIME, RFC 8216 §4.3.2.6). */
function shownSince(date: Date | null): number | undefined {
  const nowMs = serverClock.nowMs();
  if (date === null || nowMs === undefined) return undefined;
  const seconds = (nowMs - date.getTime()) / 1000;
  return seconds >= 0 && seconds < MAX_DELAY_SECONDS ? seconds : undefined;
}

/** The quality that a name means: that of its profile, which is in its address, or a height such as `720`; -1 for none. */
export function levelNamed(levels: readonly Pick<Level, 'url' | 'height'>[], name: string): number {
  if (name === '') return -1;
  const part = `/${encodeURIComponent(name)}/`;
  const byName = levels.findIndex(({ url }) => url.some((address) => address.includes(part)));
  const height = /^\d+(?=p?$)/.exec(name)?.[0];
  return byName >= 0 ? byName : levels.findIndex((level) => String(level.height) === height);
}

/** Why the server refuses, in its own words. */
function serverMessage({ networkDetails }: ErrorData): string {
  try {
    const body = JSON.parse((networkDetails as XMLHttpRequest).responseText) as { message?: unknown };
    if (typeof body.message === 'string') return body.message.charAt(0).toUpperCase() + body.message.slice(1);
  } catch {
    // Not an answer of ours; a proxy may have written it.
  }
  return 'The server can not play this stream by HLS';
}

function networkMessage(status: number): string {
  if (status === 404) return 'The server does not have this stream as HLS yet. Trying again…';
  if (status === 503) return 'The server has no picture of this stream yet: it waits for a key frame. Trying again…';
  if (status >= 400) return `The HLS server answered ${status}. Trying again…`;
  if (status > 0) return 'The HLS server did not answer with a playlist. Trying again…';
  return 'The HLS port can not be reached from this browser; a firewall may block it. Trying again…';
}
