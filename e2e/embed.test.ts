import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser, Frame, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { EmbedMessage } from '../apps/console/src/embed/messages.ts';
import { type EmbedParams, readEmbedParams } from '../apps/console/src/embed/params.ts';
import { launchChromium } from './support/chromium.ts';
import { Ffmpeg, makeClip } from './support/ffmpeg.ts';
import { TestServer } from './support/server.ts';

const PATIENT = { timeout: 30_000, interval: 100 };

let server: TestServer;
let browser: Browser;
let site: Server;
let clip: string;
let publisher: Ffmpeg;
const errors: string[] = [];

/** The server asks for a password, which viewers of an embedded page do not have. */
beforeAll(async () => {
  server = await TestServer.start({ settings: { disable_rest_auth: 'false' } });
  clip = join(server.folder, 'clip.mp4');
  makeClip(clip, { seconds: 20, gop: 25 });
  publisher = publish('cam');
  site = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>Another site</title>');
  }).listen(0, 'localhost');
  await once(site, 'listening');
  browser = await launchChromium({ webrtc: true, tellAddresses: true });
});

afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
  expect(errors.splice(0)).toEqual([]);
});

afterAll(async () => {
  await browser.close();
  site.close();
  await publisher.stop();
  await server.stop();
});

function publish(name: string): Ffmpeg {
  const input = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', clip];
  return new Ffmpeg([...input, '-c', 'copy', '-f', 'flv', server.rtmp(name)]);
}

interface Embedded {
  readonly page: Page;
  readonly frame: Frame;
  readonly asked: string[];
}

/** Puts a page of the server into one of another site, which keeps what it is told. */
async function embed(path: string, prepare?: () => void): Promise<Embedded> {
  const page = await browser.newPage();
  const asked: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('request', (request) => asked.push(request.url()));
  if (prepare !== undefined) await page.addInitScript(prepare);
  await page.goto(`http://localhost:${(site.address() as AddressInfo).port}/`);
  await page.evaluate((src) => {
    const told: unknown[] = [];
    Object.assign(window, { told });
    window.addEventListener('message', ({ data }) => told.push(data));
    const frame = document.createElement('iframe');
    frame.allow = 'autoplay; fullscreen';
    frame.width = '640';
    frame.height = '360';
    frame.src = src;
    document.body.append(frame);
  }, server.http(path));
  const element = await page.waitForSelector('iframe');
  const frame = await element.contentFrame();
  if (frame === null) throw new Error('there is no frame');
  return { page, frame, asked };
}

function told({ page }: Embedded): Promise<EmbedMessage[]> {
  return page.evaluate(() => (window as unknown as { told: EmbedMessage[] }).told);
}

async function eventsOf(embedded: Embedded): Promise<string[]> {
  return (await told(embedded)).map(({ event }) => event);
}

async function expectPlaying({ frame }: Embedded): Promise<void> {
  const video = frame.getByTestId('embed-video');
  const time = (): Promise<number> => video.evaluate((element) => (element as HTMLVideoElement).currentTime);
  await expect.poll(() => frame.locator('main').getAttribute('data-state'), PATIENT).toBe('playing');
  const before = await time();
  await expect.poll(time, PATIENT).toBeGreaterThan(before + 0.5);
}

describe('a page that another site embeds', () => {
  it('plays without a login, muted, and tells the site what happens', async () => {
    const embedded = await embed('/embed?stream=cam');
    await expectPlaying(embedded);
    expect(await told(embedded)).toMatchObject([
      { source: 'sluice-embed', stream: 'cam', event: 'protocol', protocol: 'webrtc' },
      { source: 'sluice-embed', stream: 'cam', event: 'playing', protocol: 'webrtc' },
    ]);
    const { frame } = embedded;
    const isMuted = (): Promise<boolean> =>
      frame.getByTestId('embed-video').evaluate((element) => (element as HTMLVideoElement).muted);
    expect(await isMuted()).toBe(true);
    await frame.getByTestId('embed-unmute').click();
    await expect.poll(isMuted).toBe(false);
    await frame.getByTestId('embed-play').click();
    await expect.poll(() => eventsOf(embedded), PATIENT).toContain('paused');
    await frame.getByTestId('embed-play').click();
    await expectPlaying(embedded);
  });

  it('plays sound that has no picture by WebRTC', async () => {
    const input = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', clip, '-vn'];
    const radio = new Ffmpeg([...input, '-c', 'copy', '-f', 'flv', server.rtmp('radio')]);
    const embedded = await embed('/embed?stream=radio');
    await expectPlaying(embedded);
    expect((await told(embedded)).map(({ event, protocol }) => `${event} ${protocol}`)).toEqual([
      'protocol webrtc',
      'playing webrtc',
    ]);
    await radio.stop();
  });

  it('stays paused when the keyboard or the system pauses it, with sound as well', async () => {
    const embedded = await embed('/embed?stream=cam&muted=0');
    await expectPlaying(embedded);
    const video = embedded.frame.getByTestId('embed-video');
    expect(await video.evaluate((element) => (element as HTMLVideoElement).muted)).toBe(false);
    await video.evaluate((element) => (element as HTMLVideoElement).pause());
    await expect.poll(() => embedded.frame.locator('main').getAttribute('data-state')).toBe('paused');
    expect(await video.evaluate((element) => (element as HTMLVideoElement).muted)).toBe(false);
  });

  it("plays by the parameters of WCS's embed player and passes a token on", async () => {
    const urlServer = encodeURIComponent(`ws://127.0.0.1:${server.ports.ws}`);
    const query = `urlServer=${urlServer}&streamName=cam&mediaProviders=WebRTC,MSE,WSPlayer&token=secret`;
    const embedded = await embed(`/embed_player?${query}`);
    await expectPlaying(embedded);
    const whep = embedded.asked.find((url) => url.includes('/whep/'));
    expect(new URL(whep ?? '').search).toBe('?token=secret');
    expect(embedded.asked.some((url) => url.includes('/snapshot/cam.jpg?token=secret&width='))).toBe(true);
  });

  it('waits for a stream that is not live yet, begins by itself, and tells when it ends', async () => {
    const embedded = await embed('/embed?stream=later');
    const message = (): Promise<string | null> => embedded.frame.getByTestId('embed-message').textContent();
    await expect.poll(message, PATIENT).toBe('“later” is not live yet. It starts by itself.');
    expect(await eventsOf(embedded)).not.toContain('error');
    const late = publish('later');
    await expectPlaying(embedded);
    await late.stop();
    await expect.poll(() => eventsOf(embedded), PATIENT).toContain('ended');
    await expect.poll(message, PATIENT).toContain('has ended');
  });

  it('takes another way where the browser has no WebRTC, and tells which', async () => {
    const embedded = await embed('/embed?stream=cam', () => Reflect.deleteProperty(window, 'RTCPeerConnection'));
    await expectPlaying(embedded);
    const [chosen] = await told(embedded);
    expect(chosen?.protocol).toMatch(/mse|hls/);
    expect(chosen?.message).toContain('This browser has no WebRTC');
  });

  it('tells why no way works, and goes on trying', async () => {
    const embedded = await embed('/embed?stream=cam&protocols=webrtc,mse&poster=0', () => {
      Reflect.deleteProperty(window, 'RTCPeerConnection');
      Object.assign(window, { WebSocket: undefined });
    });
    await expect.poll(() => eventsOf(embedded), PATIENT).toContain('error');
    const [error, ...others] = (await told(embedded)).filter(({ event }) => event === 'error');
    expect(others).toEqual([]);
    expect(error?.message).toMatch(/WebRTC: This browser has no WebRTC\.\nMSE: /);
  });

  it('says why there is nothing to play', async () => {
    const embedded = await embed('/embed_player?streamName=cam&mediaProviders=WSPlayer');
    await expect.poll(() => embedded.frame.getByTestId('embed-message').textContent()).toContain('WSPlayer');
    await expect.poll(() => eventsOf(embedded)).toEqual(['error']);
  });

  it('begins when it is told to, with a picture until then', async () => {
    const embedded = await embed('/embed?stream=cam&autoplay=0');
    const { frame } = embedded;
    await frame.locator('img:not([hidden])').waitFor();
    expect(await eventsOf(embedded)).toEqual([]);
    await frame.getByTestId('embed-start').click();
    await expectPlaying(embedded);
    expect(await frame.locator('img').isHidden()).toBe(true);
  });

  it('is the only one: the console itself can not be framed', async () => {
    const { page } = await embed('/');
    const refused = page.frames().find((frame) => frame !== page.mainFrame());
    await expect.poll(() => refused?.url()).toMatch(/^chrome-error:/);
  });
});

describe('the parameters of an embedded page', () => {
  const read = (search: string): EmbedParams => {
    const params = readEmbedParams(search, 'media.example');
    if (typeof params === 'string') throw new Error(params);
    return params;
  };

  it('are our own, with defaults', () => {
    expect(read('?stream=a%2Fb')).toEqual({
      stream: 'a/b',
      order: ['webrtc', 'mse', 'll-hls', 'hls'],
      autoplay: true,
      muted: true,
      controls: true,
      poster: true,
      quality: '',
      fit: 'contain',
      picture: { width: undefined, height: undefined },
      custom: {},
    });
    const query = 'protocols=hls,ll-hls,hls&autoplay=0&muted=false&controls=no&poster=off&fit=cover&quality=720&key=1';
    expect(read(`?stream=cam&${query}`)).toMatchObject({
      ...{ order: ['hls', 'll-hls'], autoplay: false, muted: false, controls: false, poster: false },
      ...{ fit: 'cover', quality: '720', custom: { key: '1' } },
    });
  });

  it("are those of WCS's embed player, whose order counts", () => {
    const query = 'urlServer=wss%3A%2F%2Fmedia.example%3A8443&streamName=cam&mediaProviders=MSE,WebRTC,WSPlayer';
    expect(read(`?${query}&width=640&height=360&mute=0`)).toMatchObject({
      ...{ stream: 'cam', order: ['mse', 'webrtc'], muted: false, picture: { width: 640, height: 360 }, custom: {} },
    });
  });

  it.each([
    ['?', /names no stream/],
    ['?stream=a&urlServer=wss://other.example:8443', /plays streams of media\.example only/],
    ['?stream=a&urlServer=nonsense', /is not an address/],
    ['?stream=a&mediaProviders=WSPlayer,Flash', /WSPlayer and Flash are not played here/],
    ['?stream=a&protocols=telepathy', /names no way to play/],
  ])('may be wrong, and a sentence says how (%s)', (search, why) => {
    expect(readEmbedParams(search, 'media.example')).toMatch(why);
  });

  it('are bounded, and absurd sizes left out', () => {
    const many = Array.from({ length: 100 }, (_, index) => `x${index}=1`).join('&');
    const { custom, picture } = read(`?stream=a&width=0&height=99999&long=${'y'.repeat(5000)}&${many}`);
    expect(Object.keys(custom)).toHaveLength(32);
    expect(custom['long']).toBeUndefined();
    expect(picture).toEqual({ width: undefined, height: undefined });
  });
});
