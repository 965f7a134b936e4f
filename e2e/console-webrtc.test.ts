import type { OverviewBody, OverviewStream } from '@sluice/contract';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { protocolObstacles } from '../apps/console/src/play-protocol.ts';
import { launchChromium } from './support/chromium.ts';
import { TestServer } from './support/server.ts';

/** Whoever is not on the server's machine must log in. */
const PASSWORD = 'a good word';
const PATIENT = { timeout: 20_000, interval: 100 };
/** What Chromium writes of itself about answers that the page expects. */
const EXPECTED = /Failed to load resource/;

let server: TestServer;
let browser: Browser;
const errors: string[] = [];

beforeAll(async () => {
  server = await TestServer.start({ settings: { admin_password: PASSWORD } });
  browser = await launchChromium({ webrtc: true, tellAddresses: true });
});

afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
  // A page that is closed ends its stream; the next test may take the name again.
  await expect.poll(() => server.streamNames(), PATIENT).toEqual([]);
  expect(errors.splice(0)).toEqual([]);
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

/** A page of the console that plays by WebRTC, and tells what went wrong in it. */
async function openPage(url: string, context?: BrowserContext): Promise<Page> {
  const page = await (context ?? browser).newPage();
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    const bad = message.type() === 'error' || message.type() === 'warning';
    if (bad && !EXPECTED.test(message.text())) errors.push(message.text());
  });
  await page.addInitScript(() => {
    localStorage.setItem('sluice.play-protocol', localStorage.getItem('sluice.play-protocol') ?? 'webrtc');
  });
  await page.goto(url);
  return page;
}

async function logIn(page: Page): Promise<void> {
  await page.getByTestId('login-password').fill(PASSWORD);
  await page.getByTestId('login-submit').click();
}

/** A page that publishes, and says so. */
async function publish(name: string, source: 'camera' | 'test'): Promise<Page> {
  const page = await openPage(server.http('/#/publish'));
  await goLive(page, name, source);
  await expectPhase(page, 'live');
  await server.untilLive(name);
  return page;
}

async function goLive(page: Page, name: string, source: 'camera' | 'test'): Promise<void> {
  await page.getByTestId('publish-source').selectOption(source);
  await page.getByTestId('publish-page-name').fill(name);
  await page.getByTestId('publish-toggle').click();
}

async function expectPhase(page: Page, phase: string): Promise<void> {
  await expect.poll(() => page.getByTestId('publish-state').getAttribute('data-state'), PATIENT).toBe(phase);
}

function play(name: string): Promise<Page> {
  return openPage(server.http(`/#/streams/${name}`));
}

function currentTime(page: Page): Promise<number> {
  return page.getByTestId('player-video').evaluate((element) => (element as HTMLVideoElement).currentTime);
}

async function expectPlaying(page: Page): Promise<void> {
  await expect.poll(() => page.getByTestId('player-state').getAttribute('data-state'), PATIENT).toBe('playing');
  const before = await currentTime(page);
  await expect.poll(() => currentTime(page), PATIENT).toBeGreaterThan(before + 1);
}

/** Waits until one of the facts about the connection is as wished. */
async function expectFact(page: Page, id: string, wish: RegExp): Promise<void> {
  const fact = page.getByTestId(`webrtc-${id}`);
  await expect.poll(() => fact.textContent(), { ...PATIENT, message: id }).toMatch(wish);
}

/** What both sides of a connection tell once media flow. */
async function expectFlow(page: Page, codecs: RegExp): Promise<void> {
  await expectFact(page, 'state', /^connected$/);
  await expectFact(page, 'path', /:\d+ \((host|prflx)\) → \S+:\d+ \(host\), udp$/);
  await expectFact(page, 'codecs', codecs);
  await expectFact(page, 'bitrate', /^[1-9]\d+ kbit\/s$/);
  await expectFact(page, 'loss', /^0\.0 % \(0 in all\)$/);
  await expectFact(page, 'rtt', /^\d+ ms$/);
  await expectFact(page, 'frames', /^[1-9]\d*\/s \([1-9]\d* in all\)$/);
  await expectFact(page, 'size', /^\d+ × \d+$/);
}

async function expectLevelToMove(page: Page): Promise<void> {
  const level = (): Promise<number> =>
    page.getByTestId('publish-level').evaluate((element) => (element as HTMLMeterElement).value);
  await expect.poll(level, { ...PATIENT, interval: 30 }).toBeGreaterThan(0.3);
  await expect.poll(level, { ...PATIENT, interval: 30 }).toBeLessThan(0.1);
}

async function streamOf(name: string): Promise<OverviewStream | undefined> {
  const overview = (await (await fetch(server.http('/api/overview'))).json()) as OverviewBody;
  return overview.streams.find((stream) => stream.name === name);
}

describe("the console's publish page", () => {
  it('publishes a test picture that the console plays by WebRTC, HLS and FLV, until it is stopped', async () => {
    const publisher = await publish('picture', 'test');
    await expectLevelToMove(publisher);
    await expectFlow(publisher, /opus, H264/);

    const list = await openPage(server.http('/'));
    const row = list.locator('[data-testid=stream-row][data-stream=picture]');
    await expect.poll(() => row.textContent(), PATIENT).toMatch(/H\.264 640×360.*Opus 48 kHz.*WEBRTC/s);
    await list.close();

    const player = await play('picture');
    await expectPlaying(player);
    await expectFlow(player, /opus, H264/);
    await expectFact(player, 'delay', /^\d+ ms picture, \d+ ms sound$/);
    await expect.poll(() => player.getByTestId('player-delay').textContent(), PATIENT).toMatch(/^\d+ ms$/);
    for (const protocol of ['hls', 'flv', 'webrtc']) {
      await player.getByTestId(`play-${protocol}`).check({ force: true });
      await expectPlaying(player);
    }

    await publisher.getByTestId('publish-toggle').click();
    await expectPhase(publisher, 'idle');
    await expect.poll(() => server.streamNames(), PATIENT).toEqual([]);
    expect(await publisher.getByTestId('webrtc-facts').count()).toBe(0);
    await expect.poll(() => player.getByTestId('player-message').textContent(), PATIENT).toContain('not live');
    await publisher.getByTestId('publish-toggle').click();
    await expectPlaying(player);
  });

  it('publishes the camera and the microphone, and turns them off when it is stopped', async () => {
    const page = await openPage(server.http('/#/publish'));
    await page.evaluate(() => {
      const { mediaDevices } = navigator;
      const ask = mediaDevices.getUserMedia.bind(mediaDevices);
      mediaDevices.getUserMedia = async (wish) => {
        const stream = await ask(wish);
        Object.assign(window, { captured: [...((window as never)['captured'] ?? []), ...stream.getTracks()] });
        return stream;
      };
    });
    const states = (): Promise<string[]> =>
      page.evaluate(() => ((window as never)['captured'] as MediaStreamTrack[]).map((track) => track.readyState));
    await goLive(page, 'camera', 'camera');
    await expectPhase(page, 'live');
    await expectLevelToMove(page);
    await expectFlow(page, /opus, H264/);
    expect(await states()).toEqual(['live', 'live']);
    // Names are known now, so that another one can be chosen.
    await expect.poll(() => page.getByTestId('publish-camera').locator('option').count(), PATIENT).toBeGreaterThan(2);
    expect((await streamOf('camera'))?.publisher?.protocol).toBe('webrtc');
    await page.getByTestId('publish-toggle').click();
    await expect.poll(states).toEqual(['ended', 'ended']);
    await expect.poll(() => server.streamNames(), PATIENT).toEqual([]);
  });

  it('publishes in the sizes that the picture is large enough for, the whole one among them', async () => {
    const page = await openPage(server.http('/#/publish'));
    await page.getByTestId('publish-sizes').check();
    await goLive(page, 'sizes', 'test');
    const sizes = async (): Promise<unknown> =>
      (await streamOf('sizes'))?.layers?.map(({ rid, width, height }) => `${rid} ${width}x${height}`);
    await expect.poll(sizes, PATIENT).toEqual(['full 640x360', 'half 320x180']);
    await page.getByTestId('publish-toggle').click();
  });

  it('captures nothing for who goes away while the browser asks', async () => {
    const page = await openPage(server.http('/#/publish'));
    await page.evaluate(() => {
      const { mediaDevices } = navigator;
      const ask = mediaDevices.getUserMedia.bind(mediaDevices);
      mediaDevices.getUserMedia = async (wish) => {
        await new Promise((resolve) => Object.assign(window, { allow: resolve }));
        const stream = await ask(wish);
        Object.assign(window, { captured: stream.getTracks() });
        return stream;
      };
    });
    await goLive(page, 'asked', 'camera');
    await expectPhase(page, 'asking');
    await page.getByTestId('publish-toggle').click();
    await expectPhase(page, 'idle');
    await page.evaluate(() => ((window as never)['allow'] as () => void)());
    const states = (): Promise<string[] | undefined> =>
      page.evaluate(() =>
        ((window as never)['captured'] as MediaStreamTrack[] | undefined)?.map((track) => track.readyState),
      );
    await expect.poll(states, PATIENT).toEqual(['ended', 'ended']);
    await expectPhase(page, 'idle');
    expect(await server.streamNames()).toEqual([]);
  });

  it('lets go of all that it opened, however quickly it is started and stopped', async () => {
    const page = await openPage(server.http('/#/publish'));
    await page.evaluate(() => {
      const peers: RTCPeerConnection[] = [];
      const sounds: AudioContext[] = [];
      const counts = { workers: 0 };
      window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(options?: RTCConfiguration) {
          super(options);
          peers.push(this);
        }
      };
      window.AudioContext = class extends AudioContext {
        constructor(options?: AudioContextOptions) {
          super(options);
          sounds.push(this);
        }
      };
      window.Worker = class extends Worker {
        constructor(url: string | URL, options?: WorkerOptions) {
          super(url, options);
          counts.workers++;
        }
        override terminate(): void {
          counts.workers--;
          super.terminate();
        }
      };
      Object.assign(window, {
        opened: () => ({
          ...counts,
          made: peers.length,
          peers: peers.filter(({ connectionState }) => connectionState !== 'closed').length,
          sounds: sounds.filter(({ state }) => state !== 'closed').length,
        }),
      });
    });
    const opened = (): Promise<object> => page.evaluate(() => ((window as never)['opened'] as () => object)());
    await goLive(page, 'hasty', 'test');
    for (let round = 0; round < 8; round++) {
      await page.evaluate(() => document.querySelector<HTMLElement>('[data-testid=publish-toggle]')?.click());
      // Stops it at one stage of its beginning after the other.
      if (round % 2 === 1) await page.waitForTimeout(round * 20);
    }
    await expectPhase(page, 'live');
    expect(await opened()).toEqual({ made: 5, peers: 1, sounds: 2, workers: 1 });
    await page.getByTestId('publish-toggle').click();
    await expect.poll(opened, PATIENT).toEqual({ made: 5, peers: 0, sounds: 0, workers: 0 });
    await expect.poll(() => server.streamNames(), PATIENT).toEqual([]);
  });

  it('says that a name is taken, before and when it is refused', async () => {
    await publish('taken', 'test');
    const page = await openPage(server.http('/#/publish'));
    await page.getByTestId('publish-page-name').fill('taken');
    await expect.poll(() => page.getByTestId('publish-taken').textContent(), PATIENT).toContain('is live already');
    await goLive(page, 'taken', 'test');
    await expectPhase(page, 'failed');
    expect(await page.getByTestId('publish-message').textContent()).toContain('Choose another name');
    await goLive(page, 'free', 'test');
    await expectPhase(page, 'live');
    expect((await streamOf('taken'))?.publisher).not.toBeNull();
  });

  it('says what to do when the camera is not allowed', async () => {
    const page = await openPage(server.http('/#/publish'));
    await page.evaluate(() => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
    });
    await goLive(page, 'refused', 'camera');
    await expectPhase(page, 'failed');
    expect(await page.getByTestId('publish-message').textContent()).toMatch(/address bar, or choose the test picture/);
    await goLive(page, 'allowed', 'test');
    await expectPhase(page, 'live');
  });

  it('ends its stream when its view is left', async () => {
    const page = await publish('left', 'test');
    await page.getByTestId('back-to-list').click();
    await expect.poll(() => server.streamNames(), PATIENT).toEqual([]);
  });

  it('leads to where browsers give a camera, from where they do not', async () => {
    const args = ['--host-resolver-rules=MAP console.test 127.0.0.1'];
    const elsewhere = await launchChromium({ webrtc: true, tellAddresses: true, args });
    try {
      const context = await elsewhere.newContext({ ignoreHTTPSErrors: true });
      const page = await openPage(`http://console.test:${server.httpPort}/#/publish`, context);
      await logIn(page);
      expect(await page.getByTestId('publish-source').inputValue()).toBe('test');
      await page.getByTestId('publish-secure').click();
      await page.waitForURL(`https://console.test:${server.ports.https}/#/publish`);
      await logIn(page);
      await goLive(page, 'secure', 'camera');
      await expectPhase(page, 'live');
      await page.goto(`https://console.test:${server.ports.https}/#/streams/secure`);
      // HLS has a port with TLS, so that such a page may load it.
      await expect.poll(() => page.getByTestId('play-hls').isEnabled(), PATIENT).toBe(true);
      expect(await page.getByTestId('obstacle-hls').count()).toBe(0);
      // The page is not closed but shows another view; a browser that is killed would not tell the server.
      await expect.poll(() => server.streamNames(), PATIENT).toEqual([]);
    } finally {
      await elsewhere.close();
    }
  });
});

describe('the console of a server that stops', () => {
  it('says so to who publishes', async () => {
    const other = await TestServer.start();
    try {
      const page = await openPage(other.http('/#/publish'));
      await goLive(page, 'last', 'test');
      await expectPhase(page, 'live');
      await other.stop();
      await expectPhase(page, 'failed');
      expect(await page.getByTestId('publish-message').textContent()).toContain('The server ended the connection');
    } finally {
      await other.stop();
    }
  });
});

describe('the console of a server without WebRTC', () => {
  it('plays otherwise, publishes nothing and says why', async () => {
    const other = await TestServer.start({ settings: { media_port_from: 0 }, args: ['--demo'] });
    try {
      await other.untilLive('demo');
      const page = await openPage(other.http('/#/streams/demo'));
      await expectPlaying(page);
      expect(await page.getByTestId('play-auto').isChecked()).toBe(true);
      expect(await page.getByTestId('play-webrtc').isDisabled()).toBe(true);
      expect(await page.getByTestId('obstacle-webrtc').textContent()).toContain('turned off');
      await page.goto(other.http('/#/publish'));
      await page.getByTestId('publish-off').waitFor();
      expect(await page.getByTestId('publish-toggle').isDisabled()).toBe(true);
      await page.context().close();
    } finally {
      await other.stop();
    }
  });
});

describe('ways to play', () => {
  const ports = {
    rtmp: 1935,
    hls: 8082,
    http: 8081,
    https: 8444,
    ws: 8080,
    wss: 8443,
    rtsp: 5554,
    srt: 8890,
    webrtc: true,
    hlsSecure: 0,
    mse: false,
    lowLatencyHls: false,
    dash: false,
    hlsLadder: false,
  };

  it('are left out where the server or the page can not have them', () => {
    const plain = { protocol: 'http:', hostname: 'media.example' };
    const secure = { protocol: 'https:', hostname: 'media.example' };
    const here = { protocol: 'https:', hostname: 'localhost' };
    expect(protocolObstacles(ports, plain)).toEqual({});
    expect(protocolObstacles(ports, here)).toEqual({});
    expect(Object.keys(protocolObstacles(ports, secure))).toEqual(['hls']);
    expect(Object.keys(protocolObstacles({ ...ports, hls: 0, webrtc: false }, plain))).toEqual(['webrtc', 'hls']);
  });
});
