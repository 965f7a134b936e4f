import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { BlackHole } from './support/impairment/black-hole.ts';
import { lineTo, publishNumberedByRtmp, tell } from './support/impairment/lines.ts';
import { SeeingPage } from './support/impairment/seen.ts';
import { TcpRelay } from './support/impairment/tcp-relay.ts';
import type { Program } from './support/program.ts';
import { TestServer } from './support/server.ts';
import { WebRtcPages } from './support/webrtc/pages.ts';
import { aiortcBehind } from './support/webrtc/stacks.ts';

/** Within this the first picture has to be there. */
const WITHIN_MS = 5000;
/** What clients are told as the address of media, and where only a firewall is. */
const WALLED = '127.0.0.3';
const SOURCE = { size: '320x240', rate: 25, noise: 5, bitrate: 300_000 };

let pages: WebRtcPages;
const servers: TestServer[] = [];
const publishers: Program[] = [];

async function serverWithStream(settings: Record<string, string>): Promise<TestServer> {
  const server = await TestServer.start({ settings });
  servers.push(server);
  publishers.push(publishNumberedByRtmp(server.rtmp('behind'), SOURCE));
  await server.untilLive('behind');
  return server;
}

beforeAll(async () => {
  // The server makes its certificate itself.
  pages = await WebRtcPages.start(['--ignore-certificate-errors']);
});

afterAll(async () => {
  await Promise.all(publishers.map((publisher) => publisher.stop()));
  await pages.close();
  for (const server of servers) await server.stop();
});

/** Plays and tells how long it took from the offer to the first picture, and which way it took. */
async function playWithin(test: TestContext, url: string, configuration: RTCConfiguration = {}) {
  const page = await SeeingPage.play(pages, url, configuration);
  test.onTestFinished(() => page.close());
  const { path, pictures, beganMs } = await page.untilShown(30);
  const firstFrameMs = (pictures[0]?.atMs ?? Number.POSITIVE_INFINITY) - beganMs;
  tell(`way by ${path}`, { firstFrameMs });
  return { firstFrameMs, path, page };
}

describe('a viewer where UDP is blocked', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await serverWithStream({});
  });

  it('plays by TCP within five seconds', async (test) => {
    const line = await lineTo(test, server, { changes: { blocked: true } });
    line.before.ways = line;
    const { firstFrameMs, path } = await playWithin(test, line.before.http('/whep/behind'));
    expect(firstFrameMs).toBeLessThan(WITHIN_MS);
    expect(path).toBe('tcp');
    expect(line.udp.counters('up').blocked).toBeGreaterThan(0);
    expect(line.udp.counters('down').forwarded).toBe(0);
  });
});

describe('a viewer where nothing gets through but TLS', () => {
  let server: TestServer;
  let firewall: BlackHole;
  beforeAll(async () => {
    server = await serverWithStream({ bind_address: '127.0.0.1', ip: WALLED });
    firewall = await BlackHole.open(WALLED, server.ports.media);
  });
  afterAll(() => firewall.close());

  /** The ICE servers that WHEP tells of, of which all but one kind lead to the firewall. */
  async function iceServers(port: number, open: RegExp): Promise<RTCIceServer[]> {
    const { headers } = await fetch(server.http('/whep/behind'), { method: 'OPTIONS' });
    const links = [...(headers.get('link') ?? '').matchAll(/<([^>]+)>; rel="ice-server"([^,]*)/g)];
    expect(links.length, headers.get('link') ?? 'no Link').toBeGreaterThan(2);
    return links.map(([, url = '', rest = '']) => {
      const [, username = '', credential = ''] = /username="([^"]*)"; credential="([^"]*)"/.exec(rest) ?? [];
      const way = open.test(url) ? `127.0.0.1:${port}` : `${WALLED}:${server.ports.media}`;
      const urls = url.replace(/(?<=^turns?:)[^?]+/, way);
      return { urls, username, credential };
    });
  }

  it('plays by TURN within five seconds', async (test) => {
    const relay = await TcpRelay.open(server.ports.turns);
    test.onTestFinished(() => relay.close());
    const configuration = { iceServers: await iceServers(relay.port, /^turns:/) };
    const { firstFrameMs, path } = await playWithin(test, server.http('/whep/behind'), configuration);
    expect(firstFrameMs).toBeLessThan(WITHIN_MS);
    expect(path).toBe('relay tls');
    expect(relay.counters('down').forwardedBytes).toBeGreaterThan(20_000);
    expect(firewall.swallowed).toBeGreaterThan(0);
  });

  it('plays by TURN in the console, which asks for it when nothing else gets through', async (test) => {
    const relay = await TcpRelay.open(server.ports.turns);
    test.onTestFinished(() => relay.close());
    const page = await pages.page();
    test.onTestFinished(() => page.context().close());
    await page.addInitScript(() => localStorage.setItem('sluice.play-protocol', 'webrtc'));
    const servers = await iceServers(relay.port, /^turns:/);
    const link = servers.map(
      ({ urls, username, credential }) =>
        `<${String(urls)}>; rel="ice-server"; username="${username}"; credential="${credential}"; credential-type="password"`,
    );
    await page.route('**/whep/behind', (route) =>
      route.request().method() === 'OPTIONS'
        ? route.fulfill({ status: 204, headers: { link: link.join(', ') } })
        : route.continue(),
    );
    await page.goto(server.http('/#/streams/behind'));
    await page.waitForFunction(() => (document.querySelector('video')?.currentTime ?? 0) > 0.5);
    expect(relay.counters('down').forwardedBytes).toBeGreaterThan(20_000);
  });

  it('plays by TURN in aiortc', async (test) => {
    const relay = await TcpRelay.open(server.ports.turn);
    test.onTestFinished(() => relay.close());
    // It takes one server alone, and no certificate that it does not know.
    const [only] = (await iceServers(relay.port, /transport=tcp/)).filter(({ urls }) =>
      /^turn:.*tcp/.test(String(urls)),
    );
    const player = aiortcBehind(only === undefined ? [] : [only], server.http('/whep/behind'), 'H264');
    test.onTestFinished(() => player.stop());
    await player.until(({ frames, samples }) => frames > 50 && samples > 48_000);
    expect(relay.counters('down').forwardedBytes).toBeGreaterThan(20_000);
  });
});
