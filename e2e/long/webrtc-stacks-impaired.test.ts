import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { Ffmpeg } from '../support/ffmpeg.ts';
import type { Impairment } from '../support/impairment/line.ts';
import { type ClientLine, LOOK_MS, lineTo, playIn, publishNumberedVp8, tell } from '../support/impairment/lines.ts';
import { arrivedOf, numbersOf, timesOf } from '../support/impairment/numbered.ts';
import {
  delaysMs,
  during,
  publishNumberedFrom,
  SeeingPage,
  type Span,
  sentBy,
  type Viewed,
  viewed,
} from '../support/impairment/seen.ts';
import { TcpRelay } from '../support/impairment/tcp-relay.ts';
import type { Program } from '../support/program.ts';
import { TestServer } from '../support/server.ts';
import { FirefoxPages, firefoxHost } from '../support/webrtc/firefox.ts';
import type { ScriptedPage } from '../support/webrtc/pages.ts';

const RATE = 25;
const BITRATE = 800_000;
/** Firefox asks whether its way still works (RFC 7675) every four to six seconds; from that it is known where it is. */
const CONSENT_MS = 6000;
/** Full quality has to be back within this. */
const BACK_MS = 10_000;
const BACK_LOOK_MS = 1000;
/** Of the pictures of a viewer with a good line: the machine is not always on time. */
const FULL_SHARE = 0.85;

/** After this the clock of a publication is that of the publisher's reports, and moves no more. */
const SETTLE_MS = 5000;
/** Within this the first picture has to be there. */
const WITHIN_MS = 5000;
/** An address of documentation (RFC 5737), to which nothing gets through. */
const NOWHERE = '198.51.100.1';
const SOURCE = { size: '320x240', rate: RATE, noise: 20, bitrate: BITRATE };

const host = firefoxHost();
/** What is closed at the end, the last that was opened first. */
const open: (() => unknown)[] = [];
/** Keeps open until the end what would be closed after a test. */
const whole: Pick<TestContext, 'onTestFinished'> = {
  onTestFinished: (close): void => {
    open.unshift(close as () => unknown);
  },
};

let server: TestServer;
let pages: FirefoxPages;
let publisher: Program;
/** A viewer whose line does nothing: what it misses is the machine's fault. */
let control: SeeingPage;

beforeAll(async () => {
  server = await TestServer.start();
  pages = await FirefoxPages.start();
  publisher = publishNumberedVp8(server.rtsp('numbered'), SOURCE);
  await server.untilLive('numbered');
  control = await playIn(whole, pages, server.http('/whep/numbered'));
});

afterAll(async () => {
  for (const close of open) await close();
  await publisher.stop();
  await pages.close();
  await server.stop();
});

/** A viewer and its line. */
interface Viewer {
  readonly line: ClientLine;
  readonly page: SeeingPage;
}

async function viewer(changes: Partial<Impairment>): Promise<Viewer> {
  const line = await lineTo(whole, server, { host, changes });
  return { line, page: await playIn(whole, pages, line.before.http('/whep/numbered')) };
}

/** What a viewer saw, beside one whose line does nothing. */
interface Compared extends Viewed {
  /** Its rate of pictures as a share of that viewer's. */
  readonly share: number;
}

async function compared(what: string, page: SeeingPage, span: Span): Promise<Compared> {
  const [seen, unharmed] = await Promise.all([page.seen(), control.seen()]);
  const [saw, other] = [viewed(seen, span), viewed(unharmed, span)];
  const facts = { ...saw, share: saw.rate / other.rate };
  tell(what, { ...facts, controlGapMs: other.gapMs, controlRate: other.rate });
  return facts;
}

describe('a viewer in Firefox', () => {
  let lossy: Viewer;
  let unsteady: Viewer;
  let moving: Viewer;
  let span: Span;

  // All look at the same time. Nobody opens a window meanwhile, which takes much of the machine.
  beforeAll(async () => {
    lossy = await viewer({ delayMs: 50 });
    unsteady = await viewer({ delayMs: 20 });
    moving = await viewer({ delayMs: 20 });
    lossy.line.udp.change({ loss: 0.05 });
    const spikes = { everyMs: 2000, lengthMs: 200 };
    unsteady.line.udp.change({ jitterMs: 20, spikes, reorder: { share: 0.03, byMs: 20 }, duplicates: 0.05 });
    moving.line.udp.move();
    span = await during(Math.max(LOOK_MS, CONSENT_MS + 2000));
  });

  it('whose line loses 5 % of all packets, 50 ms away, sees no freeze of a second and hears no gaps', async () => {
    const saw = await compared('Firefox, 5 % loss', lossy.page, span);
    expect(lossy.line.udp.counters('down').lost).toBeGreaterThan(10);
    expect(saw.ownGapMs, JSON.stringify(saw)).toBeLessThan(1000);
    expect(saw.share, JSON.stringify(saw)).toBeGreaterThan(0.9);
    expect(saw.concealed).toBeLessThan(0.1);
  });

  it('whose line delays, doubles and disorders packets goes on playing', async () => {
    const saw = await compared('Firefox, jitter, reordering, duplicates', unsteady.page, span);
    expect(unsteady.line.udp.counters('down').reordered).toBeGreaterThan(10);
    expect(unsteady.line.udp.counters('down').duplicated).toBeGreaterThan(10);
    expect(saw.ownGapMs, JSON.stringify(saw)).toBeLessThan(1000);
    expect(saw.share, JSON.stringify(saw)).toBeGreaterThan(0.8);
  });

  it('whose address changes goes on playing', async () => {
    const saw = await compared('Firefox, new address of a viewer', moving.page, span);
    const last = await compared('and then', moving.page, { fromMs: span.toMs - 1500, toMs: span.toMs });
    expect(saw.ownGapMs, JSON.stringify(saw)).toBeLessThan(CONSENT_MS + 1000);
    expect(last.share, JSON.stringify(last)).toBeGreaterThan(FULL_SHARE);
  });

  it('whose line carries half of the bitrate for a while plays on in time, and wholly again afterwards', async () => {
    const { page, line } = moving;
    line.udp.change({ bitrate: BITRATE / 2 }, ['down']);
    const thin = await during(LOOK_MS);
    line.udp.change({ bitrate: 0 }, ['down']);
    const back = await untilBack(page);
    const saw = await compared('Firefox, thin line', page, thin);
    const [seen, reference] = await Promise.all([page.seen(), control.seen()]);
    const late = (fromMs: number): number =>
      Math.max(...delaysMs(seen, { reference, rate: RATE, span: { fromMs, toMs: back.toMs } }));
    const good = viewed(reference, { fromMs: thin.fromMs, toMs: back.toMs });
    const tookMs = back.toMs - back.fromMs;
    const figures = { ...saw, lateMs: late(thin.fromMs), back, tookMs, good };
    tell('Firefox, thin line', figures);
    expect(saw.pictures, JSON.stringify(figures)).toBeGreaterThan(LOOK_MS / 1000 / 3);
    expect(figures.lateMs, JSON.stringify(figures)).toBeLessThan(1000);
    expect(back.share, JSON.stringify(figures)).toBeGreaterThan(FULL_SHARE);
    expect(good.rate, JSON.stringify(figures)).toBeGreaterThan(RATE * FULL_SHARE);
    expect(good.gapMs, JSON.stringify(figures)).toBeLessThan(1000);
  });
});

/** Waits until a viewer gets what another one does, at most for as long as that may take. */
async function untilBack(page: SeeingPage): Promise<Span & { readonly share: number }> {
  const fromMs = Date.now();
  for (;;) {
    const last = await during(BACK_LOOK_MS);
    const [seen, reference] = await Promise.all([page.seen(), control.seen()]);
    const share = viewed(seen, last).rate / viewed(reference, last).rate;
    if (share > FULL_SHARE || last.toMs - fromMs > BACK_MS) return { fromMs, toMs: last.toMs, share };
  }
}

describe('Firefox that publishes', () => {
  let line: ClientLine;
  let page: ScriptedPage;

  beforeAll(async () => {
    line = await lineTo(whole, server, { host, changes: { delayMs: 20 } });
    line.udp.change({ loss: 0.1 }, ['up']);
    page = await publishNumberedFrom(pages, {
      url: line.before.http('/whip/published'),
      video: 'video/VP8',
      width: 320,
      height: 240,
      rate: 20,
      noise: false,
      encodings: [{}],
      notesSent: true,
      microphone: true,
    });
    await server.untilLive('published');
  });

  it('and loses 10 % of its packets has at least 99 % of its pictures in HLS, whole', async () => {
    const file = join(server.folder, 'published.mkv');
    const seconds = String((SETTLE_MS + LOOK_MS) / 1000);
    const recorder = new Ffmpeg(['-v', 'error', '-i', server.hls('published'), '-t', seconds, '-c', 'copy', file]);
    expect(await recorder.exited, recorder.stderr).toBe(0);
    const times = await timesOf(file);
    const settled = times.filter((timeMs) => timeMs >= (times[0] ?? 0) + SETTLE_MS);
    const arrived = arrivedOf(await sentBy(page), settled);
    const numbers = await numbersOf(file);
    const complete = numbers.filter((number) => number !== undefined).length;
    const figures = { ...arrived, inHls: times.length, decoded: numbers.length, complete, up: line.udp.counters('up') };
    tell('Firefox, 10 % loss of a publisher', figures);
    // A busy machine draws fewer than it is told to.
    expect(arrived.sent, JSON.stringify(figures)).toBeGreaterThan((LOOK_MS / 1000) * 4);
    expect(arrived.came / arrived.sent, JSON.stringify(figures)).toBeGreaterThanOrEqual(0.99);
    expect(complete, JSON.stringify(figures)).toBe(numbers.length);
    expect(line.udp.counters('up').lost).toBeGreaterThan(20);
  });

  it('and changes its address is seen again', async (test) => {
    line.udp.change({ loss: 0 }, ['up']);
    const seeing = await playIn(test, pages, server.http('/whep/published'));
    line.udp.move();
    const after = await during(CONSENT_MS + 2000);
    const seen = await seeing.seen();
    const last = viewed(seen, { fromMs: after.toMs - 1500, toMs: after.toMs });
    const sentMs = await sentBy(page);
    const sentRate = sentMs.filter((timeMs) => timeMs > (sentMs.at(-1) ?? 0) - 1500).length / 1.5;
    const figures = { ...viewed(seen, after), sentRate, last: last.rate };
    tell('Firefox, new address of a publisher', figures);
    expect(figures.gapMs, JSON.stringify(figures)).toBeLessThan(CONSENT_MS + 1000);
    expect(last.rate, JSON.stringify(figures)).toBeGreaterThan(sentRate / 2);
  });
});

/** Waits for pictures, and tells how long the first took from the offer, and which way they take. */
async function playedWithin(page: SeeingPage) {
  const { path, pictures, beganMs } = await page.untilShown(30);
  const firstFrameMs = (pictures[0]?.atMs ?? Number.POSITIVE_INFINITY) - beganMs;
  tell(`Firefox by ${path}`, { firstFrameMs });
  return { firstFrameMs, path };
}

describe('Firefox behind a firewall', () => {
  it('plays by TCP within five seconds where UDP is blocked', async (test) => {
    const line = await lineTo(test, server, { host, changes: { blocked: true } });
    line.before.ways = { host, udp: line.udp, tcp: line.tcp };
    const page = await SeeingPage.play(pages, line.before.http('/whep/numbered'));
    test.onTestFinished(() => page.close());
    const { firstFrameMs, path } = await playedWithin(page);
    expect(firstFrameMs).toBeLessThan(WITHIN_MS);
    expect(path).toBe('tcp');
    expect(line.udp.counters('up').blocked).toBeGreaterThan(0);
    expect(line.udp.counters('down').forwarded).toBe(0);
  });

  it('plays by TURN within five seconds where nothing gets through but TLS', async (test) => {
    const walled = await TestServer.start({ settings: { ip: NOWHERE } });
    test.onTestFinished(() => walled.stop());
    const source = publishNumberedVp8(walled.rtsp('walled'), SOURCE);
    test.onTestFinished(() => source.stop());
    await walled.untilLive('walled');
    const relay = await TcpRelay.open(walled.ports.turns);
    test.onTestFinished(() => relay.close());
    const { headers } = await fetch(walled.http('/whep/walled'), { method: 'OPTIONS' });
    const told = /<turns:[^>]+>; rel="ice-server"; username="([^"]*)"; credential="([^"]*)"/.exec(
      headers.get('link') ?? '',
    );
    const [, username = '', credential = ''] = told ?? expect.fail(headers.get('link') ?? 'no Link');
    // Firefox takes TLS for servers that have a name alone, and not an address.
    const iceServers = [{ urls: `turns:localhost:${relay.port}?transport=tcp`, username, credential }];
    const page = await SeeingPage.play(pages, walled.http('/whep/walled'), { iceServers });
    test.onTestFinished(() => page.close());
    const { firstFrameMs, path } = await playedWithin(page);
    expect(firstFrameMs).toBeLessThan(WITHIN_MS);
    expect(path).toMatch(/^relay/);
    expect(relay.counters('down').forwardedBytes).toBeGreaterThan(20_000);
  });
});
