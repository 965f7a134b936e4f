import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from './chromium.ts';
import type { Until, Viewing } from './players.ts';
import { pause } from './program.ts';
import { PICTURE_RATE, type Return, TONE_HZ, type Watched } from './watched.ts';

const require = createRequire(import.meta.url);
const LIBRARIES = {
  'hls.js': join(dirname(require.resolve('hls.js/package.json')), 'dist/hls.min.js'),
  'mpegts.js': join(dirname(require.resolve('mpegts.js/package.json')), 'dist/mpegts.js'),
};

/** Time between two looks at a page. */
const LOOK_MS = 200;

/** Players that are JavaScript libraries. */
export type Library = keyof typeof LIBRARIES;

interface PageReport {
  readonly pictureTimes: number[];
  /** Each time that the library went back. */
  readonly returns: Return[];
  /** What is played once more after such a return counts neither here nor as frames. */
  readonly toneMs: number;
  readonly frames: number;
  readonly errors: string[];
}

/** Chromium with pages that play a URL by a library, as a web site of another origin than the server's would. */
export class BrowserPlayers {
  readonly #browser: Browser;
  readonly #site: Server;
  readonly #origin: string;

  private constructor(browser: Browser, site: Server) {
    this.#browser = browser;
    this.#site = site;
    const address = site.address();
    this.#origin = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  static async start(): Promise<BrowserPlayers> {
    const site = createServer((request, response) => {
      const library = LIBRARIES[request.url?.slice(1) as Library];
      response.setHeader('content-type', library === undefined ? 'text/html' : 'text/javascript');
      response.end(library === undefined ? '<!doctype html><video muted></video>' : readFileSync(library));
    }).listen(0, '127.0.0.1');
    await once(site, 'listening');
    const browser = await launchChromium();
    return new BrowserPlayers(browser, site);
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#site.close();
  }

  /** Plays the URL until enough is seen and tells what the browser decoded. */
  async watch(library: Library, viewing: PageViewing): Promise<Watched> {
    return (await this.open(library)).watch(viewing);
  }

  /** Opens a page with the library, which takes a busy machine seconds; it plays once it is told what to. */
  async open(library: Library): Promise<PlayerPage> {
    const page = await this.#browser.newPage();
    await page.goto(this.#origin);
    await page.addScriptTag({ url: `${this.#origin}/${library}` });
    return new PlayerPage(page, library);
  }
}

type PageViewing = Pick<Viewing, 'url' | 'until'>;

/** A page that can play one URL. */
export class PlayerPage {
  readonly #page: Page;
  readonly #library: Library;

  constructor(page: Page, library: Library) {
    this.#page = page;
    this.#library = library;
  }

  /** Plays the URL until enough is seen, tells what the browser decoded and closes the page. */
  async watch({ url, until }: PageViewing): Promise<Watched> {
    try {
      await this.#page.evaluate(play, { library: this.#library, url, toneHz: TONE_HZ });
      const { lateMs, ...report } = await this.#untilEnough(until);
      // A picture's hash is its time: the page sees no pixels, and a browser shows each decoded frame but once.
      const pictures = report.pictureTimes.map((time) => ({ timeMs: time * 1000, hash: String(time) }));
      const { frames: decoded, toneMs, returns, errors } = report;
      return { pictures, decoded, toneMs, returns, lateMs, log: errors.join('; ') };
    } finally {
      await this.#page.close();
    }
  }

  async #untilEnough(until: Until): Promise<PageReport & { readonly lateMs: number }> {
    const deadline = Date.now() + until.timeoutMs;
    let lateMs = 0;
    for (let lookedAt = performance.now(); ; ) {
      const report = await this.#page.evaluate(() => (window as unknown as { report: PageReport }).report);
      const enoughPictures = !until.video || report.frames >= until.seconds * PICTURE_RATE;
      const enoughSound = !until.audio || report.toneMs >= until.seconds * 1000;
      lateMs = Math.max(lateMs, performance.now() - lookedAt - LOOK_MS);
      if ((enoughPictures && enoughSound) || Date.now() > deadline) return { ...report, lateMs };
      lookedAt = performance.now();
      await pause(LOOK_MS);
    }
  }
}

interface PlayOptions {
  readonly library: Library;
  readonly url: string;
  readonly toneHz: number;
}

interface LibraryPlayer {
  on(event: string, listener: (...args: unknown[]) => void): void;
  attachMediaElement(video: HTMLVideoElement): void;
  attachMedia(video: HTMLVideoElement): void;
  loadSource(url: string): void;
  load(): void;
  destroy(): void;
}

/** Runs in the page: starts the library and keeps `window.report` up to date. */
function play({ library, url, toneHz }: PlayOptions): void {
  const MOST_RESTARTS = 3;
  const RESTART_MS = 1500;
  const video = document.querySelector('video') as HTMLVideoElement;
  const report = {
    pictureTimes: [] as number[],
    returns: [] as Return[],
    toneMs: 0,
    frames: 0,
    errors: [] as string[],
  };
  const globals = window as unknown as Record<string, unknown>;
  globals['report'] = report;
  let restarts = 0;
  /** Up to this media time, seconds, all has been played before. */
  let playedTo = 0;
  const onPicture = (_: number, { mediaTime }: { mediaTime: number }): void => {
    // A player that waits may be handed the picture that it shows already.
    if (mediaTime !== report.pictureTimes.at(-1)) report.pictureTimes.push(mediaTime);
    video.requestVideoFrameCallback(onPicture);
  };
  video.requestVideoFrameCallback(onPicture);
  // After a restart all is counted anew; a last picture of before may come until then.
  video.addEventListener('loadeddata', () => {
    report.pictureTimes.length = 0;
    report.returns.length = 0;
    report.toneMs = 0;
    playedTo = 0;
  });
  noteReturns();
  listen();
  start();

  function start(): void {
    if (library === 'hls.js') startHls();
    else startFlv();
    video.play().catch((error: Error) => report.errors.push(error.message));
  }

  function startHls(): void {
    const Hls = globals['Hls'] as new (config: object) => LibraryPlayer;
    const hls = new Hls({ enableWorker: false });
    hls.on('hlsError', (_, data) => {
      const { details, fatal, type } = data as { details: string; fatal: boolean; type: string };
      report.errors.push(details);
      if (fatal && type === 'mediaError') restart(hls);
    });
    hls.loadSource(url);
    hls.attachMedia(video);
  }

  function startFlv(): void {
    const { createPlayer, LoggingControl } = globals['mpegts'] as {
      createPlayer: (source: object, config: object) => LibraryPlayer;
      LoggingControl: { enableAll: boolean };
    };
    LoggingControl.enableAll = false;
    const player = createPlayer({ type: 'flv', isLive: true, url }, { enableStashBuffer: false });
    player.on('error', (...details) => {
      report.errors.push(JSON.stringify(details));
      if (details[1] === 'MediaMSEError') restart(player);
    });
    player.attachMediaElement(video);
    player.load();
  }

  /** What pages do when the browser cannot go on, such as at a track that comes late. */
  function restart(player: LibraryPlayer): void {
    if (restarts++ >= MOST_RESTARTS) return;
    // Later, or an HLS player would begin before the same moment again.
    setTimeout(() => {
      player.destroy();
      start();
    }, RESTART_MS);
  }

  /** Notes when the library goes back. Not by the event, which comes later and of what the browser does as well. */
  function noteReturns(): void {
    const { get, set } = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, 'currentTime') as {
      get(): number;
      set(seconds: number): void;
    };
    const goTo = (seconds: number): void => {
      const now = get.call(video);
      if (seconds < now) {
        const { buffered } = video;
        const end = buffered.length > 0 ? buffered.end(buffered.length - 1) : now;
        const pictures = report.pictureTimes.length;
        report.returns.push({ pictures, fromMs: now * 1000, toMs: seconds * 1000, leftMs: (end - now) * 1000 });
        playedTo = Math.max(playedTo, now);
      }
      set.call(video, seconds);
    };
    Object.defineProperty(video, 'currentTime', { get: () => get.call(video), set: goTo });
  }

  /** Every 50 ms, asks whether the tone is the loudest that plays. */
  function listen(): void {
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 4096 });
    video.muted = false;
    context.createMediaElementSource(video).connect(analyser);
    analyser.connect(context.destination);
    const levels = new Float32Array(analyser.frequencyBinCount);
    let heardUntil = 0;
    let [frames, repeatedFrames] = [0, 0];
    setInterval(() => {
      const { totalVideoFrames } = video.getVideoPlaybackQuality();
      const repeats = video.currentTime < playedTo;
      if (repeats) repeatedFrames += totalVideoFrames - frames;
      frames = totalVideoFrames;
      report.frames = frames - repeatedFrames;
      analyser.getFloatFrequencyData(levels);
      const loudest = levels.indexOf(Math.max(...levels));
      const hz = (loudest * context.sampleRate) / analyser.fftSize;
      const now = context.currentTime;
      const isTone = (levels[loudest] ?? -1000) > -60 && Math.abs(hz - toneHz) < 20;
      const plays = !video.paused && video.currentTime > 0 && !repeats;
      if (isTone && plays) report.toneMs += Math.round((now - heardUntil) * 1000);
      heardUntil = now;
    }, 50);
  }
}
