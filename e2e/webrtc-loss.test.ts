import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Ffmpeg } from './support/ffmpeg.ts';
import { LOOK_MS, lineTo, NumberedPublisher, playIn, tell } from './support/impairment/lines.ts';
import { arrivedOf, numbersOf, timesOf } from './support/impairment/numbered.ts';
import {
  during,
  publishNumberedFrom,
  type SeeingPage,
  sourceOf,
  type Viewed,
  viewed,
} from './support/impairment/seen.ts';
import { SentPictures } from './support/impairment/sent-pictures.ts';
import { Heartbeat } from './support/impairment/stalls.ts';
import { decodeWholeAside, finishedRecordings, recordingPath } from './support/recordings.ts';
import { TestServer } from './support/server.ts';
import { WebRtcPages } from './support/webrtc/pages.ts';

const RATE = 25;
/** ffmpeg does not fit pictures into a steady rate, where two of them would have one time. */
const AT_THEIR_TIMES = ['-fps_mode', 'passthrough', '-enc_time_base', '-1'];
/** No viewer waits longer for a picture, whatever is lost. */
const MOST_GAP_MS = 1000;
/** Nor longer than this where a line is taken for a thin one for a moment, or its address changes. */
const MOST_GAP_CHANGED_MS = 3000;

let server: TestServer;
let pages: WebRtcPages;
let publisher: NumberedPublisher;
let heartbeat: Heartbeat;

beforeAll(async () => {
  heartbeat = new Heartbeat();
  server = await TestServer.start();
  pages = await WebRtcPages.start();
  publisher = new NumberedPublisher(server.rtmp('numbered'), {
    size: '320x240',
    rate: RATE,
    noise: 20,
    bitrate: 800_000,
  });
  await server.untilLive('numbered');
});

afterAll(async () => {
  await publisher.stop();
  await pages.close();
  await server.stop();
  heartbeat.stop();
});

/** What a viewer saw, beside what is sent. */
interface Compared extends Viewed {
  /** Its pictures a second as a share of those that were sent; the same of the last three seconds. */
  readonly share: number;
  readonly lastShare: number;
}

async function lookAt(what: string, page: SeeingPage, rate = RATE): Promise<Compared> {
  const span = await during(LOOK_MS);
  const seen = await page.seen();
  const saw = viewed(seen, span, [...heartbeat.stalls, ...publisher.stalls]);
  const last = viewed(seen, { fromMs: span.toMs - 3000, toMs: span.toMs });
  const compared = { ...saw, share: saw.rate / rate, lastShare: last.rate / rate };
  tell(what, compared);
  return compared;
}

describe('a viewer', () => {
  it.concurrent('whose line loses 5 % of all packets, 50 ms away, sees no freeze of a second and hears no gaps', async (test) => {
    const line = await lineTo(test, server, { changes: { loss: 0.05, delayMs: 50 } });
    const page = await playIn(test, pages, line.before.http('/whep/numbered'));
    const saw = await lookAt('5 % loss', page);
    expect(line.udp.counters('down').lost).toBeGreaterThan(10);
    expect(saw.ownGapMs, JSON.stringify(saw)).toBeLessThan(MOST_GAP_MS);
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
    expect(saw.ownGapMs, JSON.stringify(saw)).toBeLessThan(MOST_GAP_CHANGED_MS);
    expect(saw.share, JSON.stringify(saw)).toBeGreaterThan(0.5);
  });

  it.concurrent('whose address changes goes on playing within three seconds', async (test) => {
    const line = await lineTo(test, server, { changes: { delayMs: 20 } });
    const page = await playIn(test, pages, line.before.http('/whep/numbered'));
    line.udp.move();
    const saw = await lookAt('new address of a viewer', page);
    expect(saw.ownGapMs, JSON.stringify(saw)).toBeLessThan(MOST_GAP_CHANGED_MS);
    expect(saw.lastShare, JSON.stringify(saw)).toBeGreaterThan(0);
  });
});

/** What came of a publisher's pictures into a file, and how many of those are whole. */
async function arrivedIn(file: string, sentMs: readonly number[]) {
  const times = await timesOf(file);
  const numbers = await numbersOf(file);
  const whole = numbers.filter((number) => number !== undefined).length;
  const steps = times.slice(1).map((time, i) => time - (times[i] ?? time));
  return { ...arrivedOf(sentMs, times), decoded: numbers.length, whole, longestStepMs: Math.max(...steps) };
}

function expectWhole(where: string, arrived: Awaited<ReturnType<typeof arrivedIn>>, log = ''): void {
  tell(`10 % loss of a publisher, ${where}`, arrived);
  const text = `${where}: ${JSON.stringify(arrived)} ${log}`;
  // Chromium leaves pictures out when the machine is busy.
  expect(arrived.sent, text).toBeGreaterThan((LOOK_MS / 1000) * PAGE.rate * 0.5);
  expect(arrived.came / arrived.sent, text).toBeGreaterThanOrEqual(0.99);
  expect(arrived.decoded, text).toBe(arrived.came);
  expect(arrived.whole, text).toBe(arrived.decoded);
}

const PAGE = {
  video: 'video/H264',
  width: 320,
  height: 240,
  rate: 20,
  noise: false,
  encodings: [{}],
  notesSent: false,
};

describe('a publisher', () => {
  it.concurrent('that loses 10 % of its packets has at least 99 % of its pictures in HLS and in a recording, whole', async (test) => {
    const line = await lineTo(test, server, { changes: { delayMs: 20 } });
    line.udp.change({ loss: 0.1 }, ['up']);
    const sent = new SentPictures(line.udp);
    const page = await publishNumberedFrom(pages, { ...PAGE, url: line.before.http('/whip/lossy') });
    test.onTestFinished(() => page.context().close());
    await server.untilLive('lossy');
    const [stream] = await server.rest<{ mediaSessionId: string }[]>('/stream/find', {
      name: 'lossy',
      published: true,
    });
    const recording = { mediaSessionId: stream?.mediaSessionId, config: { fileTemplate: 'lossy' } };
    await server.rest('/recorder/startup', recording);
    const fromHls = join(server.folder, 'lossy.mkv');
    const seconds = LOOK_MS / 1000 + 2;
    const viewer = new Ffmpeg([
      '-v',
      'warning',
      '-i',
      server.hls('lossy'),
      '-t',
      String(seconds),
      '-c',
      'copy',
      fromHls,
    ]);
    expect(await viewer.exited, viewer.stderr).toBe(0);
    const known = JSON.stringify(await server.rest('/stream/explain', { name: 'lossy' }));
    await server.rest('/recorder/terminate', { mediaSessionId: stream?.mediaSessionId });
    const [recorded] = await finishedRecordings(server, { streamName: 'lossy' });
    const fromRecording = recordingPath(server, { fileName: recorded?.fileName ?? '' });
    expect(line.udp.counters('up').lost).toBeGreaterThan(20);
    const sentMs = sent.timesMs(await sourceOf(page));
    expectWhole('HLS', await arrivedIn(fromHls, sentMs), `${viewer.stderr}\n${known}`);
    expectWhole('a recording', await arrivedIn(fromRecording, sentMs), known);
    await decodeWholeAside(fromRecording, AT_THEIR_TIMES);
  });

  it.concurrent('whose address changes is seen again within three seconds', async (test) => {
    const line = await lineTo(test, server, { changes: { delayMs: 20 } });
    const page = await publishNumberedFrom(pages, { ...PAGE, url: line.before.http('/whip/moving') });
    test.onTestFinished(() => page.context().close());
    await server.untilLive('moving');
    const viewer = await playIn(test, pages, server.http('/whep/moving'));
    line.udp.move();
    const saw = await lookAt('new address of a publisher', viewer, PAGE.rate);
    expect(saw.ownGapMs, JSON.stringify(saw)).toBeLessThan(MOST_GAP_CHANGED_MS);
    expect(saw.lastShare, JSON.stringify(saw)).toBeGreaterThan(0.8);
  });
});
