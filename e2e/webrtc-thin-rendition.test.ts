import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { lineTo, playIn, publishNumberedByRtmp, tell } from './support/impairment/lines.ts';
import { delaysMs, during, type SeeingPage, type Span, viewed } from './support/impairment/seen.ts';
import { TestServer } from './support/server.ts';
import { WebRtcPages } from './support/webrtc/pages.ts';

const RATE = 25;
const BITRATE = 1_200_000;
const SIZE = '320x240';
const HEIGHT = 240;
const QUEUE_MS = 300;
/** A good line is measured for so long before it is made thin, and the stream is known then. */
const BEFORE_MS = 3500;
/** After the cut, a smaller picture has to be shown within this, */
const MADE_WITHIN_MS = 6000;
/** and full quality within this after the line is good again. */
const BACK_WITHIN_MS = 15_000;
const LOOK_MS = 2500;
/** Of the pictures of a viewer with a good line: the machine is not always on time. */
const WHOLE_SHARE = 0.85;

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

/** Waits until the pictures of a viewer have another height, which has to be within so long, and tells how long it took. */
async function untilHeight(page: SeeingPage, isRight: (height: number) => boolean, withinMs: number): Promise<number> {
  const fromMs = Date.now();
  const look = async (): Promise<void> => {
    const last = (await page.seen()).samples.at(-1);
    expect(isRight(last?.frameHeight ?? 0), JSON.stringify(last)).toBe(true);
  };
  await vi.waitFor(look, { timeout: withinMs, interval: 100 });
  return Date.now() - fromMs;
}

/** Waits until a viewer gets all that another one gets, at most for as long as that may take. */
async function untilWhole(thin: SeeingPage, good: SeeingPage): Promise<{ backMs: number; back: Span }> {
  const fromMs = Date.now();
  for (;;) {
    await untilHeight(thin, (height) => height === HEIGHT, BACK_WITHIN_MS - (Date.now() - fromMs));
    const backMs = Date.now() - fromMs;
    const back = await during(LOOK_MS);
    const [whole, other] = [viewed(await thin.seen(), back), viewed(await good.seen(), back)];
    const isWhole = whole.height === HEIGHT && whole.rate > other.rate * WHOLE_SHARE;
    if (isWhole || Date.now() - fromMs > BACK_WITHIN_MS) return { backMs, back };
  }
}

/** How late pictures were in a span, beyond what the machine itself held up, milliseconds. */
async function extraDelayMs(page: SeeingPage, good: SeeingPage, span: Span): Promise<number> {
  const [seen, reference] = await Promise.all([page.seen(), good.seen()]);
  const longest = (one: typeof seen): number => Math.max(...delaysMs(one, { reference, rate: RATE, span }));
  return longest(seen) - longest(reference);
}

interface ExplainedPicture {
  readonly kind: string;
  readonly delivery: string;
  readonly quality?: string;
  readonly qualityReason?: string;
  readonly conversion?: { readonly cpuShare?: number };
}

/** What the server says of the pictures that players of a stream get. */
async function explained(name: string): Promise<ExplainedPicture[]> {
  const request = { method: 'POST', body: JSON.stringify({ name }) };
  const response = await fetch(server.http('/rest-api/stream/explain'), request);
  const answer = (await response.json()) as { sessions: { mediaType: string; media: ExplainedPicture[] }[] };
  const players = answer.sessions.filter(({ mediaType }) => mediaType === 'play');
  return players.flatMap(({ media }) => media.filter(({ kind }) => kind === 'video'));
}

describe('a viewer whose line carries half of a stream that has but one quality', () => {
  it('gets a smaller picture that moves, in time, and the whole one again when the line is good', async (test) => {
    const source = { size: SIZE, rate: RATE, noise: 30, bitrate: BITRATE };
    const publisher = publishNumberedByRtmp(server.rtmp('one'), source);
    test.onTestFinished(() => publisher.stop());
    await server.untilLive('one');
    const line = await lineTo(test, server, { changes: { delayMs: 20, queueMs: QUEUE_MS } });
    const [thin, good] = await Promise.all([
      playIn(test, pages, line.before.http('/whep/one')),
      playIn(test, pages, server.http('/whep/one')),
    ]);
    const before = await during(BEFORE_MS);
    await untilHeight(thin, (height) => height === HEIGHT, BACK_WITHIN_MS);

    line.udp.change({ bitrate: BITRATE / 2 }, ['down']);
    const madeMs = await untilHeight(thin, (height) => height < HEIGHT, MADE_WITHIN_MS);
    const made = await during(LOOK_MS);
    const pictures = await explained('one');
    const lateMs = await extraDelayMs(thin, good, made);
    line.udp.change({ bitrate: 0 }, ['down']);
    const { backMs, back } = await untilWhole(thin, good);

    const [seen, reference] = await Promise.all([thin.seen(), good.seen()]);
    const smaller = viewed(seen, made);
    const whole = viewed(seen, back);
    const othersThen = viewed(reference, back);
    const others = viewed(reference, { fromMs: before.toMs, toMs: back.toMs });
    const text = JSON.stringify({ madeMs, backMs, lateMs, smaller, whole, others, pictures });
    tell('a smaller picture for a thin line', { madeMs, backMs, lateMs, smaller, whole, others, pictures });
    expect(smaller.rate, text).toBeGreaterThan(10);
    expect(smaller.gapMs, text).toBeLessThan(1000);
    expect(smaller.broken, text).toBe(0);
    expect(lateMs, text).toBeLessThan(1000);
    expect(whole.height, text).toBe(HEIGHT);
    expect(whole.rate, text).toBeGreaterThan(othersThen.rate * WHOLE_SHARE);
    // The other viewer gets the publisher's pictures all the time.
    const heights = reference.samples.filter(({ atMs }) => atMs > before.fromMs).map(({ frameHeight }) => frameHeight);
    expect([...new Set(heights)], text).toEqual([HEIGHT]);
    expect(others.gapMs, text).toBeLessThan(3000);
    const qualities = pictures.map(({ delivery, quality }) => [delivery, quality]);
    expect(qualities, text).toContainEqual(['as_is', undefined]);
    expect(qualities, text).toContainEqual(['converted', expect.stringMatching(/^\d+p \d+ kbit\/s$/)]);
    expect(pictures.find(({ quality }) => quality !== undefined)?.qualityReason, text).toBeTruthy();
  });
});
