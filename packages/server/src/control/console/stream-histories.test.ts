import { OverviewBody, StreamHistoryBody } from '@sluice/contract';
import Value from 'typebox/value';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Stream } from '../../core/index.ts';
import { AAC, ControlFixture, H264 } from '../testing/control-fixture.ts';
import { HISTORY_SAMPLES } from './sample-ring.ts';
import { StreamHistories } from './stream-histories.ts';
import { HISTORY_SERIES, type HistorySeries, StreamHistory } from './stream-history.ts';

const SAMPLE = Object.fromEntries(HISTORY_SERIES.map((series) => [series, 0])) as Record<HistorySeries, number>;

let fixture: ControlFixture;

beforeEach(() => {
  fixture = new ControlFixture();
});

afterEach(() => fixture.close());

function send(stream: Stream, ms: number, { key = false, ptsMs = ms, track = H264, byteLength = 100 } = {}): void {
  stream.publish({ track, units: [], ptsUs: ptsMs * 1000, dtsUs: ms * 1000, key, byteLength });
}

function unpublish(stream: Stream): void {
  if (stream.publisher !== undefined) fixture.streams.unpublish(stream, stream.publisher, 'test');
}

describe('the history of a stream', () => {
  it('keeps the newest five minutes, oldest first', () => {
    const history = new StreamHistory(500);
    for (let i = 1; i <= HISTORY_SAMPLES + 50; i++) history.push(i * 1000, { ...SAMPLE, viewers: i, drops: i * 2 });
    const { timesMs, viewers, drops, startedMs } = history.since(0);
    expect([timesMs.length, viewers.length, startedMs]).toEqual([HISTORY_SAMPLES, HISTORY_SAMPLES, 500]);
    expect([timesMs[0], timesMs.at(-1)]).toEqual([51_000, 350_000]);
    expect([viewers[0], viewers.at(-1), drops.at(-1)]).toEqual([51, 350, 700]);
  });

  it('tells what came after a time, and the latest of one series', () => {
    const history = new StreamHistory(0);
    for (let i = 1; i <= 10; i++) history.push(i * 1000, { ...SAMPLE, viewers: i });
    expect(history.since(8000).timesMs).toEqual([9000, 10_000]);
    expect(history.since(8500).viewers).toEqual([9, 10]);
    expect(history.since(10_000).viewers).toEqual([]);
    expect(history.latest('viewers', 3)).toEqual([8, 9, 10]);
    expect(history.latest('viewers', 99)).toHaveLength(10);
  });

  it('has times that ascend even when the clock is set back', () => {
    const history = new StreamHistory(0);
    for (const time of [5000, 3000, 3500, 6000]) history.push(time, SAMPLE);
    expect(history.since(0).timesMs).toEqual([5000, 5001, 5002, 6000]);
  });
});

describe('the sampler of histories', () => {
  it('notes what each second brought', () => {
    const histories = new StreamHistories(fixture.streams, fixture.sessions);
    const stream = fixture.publish('room');
    histories.start();
    histories.sample(1000, 1000);
    stream.addViewers(2);
    for (let i = 0; i < 50; i++) send(stream, 1000 + i * 40, { key: i % 25 === 0, byteLength: 1000 });
    send(stream, 1000, { track: AAC });
    histories.sample(3000, 3000);
    const body = histories.of(stream)?.since(1000);
    expect(body).toMatchObject({
      timesMs: [3000],
      framesPerSecond: [25],
      videoBitsPerSecond: [200_000],
      audioBitsPerSecond: [400],
      viewers: [2],
      keyFrameIntervalMs: [1000],
      gopMs: [960],
      drops: [0],
    });
  });

  it('sums the drops of all sessions of a stream, without those left out on purpose', () => {
    const histories = new StreamHistories(fixture.streams, fixture.sessions);
    const stream = fixture.publish('room', { mediaSessionId: 'p' });
    const drops = { slow_viewer: 5, not_carried: 100 };
    const viewer = fixture.addSession('room', { mediaType: 'play', mediaSessionId: 'v', drops });
    fixture.addSession('room', { mediaType: 'play', mediaSessionId: 'w', drops: { broken: 1 } });
    histories.start();
    histories.sample(1000, 1000);
    Object.assign(viewer.drops, { slow_viewer: 7 });
    histories.sample(2000, 2000);
    fixture.sessions.get('v')?.close('left');
    histories.sample(3000, 3000);
    expect(histories.of(stream)?.latest('drops', 9)).toEqual([6, 2, 0]);
    expect(histories.dropsOf(stream)).toBe(8);
  });

  it('sums what the network lost of all sessions of a stream, and never takes back what it told', () => {
    const histories = new StreamHistories(fixture.streams, fixture.sessions);
    const stream = fixture.publish('room', { mediaSessionId: 'p' });
    const viewer = fixture.addSession('room', { mediaType: 'play', mediaSessionId: 'v', lostPackets: 5 });
    fixture.addSession('room', { mediaType: 'play', mediaSessionId: 'w', lostPackets: 1 });
    histories.start();
    histories.sample(1000, 1000);
    for (const [second, lostPackets] of [7, 6, 8].entries()) {
      Object.assign(viewer, { lostPackets });
      histories.sample(2000 + second * 1000, 2000 + second * 1000);
    }
    expect(histories.of(stream)?.latest('lost', 9)).toEqual([6, 2, 0, 1]);
    expect(histories.of(stream)?.latest('drops', 9)).toEqual([0, 0, 0, 0]);
  });

  it('tells the longest pause between packets of each second', async () => {
    const histories = new StreamHistories(fixture.streams, fixture.sessions);
    const stream = fixture.publish('room');
    histories.start();
    histories.sample(performance.now() + 2500, 1000);
    expect(histories.of(stream)?.latest('longestGapMs', 1)[0]).toBeGreaterThanOrEqual(2500);
    expect(histories.of(stream)?.latest('longestGapMs', 1)[0]).toBeLessThan(4000);
  });

  it('forgets a stream when its publication is over, and begins anew with the next one', () => {
    const histories = new StreamHistories(fixture.streams, fixture.sessions);
    histories.start();
    const stream = fixture.publish('room');
    histories.sample(1000, 1000);
    expect([histories.size, histories.of(stream)?.length]).toEqual([1, 1]);
    unpublish(stream);
    expect([histories.size, histories.of(stream)]).toEqual([0, undefined]);
    histories.sample(2000, 2000);
    expect(histories.of(fixture.publish('room'))?.length).toBe(0);
  });

  it('is bounded in the number of streams, and follows none after it was closed', () => {
    const histories = new StreamHistories(fixture.streams, fixture.sessions, 2);
    histories.start();
    for (const name of ['a', 'b', 'c']) fixture.publish(name);
    expect(histories.size).toBe(2);
    histories.close();
    fixture.publish('d');
    expect(histories.size).toBe(0);
  });
});

describe('GET /api/streams/<name>/history', () => {
  const sampled = { timeout: 5000 };

  async function history(base: string, name: string, query = ''): Promise<StreamHistoryBody> {
    const response = await fetch(`${base}/api/streams/${encodeURIComponent(name)}/history${query}`);
    expect(response.status).toBe(200);
    const body = (await response.json()) as StreamHistoryBody;
    expect(Value.Check(StreamHistoryBody, body)).toBe(true);
    return body;
  }

  it('tells a stream’s samples, and later those that are new, whatever the stream is called', async () => {
    const name = `vod-live://a b/ü%2F?.mp4${'x'.repeat(900)}`;
    fixture.publish(name);
    const base = await fixture.start();
    await expect.poll(async () => (await history(base, name)).timesMs.length, sampled).toBeGreaterThan(0);
    const first = await history(base, name, '?since=0');
    expect(first.name).toBe(name);
    const since = `?since=${first.timesMs.at(-1)}`;
    expect((await history(base, name, since)).timesMs.every((time) => !first.timesMs.includes(time))).toBe(true);
  });

  it('answers 404 for a stream that is not live and 400 for a time that is none', async () => {
    fixture.publish('room');
    const base = await fixture.start();
    expect((await fetch(`${base}/api/streams/other/history`)).status).toBe(404);
    expect((await fetch(`${base}/api/streams/room/history?since=yesterday`)).status).toBe(400);
  });
});

describe('the overview of a stream', () => {
  it('tells what an operator must know of it, with hints', async () => {
    const stream = fixture.publish('room', { mediaSessionId: 'p', createDate: Date.now() - 60_000 });
    stream.setMetadata({ framerate: 25 }, 100);
    for (let i = 1; i <= 300; i++) {
      send(stream, i * 40, { ptsMs: i * 40 + (i % 3 === 0 ? 0 : 80), key: i === 200 });
      send(stream, i * 40, { track: AAC });
    }
    const base = await fixture.start();
    const body = (await (await fetch(`${base}/api/overview`)).json()) as OverviewBody;
    expect(Value.Check(OverviewBody, body)).toBe(true);
    expect(body.streams[0]).toMatchObject({ keyFrameIntervalMs: 8000, hasBFrames: true, drops: 0 });
    // On a busy machine a second may pass before the question, and count as a pause of the publisher.
    const codes = body.streams[0]?.hints.map((hint) => hint.code).filter((code) => code !== 'PUBLISHER_STALLS');
    expect(codes).toEqual(['KEY_FRAME_INTERVAL_LONG', 'B_FRAMES']);
  });

  it('has no hint for a stream that has only begun', async () => {
    fixture.publish('room', { createDate: Date.now() });
    const body = (await (await fetch(`${await fixture.start()}/api/overview`)).json()) as OverviewBody;
    expect(body.streams[0]?.hints).toEqual([]);
  });
});
