import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { LOOK_MS, lineTo, NumberedPublisher, playIn, tell } from './support/impairment/lines.ts';
import { type Drawn, delaysOf, during, type SeeingPage, type Span, viewed } from './support/impairment/seen.ts';
import { Heartbeat } from './support/impairment/stalls.ts';
import { TestServer } from './support/server.ts';
import { WebRtcPages } from './support/webrtc/pages.ts';

const RATE = 25;
const BITRATE = 1_200_000;
const QUEUE_MS = 300;
/** Pictures may be shown so late, at any time, and the viewer with a good line waits no longer for one. */
const MOST_DELAY_MS = 1000;
const MOST_GAP_MS = 1000;
/** Full quality has to be back within this. */
const BACK_MS = 10_000;
const BACK_LOOK_MS = 2000;
/** Of the pictures of a viewer with a good line: the machine is not always on time. */
const FULL_SHARE = 0.85;
/** A line that carries everything is measured for so long before it is made thin. */
const BEFORE_MS = 4000;

let server: TestServer;
let pages: WebRtcPages;
let heartbeat: Heartbeat;

beforeAll(async () => {
  heartbeat = new Heartbeat();
  // What a machine without room for a smaller picture does; see webrtc-thin-rendition.test.ts for one with room.
  server = await TestServer.start({ settings: { webrtc_thin_renditions: 'false' } });
  pages = await WebRtcPages.start();
});

afterAll(async () => {
  await pages.close();
  await server.stop();
  heartbeat.stop();
});

/** Times of a viewer whose line became thin, and wide again. */
interface Thinned {
  readonly before: Span;
  readonly thin: Span;
  readonly after: Span;
}

/** Cuts a viewer's line to half of a bitrate for a while; another viewer of the same stream has a good one. */
async function thinned(test: TestContext, name: string, { bitrate, drawn }: { bitrate: number; drawn: () => Drawn }) {
  const line = await lineTo(test, server, { changes: { delayMs: 20, queueMs: QUEUE_MS } });
  const [thin, good] = await Promise.all([
    playIn(test, pages, line.before.http(`/whep/${name}`)),
    playIn(test, pages, server.http(`/whep/${name}`)),
  ]);
  const before = await during(BEFORE_MS);
  line.udp.change({ bitrate: bitrate / 2 }, ['down']);
  const lean = await during(LOOK_MS);
  const { longestQueueMs } = line.udp.counters('down');
  line.udp.change({ bitrate: 0 }, ['down']);
  const after = await untilBack(thin, good);
  const spans: Thinned = { before, thin: lean, after };
  const { overflowed } = line.udp.counters('down');
  return { ...(await facts({ thin, good }, spans, drawn())), longestQueueMs, overflowed };
}

/** Waits until a viewer gets what another one does, at most for as long as that may take. */
async function untilBack(thin: SeeingPage, good: SeeingPage): Promise<Span> {
  const fromMs = Date.now();
  for (;;) {
    const last = await during(BACK_LOOK_MS);
    const [seen, reference] = await Promise.all([thin.seen(), good.seen()]);
    const isBack = viewed(seen, last).rate > viewed(reference, last).rate * FULL_SHARE;
    if (isBack || last.toMs - fromMs > BACK_MS) return { fromMs, toMs: last.toMs };
  }
}

async function facts(viewers: Record<'thin' | 'good', SeeingPage>, spans: Thinned, drawn: Drawn) {
  const [seen, reference] = await Promise.all([viewers.thin.seen(), viewers.good.seen()]);
  const span = { fromMs: spans.thin.fromMs, toMs: spans.after.toMs };
  const late = delaysOf(seen, span, drawn);
  // The end of the time in which quality has to come back.
  const last = { fromMs: spans.after.toMs - BACK_LOOK_MS, toMs: spans.after.toMs };
  return {
    before: viewed(seen, spans.before),
    thin: viewed(seen, spans.thin),
    back: viewed(seen, last),
    backShare: viewed(seen, last).rate / viewed(reference, last).rate,
    longestDelayMs: Math.max(...late.map(({ delayMs }) => delayMs)),
    longestOwnDelayMs: Math.max(...late.map(({ ownDelayMs }) => ownDelayMs)),
    // How late pictures were, by when they were shown after the line was cut, milliseconds.
    lateAt: late.slice(0, 40).map(({ atMs, delayMs }) => `${Math.round(atMs - span.fromMs)}: ${Math.round(delayMs)}`),
    good: viewed(reference, span, drawn.stalls),
    goodHeights: new Set(
      reference.samples.filter(({ atMs }) => atMs > spans.before.fromMs).map(({ frameHeight }) => frameHeight),
    ),
  };
}

type Facts = Awaited<ReturnType<typeof thinned>>;

function expectPlayed(what: string, seen: Facts): void {
  tell(what, { ...seen, goodHeights: [...seen.goodHeights] });
  const text = JSON.stringify(seen);
  expect(seen.thin.pictures, text).toBeGreaterThan(LOOK_MS / 1000 / 3);
  expect(seen.longestOwnDelayMs, text).toBeLessThan(MOST_DELAY_MS);
  expect(seen.backShare, text).toBeGreaterThan(FULL_SHARE);
  expect(seen.back.height, text).toBe(seen.before.height);
  expect(seen.good.ownGapMs, text).toBeLessThan(MOST_GAP_MS);
  expect(seen.goodHeights.size, text).toBe(1);
}

describe('a viewer whose line carries half of the bitrate for a while', () => {
  it('of a publisher by RTMP plays on in time with fewer pictures, and wholly again afterwards', async (test) => {
    const source = { size: '320x240', rate: RATE, noise: 30, bitrate: BITRATE };
    const publisher = new NumberedPublisher(server.rtmp('single'), source);
    test.onTestFinished(() => publisher.stop());
    await server.untilLive('single');
    const drawn = (): Drawn => ({
      drawnMs: publisher.drawnMs,
      stalls: [...heartbeat.stalls, ...publisher.stalls],
    });
    expectPlayed('thin line, one encoding', await thinned(test, 'single', { bitrate: BITRATE, drawn }));
  });
});
