import { type LintedPlaylist, parseLintedPlaylist } from '@sluice/media';
import { Admission } from '../admission.ts';
import { ClockWatch } from '../figures/clock-watch.ts';
import type { Figures } from '../figures/figures.ts';
import { type HttpReply, keepingAgent, send } from '../http.ts';
import type { Member } from '../member.ts';
import { unixUs } from '../source/clock.ts';
import { heldBackS, nextOf, type Piece, partsOf, segmentsOf, soundOf, startOf, variantsOf } from './hls-playlist.ts';
import { PlaybackBuffer } from './playback-buffer.ts';
import { clocksOf } from './segment-clocks.ts';
import type { ViewerOptions } from './viewer-options.ts';

export interface HlsViewerOptions extends ViewerOptions {
  /** Parts are fetched as soon as there are any, by playlists that wait for them. */
  readonly lowLatency: boolean;
  /** The clocks in what comes are read. */
  readonly checked: boolean;
}

/** A stream that has just begun has no playlist yet: players ask again. */
const RETRY_MS = 500;
const REQUEST_TIMEOUT_MS = 20_000;

/** A viewer by HLS or low-latency HLS: fetches what a player fetches, when it would. */
export class HlsViewer implements Member {
  readonly #url: string;
  readonly #figures: Figures;
  readonly #options: HlsViewerOptions;
  readonly #admission: Admission;
  readonly #buffer: PlaybackBuffer;
  readonly #clocks: ClockWatch;
  readonly #agent: ReturnType<typeof keepingAgent>;
  readonly #abort = new AbortController();
  /** Pauses that go on, one for each playlist. */
  #pauses: { readonly untilMs: number; readonly end: () => void }[] = [];
  #running: Promise<void> | undefined;

  constructor(url: string, figures: Figures, options: HlsViewerOptions) {
    this.#url = url;
    this.#figures = figures;
    this.#options = options;
    this.#admission = new Admission(figures, options.joinTimeoutMs);
    this.#buffer = new PlaybackBuffer(figures.counts, options.freezeMs);
    this.#clocks = new ClockWatch(figures);
    this.#agent = keepingAgent(url, { maxSockets: 2, insecure: options.insecure });
  }

  start(nowMs: number): void {
    this.#admission.start(nowMs);
    this.#admission.waitingFor = 'segment';
    this.#running = this.#play().catch((error: unknown) => {
      this.#lose(error instanceof Error ? error.message : String(error));
    });
  }

  tick(nowMs: number): void {
    if (this.#admission.overdue(nowMs)) this.#end();
    this.#buffer.check(nowMs);
    if (this.#pauses.length > 0) this.#endPauses(nowMs);
  }

  async stop(): Promise<void> {
    this.#admission.leave();
    this.#buffer.finish(performance.now());
    this.#end();
    await this.#running;
    this.#agent.destroy();
  }

  async #play(): Promise<void> {
    const addresses = await this.#mediaPlaylists();
    await Promise.all(addresses.map((address, index) => this.#follow(address, index === 0)));
  }

  /** Playlists of the picture and of sound of its own. */
  async #mediaPlaylists(): Promise<string[]> {
    const text = await this.#playlist(this.#url);
    const [variant] = variantsOf(text);
    if (variant === undefined) return [this.#url];
    const sound = soundOf(text);
    return [variant, ...(sound === undefined ? [] : [sound])].map((uri) => new URL(uri, this.#url).href);
  }

  /** Fetches one playlist again and again, and what is new in it. */
  async #follow(address: string, isMain: boolean): Promise<void> {
    const { lowLatency } = this.#options;
    let newest = -1;
    let query = '';
    while (this.#admission.open) {
      const playlist = parseLintedPlaylist(await this.#playlist(withQuery(address, query)));
      const parts = lowLatency && playlist.partTargetS !== undefined;
      const pieces = (parts ? partsOf : segmentsOf)(playlist);
      const wanted =
        newest < 0 ? startOf(pieces, heldBackS(playlist, parts)) : pieces.filter(({ order }) => order > newest);
      for (const piece of wanted) await this.#fetchPiece(address, piece, { isMain, isLive: newest >= 0 });
      newest = Math.max(newest, ...wanted.map(({ order }) => order));
      if (playlist.ended) return this.#lose('the stream is over');
      query = parts ? `_HLS_msn=${nextOf(playlist).msn}&_HLS_part=${nextOf(playlist).part}` : '';
      if (query === '') await this.#pause(reloadMs(playlist, wanted.length > 0));
    }
  }

  async #fetchPiece(address: string, piece: Piece, about: { isMain: boolean; isLive: boolean }): Promise<void> {
    const reply = await this.#get(new URL(piece.uri, address).href);
    if (reply === undefined || !about.isMain) return;
    const nowMs = performance.now();
    this.#figures.counts.packets++;
    this.#buffer.add(piece.durationS * 1000, nowMs);
    this.#admission.join(nowMs);
    if (this.#options.checked) this.#readClocks(reply.body, about.isLive);
  }

  /** A player that never waits is behind its publisher by the age of the first picture of what comes. */
  #readClocks(body: Buffer, isLive: boolean): void {
    const arrivedUs = unixUs();
    for (const [index, clock] of clocksOf(body).entries()) {
      this.#figures.counts.pictures++;
      this.#clocks.onClock(clock, isLive && index === 0 ? arrivedUs - clock.sentUs : undefined);
    }
  }

  /** The text of a playlist; asks again while there is none and nothing was shown yet. */
  async #playlist(url: string): Promise<string> {
    for (;;) {
      const reply = await this.#get(url);
      const text = reply?.body.toString('utf8') ?? '';
      if (text.startsWith('#EXTM3U')) return text;
      if (!this.#admission.open) return '';
      await this.#pause(RETRY_MS);
    }
  }

  /** Undefined for a request that failed, which is counted. */
  async #get(url: string): Promise<HttpReply | undefined> {
    const { counts } = this.#figures;
    if (!this.#admission.open) return undefined;
    counts.requests++;
    try {
      const { insecure } = this.#options;
      const { signal } = this.#abort;
      const reply = await send(url, { insecure, timeoutMs: REQUEST_TIMEOUT_MS, agent: this.#agent, signal });
      counts.bytes += reply.body.length;
      if (reply.status === 200) return reply;
      // A stream that is not there yet is no failure.
      if (this.#admission.joined) this.#fail(`the server answers ${reply.status}`);
    } catch (error) {
      if (this.#admission.open) this.#fail(error instanceof Error ? error.message : String(error));
    }
    return undefined;
  }

  #fail(reason: string): void {
    this.#figures.counts.requestsFailed++;
    this.#figures.note(reason);
  }

  /** Waits until `tick` finds that the time has come, or the viewer leaves. */
  #pause(ms: number): Promise<void> {
    if (this.#abort.signal.aborted) return Promise.resolve();
    const untilMs = performance.now() + ms;
    return new Promise((resolve) => this.#pauses.push({ untilMs, end: resolve }));
  }

  #endPauses(nowMs: number): void {
    const over = this.#pauses.filter(({ untilMs }) => untilMs <= nowMs);
    this.#pauses = this.#pauses.filter((pause) => !over.includes(pause));
    for (const { end } of over) end();
  }

  #lose(reason: string): void {
    if (this.#admission.lose(reason)) this.#end();
  }

  #end(): void {
    this.#abort.abort();
    this.#endPauses(Number.POSITIVE_INFINITY);
  }
}

/** RFC 8216 §6.3.4: the target duration after a playlist that had something new, half of it after one that had not. */
function reloadMs({ targetS }: LintedPlaylist, hadNew: boolean): number {
  const target = Number.isFinite(targetS) && targetS > 0 ? targetS * 1000 : RETRY_MS * 2;
  return hadNew ? target : target / 2;
}

function withQuery(address: string, query: string): string {
  return query === '' ? address : `${address}${address.includes('?') ? '&' : '?'}${query}`;
}
