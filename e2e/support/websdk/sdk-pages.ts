import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { vi } from 'vitest';
import { launchChromium, sharedContext } from '../chromium.ts';
import { type Harness, installHarness, type SessionNotice, type StartCommand, type StreamReport } from './in-page.ts';

const require = createRequire(import.meta.url);
const PACKAGE = dirname(require.resolve('@flashphoner/websdk/package.json'));
const SCRIPTS: Readonly<Record<string, string>> = {
  // The bundle that applications include, and the vendor's own tests, as they come from npm.
  '/flashphoner.js': join(PACKAGE, 'flashphoner.js'),
  '/flashphoner-room-api.js': join(PACKAGE, 'flashphoner-room-api.js'),
  '/test.js': join(PACKAGE, 'test/test.js'),
  // What those tests use, of which Vitest brings a copy.
  '/chai.js': createRequire(require.resolve('vitest/package.json')).resolve('chai'),
};
const WAIT_MS = 15_000;

/** Chromium with fake camera and microphone, and pages at localhost that use the unmodified Web SDK. */
export class SdkPages {
  readonly #context: BrowserContext;
  readonly #site: Server;
  readonly #own: Map<string, string>;
  readonly #origin: string;

  private constructor(context: BrowserContext, site: Server, own: Map<string, string>) {
    this.#own = own;
    this.#context = context;
    this.#site = site;
    const address = site.address();
    // Only "localhost" and HTTPS are given a camera.
    this.#origin = `http://localhost:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  static async start(): Promise<SdkPages> {
    const own = new Map<string, string>();
    const site = createServer((request, response) => {
      const script = SCRIPTS[request.url ?? ''];
      response.setHeader('content-type', script === undefined ? 'text/html' : 'text/javascript');
      const sdk = request.url === '/room' ? 'flashphoner-room-api.js' : 'flashphoner.js';
      const page = `<!doctype html><body><script src="/${sdk}"></script>`;
      response.end(script === undefined ? (own.get(request.url ?? '') ?? page) : readFileSync(script));
    }).listen(0, 'localhost');
    await once(site, 'listening');
    // For WSS: the server's certificate is signed by itself.
    const browser = await launchChromium({ webrtc: true, args: ['--ignore-certificate-errors'] });
    return new SdkPages(await sharedContext(browser), site, own);
  }

  async close(): Promise<void> {
    await this.#context.browser()?.close();
    this.#site.close();
  }

  async open(): Promise<SdkPage> {
    const page = await this.openBare();
    await page.evaluate(installHarness);
    return new SdkPage(page);
  }

  /** Closes all pages as crashes do. */
  async closeAll(): Promise<void> {
    const [, ...opened] = this.#context.pages();
    await Promise.all(opened.map((page) => page.close()));
  }

  /** A page of that text, which may load the SDK's files from `/`. */
  async openText(html: string): Promise<Page> {
    const path = `/own/${this.#own.size}`;
    this.#own.set(path, html.replaceAll('src="flashphoner', 'src="/flashphoner'));
    const page = await this.#context.newPage();
    await page.goto(this.#origin + path);
    return page;
  }

  /** Any page in the same browser. */
  async openUrl(url: string): Promise<Page> {
    const page = await this.#context.newPage();
    await page.goto(url);
    return page;
  }

  /** A page that has loaded the SDK, or at `/room` the SDK with its Room API, and nothing else. */
  async openBare(path: '/' | '/room' = '/'): Promise<Page> {
    const page = await this.#context.newPage();
    await page.goto(this.#origin + path);
    return page;
  }
}

/** One page with the Web SDK, driven by labels for its sessions and streams. */
export class SdkPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Opens a session; gives the status that it comes to: `ESTABLISHED`, or a failure. */
  connect(url: string, options: object = {}, label = 'session'): Promise<string> {
    return this.#run(({ harness }, args) => harness.connect(args.label, args.options), {
      label,
      options: { urlServer: url, ...options },
    });
  }

  start(command: Omit<StartCommand, 'session'> & { readonly session?: string }): Promise<void> {
    return this.#run(({ harness }, args) => harness.start(args), { session: 'session', ...command });
  }

  /** Publishes under the stream's name as label; resolves when it is `PUBLISHING`. */
  async publish(name: string, options: object = {}): Promise<void> {
    await this.start({ label: name, how: 'publish', name, options });
    await this.status(name, 'PUBLISHING');
  }

  /** Plays under `label`; resolves when it is `PLAYING`. */
  async play(label: string, name: string, options: object = {}): Promise<void> {
    await this.start({ label, how: 'play', name, options });
    await this.status(label, 'PLAYING');
  }

  /** Calls a method of the SDK's stream object without arguments. */
  call(label: string, method: 'stop' | 'muteAudio' | 'unmuteAudio' | 'muteVideo' | 'unmuteVideo'): Promise<void> {
    return this.#run(({ harness }, args) => harness.stream(args.label)[args.method](), { label, method });
  }

  sendStreamData(label: string, payload: unknown): Promise<void> {
    return this.#run(({ harness }, args) => harness.stream(args.label).sendData(args.payload), { label, payload });
  }

  sendData(payload: unknown): Promise<unknown> {
    return this.#run(({ harness }, args) => harness.sendData('session', args.payload), { payload });
  }

  report(label: string): Promise<StreamReport> {
    return this.#run(({ harness }, args) => harness.report(args.label), { label });
  }

  /** What the SDK's own `getStats` gives. */
  stats(label: string): Promise<unknown> {
    return this.#run(({ harness }, args) => harness.stats(args.label), { label });
  }

  sessionStatuses(label = 'session'): Promise<string[]> {
    return this.#run(({ harness }, args) => harness.sessionStatuses(args.label), { label });
  }

  /** Warnings, and data of the server's application. */
  notices(label = 'session'): Promise<SessionNotice[]> {
    return this.#run(({ harness }, args) => harness.notices(args.label), { label });
  }

  /** What the server said of the session. */
  connection(label = 'session'): Promise<Record<string, unknown>> {
    return this.#run(({ harness }, args) => harness.connection(args.label), { label });
  }

  resize(label: string, size: { readonly width: number; readonly height: number }): Promise<void> {
    return this.#run(({ harness }, args) => harness.resize(args.label, args.size), { label, size });
  }

  available(name: string): Promise<{ available: boolean; reason: string | undefined }> {
    return this.#run(({ harness }, args) => harness.available('session', args.name), { name });
  }

  snapshot(name: string): Promise<{ type: string; payload: Record<string, string> }> {
    return this.#run(({ harness }, args) => harness.snapshot('session', args.name), { name });
  }

  /** Ends camera and microphone of a publication, which goes on without. */
  silence(label: string): Promise<void> {
    return this.#run(({ harness }, args) => harness.silence(args.label), { label });
  }

  /** Name of the file that the server has recorded, as the SDK was told. */
  recordName(label: string): Promise<string | undefined> {
    return this.#run(({ harness }, args) => harness.recordName(args.label), { label });
  }

  disconnect(label = 'session'): Promise<void> {
    return this.#run(({ harness }, args) => harness.disconnect(args.label), { label });
  }

  /** Exceptions that the page or the SDK did not catch. */
  faults(): Promise<string[]> {
    return this.#run(({ harness }) => harness.log, {});
  }

  /** Waits for a status of a stream and gives the `info` that came with it. @throws Error with all that came instead */
  async status(label: string, status: string): Promise<StreamReport['statuses'][number]> {
    return vi.waitFor(
      async () => {
        const { statuses } = await this.report(label);
        const found = statuses.find((entry) => entry.status === status);
        if (found === undefined) throw new Error(`no ${status} of ${label}: ${JSON.stringify(statuses)}`);
        return found;
      },
      { timeout: WAIT_MS, interval: 50 },
    );
  }

  /** Leaves without a farewell, as a crash does: not even the SDK's handlers run. */
  async close(): Promise<void> {
    await this.page.close({ runBeforeUnload: false });
  }

  #run<Args extends object, Result>(
    command: (window: { harness: Harness }, args: Args) => Result | Promise<Result>,
    args: Args,
  ): Promise<Result> {
    // Sent as text: a function's arguments can't be a page's window.
    const script = `(${command.toString()})(window, ${JSON.stringify(args)})`;
    return this.page.evaluate(script);
  }
}
