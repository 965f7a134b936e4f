import { beforeEach, describe, expect, test } from 'vitest';
import { type PictureRates, ThinningPolicy } from './thinning.ts';

const RATES: PictureRates = { all: 1_000_000, layer1: 700_000, layer0: 450_000, keyFrameBytes: 20_000 };
const UNMARKED: PictureRates = { ...RATES, layer1: undefined, layer0: undefined };

describe('how much of a picture a viewer gets', () => {
  let policy: ThinningPolicy;
  let nowMs: number;

  beforeEach(() => {
    policy = new ThinningPolicy();
    nowMs = 0;
  });

  function decide(bps: number, rates = RATES) {
    nowMs += 100;
    const estimate = { bps, congested: false, reason: undefined, measured: true };
    return policy.decide({ estimate, rates, audioBps: 40_000 }, nowMs);
  }

  test('is at once the most that fits', () => {
    expect(decide(1_500_000)).toEqual({ limit: 'all', probeBps: undefined });
    expect(decide(900_000).limit).toBe('layer_1');
    expect(decide(600_000).limit).toBe('layer_0');
    expect(decide(300_000).limit).toBe('key_frames');
    expect(decide(60_000).limit).toBe('none');
  });

  test('is key frames alone where layers are not marked', () => {
    expect(decide(900_000, UNMARKED).limit).toBe('key_frames');
  });

  test('is more again after a while in which there is room for it, for which the way is probed', () => {
    expect(decide(300_000).probeBps).toBeGreaterThan(1_000_000);
    expect(decide(2_000_000).limit).toBe('key_frames');
    for (let i = 0; i < 15; i++) decide(2_000_000);
    expect(decide(2_000_000)).toEqual({ limit: 'all', probeBps: undefined });
  });

  test('is not more again where there is just room for it', () => {
    decide(300_000);
    for (let i = 0; i < 50; i++) expect(decide(1_180_000).limit).not.toBe('all');
  });

  test('stays the same while a key frame makes it take more than usual for a moment', () => {
    const peak = { ...UNMARKED, all: 1_080_000 };
    for (let i = 0; i < 30; i++) expect(decide(1_180_000, i % 20 < 10 ? peak : UNMARKED).limit).toBe('all');
    for (let i = 0; i < 14; i++) decide(1_180_000, peak);
    expect(decide(1_180_000, peak).limit).toBe('key_frames');
  });

  test('is more again where there is some more room than it takes, not much more', () => {
    decide(300_000, UNMARKED);
    for (let i = 0; i < 20; i++) decide(1_270_000, UNMARKED);
    expect(decide(1_270_000, UNMARKED).limit).toBe('all');
  });

  test('is all of another quality for a while, as that begins with more than is usual on a way that is still full', () => {
    decide(300_000, UNMARKED);
    policy.reset(nowMs);
    const small = { ...UNMARKED, all: 200_000 };
    const begins = { ...small, all: 500_000 };
    for (let i = 0; i < 10; i++) expect(decide(300_000, begins).limit).toBe('all');
    for (let i = 0; i < 20; i++) expect(decide(300_000, small).limit).toBe('all');
    expect(decide(200_000, small).limit).toBe('key_frames');
  });

  test('is key frames soon after nothing at all, however often more was in vain', () => {
    let bps = 300_000;
    for (let i = 0; i < 300; i++) bps = decide(bps).limit === 'all' ? 300_000 : 2_000_000;
    decide(60_000);
    for (let i = 0; i < 14; i++) expect(decide(600_000, UNMARKED).limit).toBe('none');
    expect(decide(600_000, UNMARKED).limit).toBe('key_frames');
  });

  test('is tried less and less often when that is in vain', () => {
    const raised: number[] = [];
    let bps = 300_000;
    for (let i = 0; i < 600; i++) {
      const { limit } = decide(bps);
      if (limit === 'all') raised.push(nowMs);
      bps = limit === 'all' ? 300_000 : 2_000_000;
    }
    const gaps = raised.slice(1).map((atMs, i) => atMs - (raised[i] ?? 0));
    expect(gaps[0]).toBeLessThan(4000);
    expect(gaps.at(-1)).toBeGreaterThan(7500);
    expect(gaps.at(-1)).toBeLessThan(9000);
  });

  test('stays as it is while the way is not measured', () => {
    decide(300_000);
    const estimate = { bps: 5_000_000, congested: false, reason: undefined };
    for (let i = 0; i < 50; i++)
      expect(policy.decide({ estimate, rates: RATES, audioBps: 0 }, nowMs + i * 100).limit).toBe('key_frames');
  });
});
