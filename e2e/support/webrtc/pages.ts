import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Browser, Page } from 'playwright-core';
import { vi } from 'vitest';
import { launchChromium } from '../chromium.ts';
import { BEEP_HZ, FLASH_SECONDS } from './flashes.ts';
import {
  leaveInPage,
  makeSource,
  type PlayedInPage,
  type PlayInPage,
  playDirectly,
  playedInPage,
  playInPage,
  publishInPage,
  sendTracks,
  watchPeer,
} from './page.ts';

/** A page of a browser in which code runs; as much of it as all browsers of the tests have. */
export interface ScriptedPage {
  evaluate<R, A>(code: (arg: A) => R | Promise<R>, arg: A): Promise<R>;
  evaluate<R>(code: (() => R | Promise<R>) | string): Promise<R>;
  context(): { close(): Promise<void> };
}

/** A browser that opens pages. */
export interface Pages {
  page(): Promise<ScriptedPage>;
}

/** A web site with an empty page. */
export interface Site {
  readonly origin: string;
  close(): void;
}

/** Opens a web site of another origin than the server's. */
export async function openSite(): Promise<Site> {
  const site = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>Test</title><body></body>');
  }).listen(0, 'localhost');
  await once(site, 'listening');
  const address = site.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { origin: `http://localhost:${port}`, close: () => site.close() };
}

/** Pages that publish and play by WHIP and WHEP, on a web site of another origin than the server's. */
export class WebRtcPages {
  readonly browser: Browser;
  readonly #site: Site;

  private constructor(browser: Browser, site: Site) {
    this.browser = browser;
    this.#site = site;
  }

  /** Opens Chromium, with further arguments where they are given. */
  static async start(args: readonly string[] = []): Promise<WebRtcPages> {
    const site = await openSite();
    return new WebRtcPages(await launchChromium({ webrtc: true, tellAddresses: true, args }), site);
  }

  get origin(): string {
    return this.#site.origin;
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.#site.close();
  }

  /** A page that publishes flashes and beeps by WHIP; it is connected then. */
  async publish(url: string, media: { readonly video?: string | undefined; readonly audio?: boolean }): Promise<Page> {
    const page = await this.page();
    await page.evaluate(publishInPage, {
      url,
      video: media.video,
      audio: media.audio ?? true,
      flashSeconds: FLASH_SECONDS,
      beepHz: BEEP_HZ,
    });
    return page;
  }

  /** A page that plays by WHEP. */
  async play(url: string, media: Partial<Omit<PlayInPage, 'url'>> = {}): Promise<PlayingPage> {
    const page = await this.page();
    await page.evaluate(playInPage, { video: true, audio: true, ...media, url });
    return new PlayingPage(page);
  }

  /** A page that plays what it sends itself, without a server. */
  async playDirectly(video: string): Promise<PlayingPage> {
    const page = await this.page();
    await page.evaluate(playDirectly, { video, audio: true, flashSeconds: FLASH_SECONDS, beepHz: BEEP_HZ });
    return new PlayingPage(page);
  }

  /** A page that does nothing yet. */
  async page(): Promise<Page> {
    const context = await this.browser.newContext();
    const page = await context.newPage();
    const kept = { makeSource, sendTracks, watchPeer };
    for (const [name, code] of Object.entries(kept)) await page.addInitScript(`window.${name} = ${String(code)}`);
    await page.goto(this.origin);
    return page;
  }
}

/** A page that plays, and what it tells. */
export class PlayingPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  facts(): Promise<PlayedInPage> {
    return this.page.evaluate(playedInPage);
  }

  /** Waits until what the page tells is as wished, and gives it. */
  async until(wish: (facts: PlayedInPage) => boolean, timeoutMs = 20_000): Promise<PlayedInPage> {
    return vi.waitFor(
      async () => {
        const facts = await this.facts();
        if (!wish(facts)) throw new Error(`the page plays otherwise: ${JSON.stringify(facts)}`);
        return facts;
      },
      { timeout: timeoutMs, interval: 100 },
    );
  }

  /** Ends the playback, which the server knows then; closing alone is noticed some seconds later. */
  async leave(): Promise<void> {
    await this.page.evaluate(leaveInPage);
    await this.close();
  }

  close(): Promise<void> {
    return this.page.context().close();
  }
}
