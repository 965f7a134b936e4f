import { availableParallelism } from 'node:os';
import type { MediaPacket, Track } from '@sluice/media';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { TestCounters, TestLog } from '../core/testing/hub.ts';
import { Capacity } from './capacity.ts';
import { Feed, type OutputOrder } from './feed.ts';
import { FeedMember } from './feed-member.ts';
import { Feeds } from './feeds.ts';
import { DEFAULT_ENGINE_OPTIONS } from './options.ts';
import { mp4Clip } from './testing/clips.ts';
import { decodeCores, outputCores } from './video-cost.ts';
import { COST, flagsOf, writeMessage } from './wire.ts';

const [FIRST]: MediaPacket[] = await mp4Clip(['-f', 'lavfi', '-i', 'testsrc2=s=1280x720:r=30:d=0.1', '-bf', '0']);
const HD: Track = FIRST?.track ?? never();

describe('the capacity of a machine', () => {
  test('is all of it but half a core, or what the setting says', () => {
    expect(new Capacity(0).limitCores).toBe(Math.max(0.5, availableParallelism() - 0.5));
    expect(new Capacity(3).limitCores).toBe(3);
  });

  test('learns slowly, within bounds', () => {
    const capacity = new Capacity(0);
    capacity.learn(2);
    expect(capacity.factor).toBeCloseTo(1.05);
    for (let lesson = 0; lesson < 1000; lesson++) capacity.learn(1000);
    expect(capacity.factor).toBeCloseTo(4);
    for (let lesson = 0; lesson < 1000; lesson++) capacity.learn(0);
    expect(capacity.factor).toBeCloseTo(0.4);
  });

  test('admits what fits exactly, and says of anything else what it needs', () => {
    const capacity = new Capacity(1);
    expect(capacity.refusal(0.25, { limitCores: 1, usedCores: 0.75 })).toBeUndefined();
    expect(capacity.refusal(0.3, { limitCores: 1, usedCores: 0.75 })).toContain(
      '0.30 processor cores, and 0.75 of the 1.00',
    );
  });
});

describe('forms that cost next to nothing', () => {
  test('are bounded by their number, over all sources, and there is room again when one ends', async () => {
    const counters = new TestCounters();
    const feeds = new Feeds({ options: { ...DEFAULT_ENGINE_OPTIONS, maxCores: 4 }, log: new TestLog(), counters });
    const failures: string[] = [];
    const events = { onPacket: () => undefined, onFailed: (reason: string) => void failures.push(reason) };
    const open = (form: number) => {
      const target = { codec: 'h264', picture: { width: 16, fps: 5, bitrateBps: 1000 + form } } as const;
      return feeds.open({ source: HD, target, events, feed: form % 2 === 0 ? counters : failures });
    };
    const [first] = Array.from({ length: 96 }, (_, form) => open(form));
    await Promise.resolve();
    expect([failures, feeds.size, feeds.budget.formsLeft]).toEqual([[], 96, 0]);
    open(96);
    await Promise.resolve();
    expect(failures).toEqual([expect.stringContaining('in 96 forms already')]);
    first?.close();
    open(97);
    await Promise.resolve();
    expect([failures.length, feeds.size]).toEqual([1, 96]);
    await feeds.close();
  });
});

describe('the estimate of a ladder', () => {
  test('fits what was measured: half a core for 720, 480 and 240 lines of 720p30 with veryfast', () => {
    const heights = [720, 480, 240];
    const ofPreset = (preset: 'superfast' | 'veryfast') =>
      heights.reduce(
        (sum, height) => sum + outputCores(HD, { codec: 'h264', picture: { height } }, preset),
        decodeCores(HD),
      );
    expect(ofPreset('veryfast')).toBeCloseTo(0.5, 1);
    expect(ofPreset('superfast')).toBeCloseTo(0.36, 1);
  });
});

describe('what a feed tells of its cost', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  /** A feed of one member that has been told of work twice a second, for so many pictures each. */
  function worked(pictures: number, cpuShare: number): Feed {
    const counters = new TestCounters();
    const onEmpty = () => undefined;
    const feed = new Feed({ number: 1, source: HD, shared: true, options: DEFAULT_ENGINE_OPTIONS, counters, onEmpty });
    const events = { onPacket: () => undefined, onFailed: () => undefined };
    const about = { source: HD, target: { codec: 'h264' }, counters, feed, onEncoder: () => undefined } as const;
    feed.join(new FeedMember({ ...about, events, output: 1, estimate: { cores: 0.3, fps: 30 } }), {} as OutputOrder);
    for (let report = 0; report < 20; report++) {
      vi.advanceTimersByTime(500);
      const work = { packets: pictures, busyUs: 100_000, cpuUs: (cpuShare * 500_000) / 2 };
      for (const output of [0, 1])
        feed.onFrame({ stream: 1, type: COST, flags: flagsOf(output), timeUs: 0, payload: writeMessage(work) });
    }
    return feed;
  }

  test('is the estimate until it is known, then what is measured', () => {
    expect(worked(0, 0).usedCores(1, performance.now() + 60_000)).toBeCloseTo(0.3 + decodeCores(HD));
    expect(worked(15, 0.2).usedCores(1, performance.now())).toBeCloseTo(0.2);
  });

  test('is a lesson at about the rate that was estimated alone: a slide now and then says nothing', () => {
    const expected = 0.3 + decodeCores(HD);
    expect(worked(15, 2 * expected).estimateError(performance.now())).toBeCloseTo(2);
    expect(worked(1, 0.1).estimateError(performance.now())).toBeUndefined();
  });
});

function never(): never {
  throw new Error('the clip is empty');
}
