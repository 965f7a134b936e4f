import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Ffmpeg } from './support/ffmpeg.ts';
import { LOOK_MS, lineTo, playIn, publishNumberedByRtmp, tell } from './support/impairment/lines.ts';
import { arrivedOf, numbersOf, timesOf } from './support/impairment/numbered.ts';
import { during, publishNumberedFrom, SeeingPage, sentBy, type Viewed, viewed } from './support/impairment/seen.ts';
import type { Program } from './support/program.ts';
import { TestServer } from './support/server.ts';
import { WebRtcPages } from './support/webrtc/pages.ts';

const RATE = 25;

let server: TestServer;
let pages: WebRtcPages;
let publisher: Program;
/** A viewer whose line does nothing: what it misses is the machine's fault. */
let control: SeeingPage;

beforeAll(async () => {
  server = await TestServer.start();
  pages = await WebRtcPages.start();
  publisher = publishNumberedByRtmp(server.rtmp('numbered'), {
    size: '320x240',
    rate: RATE,
    noise: 20,
    bitrate: 800_000,
  });
  await server.untilLive('numbered');
  control = await SeeingPage.play(pages, server.http('/whep/numbered'));
  await control.untilShown(20);
});

afterAll(async () => {
  await publisher.stop();
  await pages.close();
  await server.stop();
});

/** What a viewer saw, and what of that is not the machine's fault. */
interface Compared extends Viewed {
  /** By how much its longest gap is longer than the one of a viewer without such a line. */
  readonly extraGapMs: number;
  /** Its rate of pictures as a share of that viewer's; the same of the last three seconds. */
  readonly share: number;
  readonly lastShare: number;
}

async function lookAt(what: string, page: SeeingPage): Promise<Compared> {
  const span = await during(LOOK_MS);
  const [seen, unharmed] = await Promise.all([page.seen(), control.seen()]);
  const [saw, other] = [viewed(seen, span), viewed(unharmed, span)];
  const last = { fromMs: span.toMs - 3000, toMs: span.toMs };
  const compared = {
    ...saw,
    extraGapMs: saw.gapMs - other.gapMs,
    share: saw.rate / other.rate,
    lastShare: viewed(seen, last).rate / viewed(unharmed, last).rate,
  };
  tell(what, { ...compared, controlGapMs: other.gapMs });
  return compared;
}

describe('a viewer', () => {
  it.concurrent('whose line loses 5 % of all packets, 50 ms away, sees no freeze of a second and hears no gaps', async (test) => {
    const line = await lineTo(test, server, { changes: { loss: 0.05, delayMs: 50 } });
    const page = await playIn(test, pages, line.before.http('/whep/numbered'));
    const saw = await lookAt('5 % loss', page);
    expect(line.udp.counters('down').lost).toBeGreaterThan(10);
    expect(saw.extraGapMs, JSON.stringify(saw)).toBeLessThan(1000);
    expect(saw.share, JSON.stringify(saw)).toBeGreaterThan(0.9);
    expect(saw.concealed).toBeLessThan(0.1);
  });

  it.concurrent('whose line delays, doubles and disorders packets goes on playing', async (test) => {
    const line = await lineTo(test, server, {
      changes: {
        delayMs: 20,
        jitterMs: 20,
        spikes: { everyMs: 2000, lengthMs: 200 },
        reorder: { share: 0.03, byMs: 20 },
        duplicates: 0.05,
      },
    });
    const page = await playIn(test, pages, line.before.http('/whep/numbered'));
    const saw = await lookAt('jitter, reordering, duplicates', page);
    expect(line.udp.counters('down').reordered).toBeGreaterThan(10);
    expect(line.udp.counters('down').duplicated).toBeGreaterThan(10);
    // Such a line may be taken for a thin one for a moment.
    expect(saw.extraGapMs, JSON.stringify(saw)).toBeLessThan(3000);
    expect(saw.share, JSON.stringify(saw)).toBeGreaterThan(0.5);
  });

  it.concurrent('whose address changes goes on playing within three seconds', async (test) => {
    const line = await lineTo(test, server, { changes: { delayMs: 20 } });
    const page = await playIn(test, pages, line.before.http('/whep/numbered'));
    line.udp.move();
    const saw = await lookAt('new address of a viewer', page);
    expect(saw.extraGapMs, JSON.stringify(saw)).toBeLessThan(3000);
    expect(saw.lastShare, JSON.stringify(saw)).toBeGreaterThan(0);
  });
});

describe('a publisher', () => {
  const PAGE = {
    video: 'video/H264',
    width: 320,
    height: 240,
    rate: 20,
    noise: false,
    encodings: [{}],
    notesSent: true,
  };

  // What is sent again is waited for less long than a very busy machine may take.
  it.concurrent('that loses 10 % of its packets has at least 99 % of its pictures in HLS, whole', {
    retry: 1,
  }, async (test) => {
    const name = `lossy${test.task.result?.retryCount ?? 0}`;
    const line = await lineTo(test, server, { changes: { delayMs: 20 } });
    line.udp.change({ loss: 0.1 }, ['up']);
    const page = await publishNumberedFrom(pages, { ...PAGE, url: line.before.http(`/whip/${name}`) });
    test.onTestFinished(() => page.context().close());
    await server.untilLive(name);
    const file = join(server.folder, `${name}.mkv`);
    const seconds = LOOK_MS / 1000 + 2;
    const recorder = new Ffmpeg(['-v', 'error', '-i', server.hls(name), '-t', String(seconds), '-c', 'copy', file]);
    expect(await recorder.exited, recorder.stderr).toBe(0);
    const arrived = arrivedOf(await sentBy(page), await timesOf(file));
    const numbers = await numbersOf(file);
    const whole = numbers.filter((number) => number !== undefined).length;
    const figures = { ...arrived, inHls: numbers.length, whole, up: line.udp.counters('up') };
    tell('10 % loss of a publisher', figures);
    expect(arrived.sent, JSON.stringify(figures)).toBeGreaterThan((LOOK_MS / 1000) * PAGE.rate * 0.9);
    expect(arrived.came / arrived.sent, JSON.stringify(figures)).toBeGreaterThanOrEqual(0.99);
    expect(whole, JSON.stringify(figures)).toBe(numbers.length);
    expect(line.udp.counters('up').lost).toBeGreaterThan(20);
  });

  it.concurrent('whose address changes is seen again within three seconds', async (test) => {
    const line = await lineTo(test, server, { changes: { delayMs: 20 } });
    const page = await publishNumberedFrom(pages, { ...PAGE, url: line.before.http('/whip/moving') });
    test.onTestFinished(() => page.context().close());
    await server.untilLive('moving');
    const viewer = await playIn(test, pages, server.http('/whep/moving'));
    line.udp.move();
    const saw = await lookAt('new address of a publisher', viewer);
    expect(saw.extraGapMs, JSON.stringify(saw)).toBeLessThan(3000);
    expect(saw.lastShare, JSON.stringify(saw)).toBeGreaterThan((PAGE.rate / RATE) * 0.8);
  });
});
