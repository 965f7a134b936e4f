import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BrowserContext, Page, Response } from 'playwright-core';
import { vi } from 'vitest';
import { launchChromium, sharedContext } from './chromium.ts';

const MODULES = fileURLToPath(new URL('../../node_modules/', import.meta.url));
const LIBRARIES = {
  'hls.js': join(MODULES, 'hls.js/dist/hls.min.js'),
  shaka: join(MODULES, 'shaka-player/dist/shaka-player.compiled.js'),
  'dash.js': join(MODULES, 'dashjs/dist/modern/umd/dash.all.min.js'),
};

/** Players of segmented streams. */
export type LiveLibrary = keyof typeof LIBRARIES;

/** What a page has seen of its player so far. */
export interface LiveReport {
  /** Since it was told to play; undefined until the first picture. */
  readonly firstPictureMs: number | undefined;
  /** Seconds of media played since the first picture, and how often it ran dry since. */
  readonly playedSeconds: number;
  readonly stalls: number;
  /** How far what is shown lies behind the server's clock, one number every quarter of a second. */
  readonly delays: readonly number[];
  readonly frames: number;
  /** Width of the picture, and the widths that it had, in order. */
  readonly width: number;
  readonly errors: readonly string[];
}

/** A playlist or manifest as the server answered it. */
export interface ManifestAnswer {
  readonly url: string;
  readonly status: number;
  readonly text: string;
  /** Of arrival, milliseconds since 1970. */
  readonly atMs: number;
}

/** Chromium with pages of another origin than the server's, which play live streams and look after their delay. */
export class LivePlayers {
  readonly #context: BrowserContext;
  readonly #site: Server;
  readonly #origin: string;

  private constructor(context: BrowserContext, site: Server) {
    this.#context = context;
    this.#site = site;
    const address = site.address();
    this.#origin = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  static async start(): Promise<LivePlayers> {
    const site = createServer((request, response) => {
      const library = LIBRARIES[request.url?.slice(1) as LiveLibrary];
      response.setHeader('content-type', library === undefined ? 'text/html' : 'text/javascript');
      response.end(library === undefined ? '<!doctype html><video muted></video>' : readFileSync(library));
    }).listen(0, '127.0.0.1');
    await once(site, 'listening');
    const browser = await launchChromium({ args: ['--ignore-certificate-errors'] });
    return new LivePlayers(await sharedContext(browser), site);
  }

  async close(): Promise<void> {
    await this.#context.browser()?.close();
    this.#site.close();
  }

  /** Opens a page that plays the URL by the library from now on. */
  async play(library: LiveLibrary, url: string): Promise<LivePage> {
    const page = await this.#context.newPage();
    await page.goto(this.#origin);
    await page.addScriptTag({ url: `${this.#origin}/${library}` });
    const live = new LivePage(page);
    await page.evaluate(startPlayer, { library, url });
    return live;
  }
}

/** A page that plays. */
export class LivePage {
  readonly page: Page;
  readonly #manifests: Promise<ManifestAnswer | undefined>[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on('response', (response) => {
      if (/\.(m3u8|mpd)(\?|$)/.test(response.url())) this.#manifests.push(answerOf(response));
    });
  }

  report(): Promise<LiveReport> {
    return this.page.evaluate(() => (window as unknown as { report(): LiveReport }).report());
  }

  /** The report once so many seconds of media were played. @throws Error when that takes too long */
  async playedFor(seconds: number): Promise<LiveReport> {
    let report: LiveReport | undefined;
    const look = async (): Promise<void> => {
      report = await this.report();
      if (report.playedSeconds < seconds) throw new Error(`only this was played: ${JSON.stringify(report)}`);
    };
    await vi.waitFor(look, { timeout: (seconds + 25) * 1000, interval: 250 });
    return report as LiveReport;
  }

  /** All playlists and manifests that the player was given, in the order of its requests. */
  async manifests(): Promise<ManifestAnswer[]> {
    const answers = await Promise.all(this.#manifests);
    return answers.filter((answer) => answer !== undefined);
  }

  /** Closes the page and gives its last report. */
  async close(): Promise<LiveReport> {
    const report = await this.report();
    await this.page.close();
    return report;
  }
}

async function answerOf(response: Response): Promise<ManifestAnswer | undefined> {
  try {
    const text = await response.text();
    return { url: response.url(), status: response.status(), text, atMs: Date.now() };
  } catch {
    // The player took the request back, or the page was closed.
    return undefined;
  }
}

interface HlsJs {
  loadSource(url: string): void;
  attachMedia(video: HTMLVideoElement): void;
  on(event: string, listener: (event: string, data: { fatal: boolean; details: string }) => void): void;
  readonly playingDate: Date | null;
  /** Where it would begin now, seconds of media; undefined while nothing is known. */
  readonly liveSyncPosition: number | null;
  /** How far behind it is and is to be, seconds. */
  readonly latency: number;
  readonly targetLatency: number | null;
  readonly latestLevelDetails: { readonly targetduration: number } | null;
}

interface Shaka {
  attach(video: HTMLVideoElement): Promise<void>;
  load(url: string): Promise<void>;
  configure(settings: object): void;
  addEventListener(name: string, listener: (event: { detail: { code: number } }) => void): void;
  getPlayheadTimeAsDate(): Date | null;
}

interface DashJs {
  initialize(video: HTMLVideoElement, url: string, autoPlay: boolean): void;
  updateSettings(settings: object): void;
  on(event: string, listener: (event: { error?: { code: number; message: string } }) => void): void;
  getCurrentLiveLatency(): number;
}

interface PlayerGlobals {
  readonly Hls: new (settings: object) => HlsJs;
  readonly shaka: { readonly Player: new () => Shaka; readonly polyfill: { installAll(): void } };
  readonly dashjs: { MediaPlayer(): { create(): DashJs } };
  report(): LiveReport;
  /** Kept for tests that tell it what to do. */
  hls?: HlsJs;
}

/** Runs in the page. */
function startPlayer({ library, url }: { library: LiveLibrary; url: string }): void {
  const globals = window as unknown as PlayerGlobals;
  const video = document.querySelector('video') as HTMLVideoElement;
  video.autoplay = true;
  const startedMs = performance.now();
  const state = { firstPictureMs: undefined as number | undefined, fromSeconds: 0, stalls: 0 };
  const delays: number[] = [];
  const errors: string[] = [];
  let delay: () => number | undefined = () => undefined;
  if (library === 'hls.js') {
    const hls = new globals.Hls({ lowLatencyMode: true, maxLiveSyncPlaybackRate: 1.5, backBufferLength: 10 });
    hls.on('hlsError', (_event, { fatal, details }) => errors.push(fatal ? `fatal ${details}` : details));
    globals.hls = hls;
    hls.loadSource(url);
    hls.attachMedia(video);
    // It catches up only what is less than about a target duration: what is more, as where the machine was busy while it
    // began, it takes for a wish. It has not been wished, so it goes to the newest, as with a button for it.
    setInterval(() => {
      const { liveSyncPosition, targetLatency, latency, latestLevelDetails } = hls;
      if (state.firstPictureMs === undefined || liveSyncPosition === null || targetLatency === null) return;
      const mostSeconds = 2 * targetLatency + (latestLevelDetails?.targetduration ?? 0);
      if (latency < mostSeconds || video.seeking) return;
      // What is passed over is not played.
      state.fromSeconds += liveSyncPosition - video.currentTime;
      video.currentTime = liveSyncPosition;
    }, 1000);
    delay = () => (hls.playingDate === null ? undefined : (Date.now() - hls.playingDate.getTime()) / 1000);
  } else if (library === 'shaka') {
    globals.shaka.polyfill.installAll();
    const player = new globals.shaka.Player();
    player.addEventListener('error', ({ detail }) => errors.push(`fatal ${detail.code}`));
    player.configure({ streaming: { lowLatencyMode: true } });
    player
      .attach(video)
      .then(() => player.load(url))
      .catch((error: unknown) => errors.push(`fatal ${String(error)}`));
    delay = () => {
      const date = player.getPlayheadTimeAsDate();
      return date === null ? undefined : (Date.now() - date.getTime()) / 1000;
    };
  } else {
    const player = globals.dashjs.MediaPlayer().create();
    player.on('error', ({ error }) => errors.push(`fatal ${error?.code} ${error?.message}`));
    player.initialize(video, url, true);
    delay = () => player.getCurrentLiveLatency();
  }
  video.addEventListener('timeupdate', () => {
    if (state.firstPictureMs !== undefined || video.currentTime === 0 || video.videoWidth === 0) return;
    state.firstPictureMs = performance.now() - startedMs;
    state.fromSeconds = video.currentTime;
  });
  video.addEventListener('waiting', () => {
    if (state.firstPictureMs !== undefined && !video.seeking) state.stalls++;
  });
  setInterval(() => {
    const seconds = delay();
    if (state.firstPictureMs !== undefined && seconds !== undefined && Number.isFinite(seconds)) delays.push(seconds);
  }, 250);
  globals.report = () => ({
    firstPictureMs: state.firstPictureMs,
    playedSeconds: state.firstPictureMs === undefined ? 0 : video.currentTime - state.fromSeconds,
    stalls: state.stalls,
    delays,
    frames: video.getVideoPlaybackQuality().totalVideoFrames,
    width: video.videoWidth,
    errors,
  });
}
