import { afterAll, beforeAll, expect, it, type TestContext, vi } from 'vitest';
import { LOOK_MS, lineTo, playIn, tell } from './support/impairment/lines.ts';
import {
  delaysMs,
  during,
  publishNumberedFrom,
  type SeeingPage,
  type Span,
  viewed,
} from './support/impairment/seen.ts';
import { TestServer } from './support/server.ts';
import { WebRtcPages } from './support/webrtc/pages.ts';

const RATE = 20;
const [WIDTH, HEIGHT] = [640, 360];
const BITRATE = 600_000;
/** Half of what the larger size takes: the smaller one fits. */
const THIN_BITRATE = 300_000;
const QUEUE_MS = 300;
/** From the contract: the longest time without a picture, the latest picture, and full quality again. */
const FREEZE_MS = 1000;
const DELAY_MS = 1000;
const BACK_MS = 10_000;
/** The larger size takes this share of its bitrate at least before the line is cut. */
const TAKEN_SHARE = 0.8;
/** What goes wrong does so within some seconds of the cut. */
const CUT_MS = LOOK_MS / 2;
/** It is watched so long before the cut. */
const BEFORE_MS = 2000;

let server: TestServer;
let pages: WebRtcPages;

beforeAll(async () => {
  server = await TestServer.start();
  pages = await WebRtcPages.start();
});

afterAll(async () => {
  await pages.close();
  await server.stop();
});

/** Chromium that publishes numbered pictures in two sizes, of which the larger one takes twice the thin line. */
async function publishInTwoSizes(test: TestContext, name: string): Promise<void> {
  const page = await publishNumberedFrom(pages, {
    ...{ url: server.http(`/whip/${name}`), video: 'video/H264', width: WIDTH, height: HEIGHT, rate: RATE },
    ...{ noise: true, strength: 0.12, notesSent: false },
    encodings: [
      { rid: 'h', scaleResolutionDownBy: 2, maxBitrate: 150_000 },
      { rid: 'f', maxBitrate: BITRATE },
    ],
  });
  test.onTestFinished(() => page.context().close());
  await server.untilLive(name);
}

async function largestBps(name: string): Promise<number> {
  const overview = (await (await fetch(server.http('/api/overview'))).json()) as {
    readonly streams: { readonly name: string; readonly layers?: { readonly bitrate: number }[] }[];
  };
  return overview.streams.find((stream) => stream.name === name)?.layers?.[0]?.bitrate ?? 0;
}

/** Waits until viewers are shown the larger size, and it takes what it is to take. */
async function untilFull(name: string, viewers: readonly SeeingPage[]): Promise<void> {
  await vi.waitFor(
    async () => {
      for (const viewer of viewers) expect((await viewer.seen()).pictures.at(-1)?.width).toBe(WIDTH);
      expect(await largestBps(name)).toBeGreaterThan(BITRATE * TAKEN_SHARE);
    },
    { timeout: 60_000, interval: 100 },
  );
}

/** Waits until a viewer is shown the larger size again, at most for as long as that may take, and tells how long it took. */
async function untilBack(viewer: SeeingPage): Promise<number> {
  const fromMs = Date.now();
  for (;;) {
    const passedMs = (await during(100)).toMs - fromMs;
    const { pictures } = await viewer.seen();
    const isBack = pictures.some(({ atMs, width }) => atMs > fromMs + 500 && width === WIDTH);
    if (isBack || passedMs > BACK_MS) return passedMs;
  }
}

/** What both viewers saw from the cut on, until some time after it was over. */
async function factsOf(thin: SeeingPage, good: SeeingPage, span: Span) {
  const [seen, reference] = await Promise.all([thin.seen(), good.seen()]);
  const [saw, other] = [viewed(seen, span), viewed(reference, span)];
  const latest = (page: typeof seen): number => Math.max(...delaysMs(page, { reference, rate: RATE, span }));
  const widths = (page: typeof seen): number[] => [
    ...new Set(page.pictures.filter(({ atMs }) => atMs >= span.fromMs && atMs <= span.toMs).map(({ width }) => width)),
  ];
  return {
    gapMs: saw.gapMs,
    delayMs: latest(seen),
    freezes: saw.freezes,
    broken: saw.broken,
    share: saw.rate / other.rate,
    widths: widths(seen),
    // What the machine itself holds up holds up both.
    good: { gapMs: other.gapMs, delayMs: latest(reference), packetsLost: other.packetsLost, widths: widths(reference) },
    loweredMs: (seen.pictures.find(({ atMs, width }) => atMs > span.fromMs && width < WIDTH)?.atMs ?? 0) - span.fromMs,
  };
}

it('a viewer whose line carries half of the larger size is given the smaller one before it sees a freeze, and the larger one back', async (test) => {
  await publishInTwoSizes(test, 'sizes');
  const line = await lineTo(test, server, { changes: { delayMs: 20, queueMs: QUEUE_MS } });
  const [thin, good] = await Promise.all([
    playIn(test, pages, line.before.http('/whep/sizes')),
    playIn(test, pages, server.http('/whep/sizes')),
  ]);
  await untilFull('sizes', [thin, good]);
  await during(BEFORE_MS);
  line.udp.change({ bitrate: THIN_BITRATE }, ['down']);
  const cut = await during(CUT_MS);
  const { overflowed } = line.udp.counters('down');
  line.udp.change({ bitrate: 0 }, ['down']);
  const backMs = await untilBack(thin);
  // The change back is seen to its end.
  const after = await during(BEFORE_MS);
  const facts = await factsOf(thin, good, { fromMs: cut.fromMs, toMs: after.toMs });
  const explained = await server.rest('/stream/explain', { name: 'sizes' });
  const text = JSON.stringify({ ...facts, backMs, overflowed, explained });
  tell('thin line, two sizes', { ...facts, backMs, overflowed });
  expect(overflowed, text).toBeGreaterThan(0);
  expect(facts.widths, text).toEqual([WIDTH, WIDTH / 2]);
  expect(facts.gapMs - facts.good.gapMs, text).toBeLessThan(FREEZE_MS);
  expect(facts.delayMs - facts.good.delayMs, text).toBeLessThan(DELAY_MS);
  expect(facts.broken, text).toBe(0);
  expect(facts.share, text).toBeGreaterThan(0.75);
  expect(backMs, text).toBeLessThan(BACK_MS);
  expect(facts.good, text).toMatchObject({ packetsLost: 0, widths: [WIDTH] });
});
